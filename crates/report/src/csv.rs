//! The hops of all scenarios as lines (RFC 4180), for a spreadsheet.

use crate::{
    facts,
    results::{Results, RunResult, ScenarioResult, shown_interval},
    scaling::{Replicas, Scaling},
};
use availability::scaling::Fit;
use traces::{HopAnalysis, Ratio};

const HEADER: [&str; 20] = [
    "scenario",
    "verdict",
    "seed",
    "hop",
    "calls",
    "refused",
    "attempts",
    "lost_here",
    "own",
    "per_attempt",
    "per_call",
    "per_call_low_99",
    "per_call_high_99",
    "down_to_here",
    "down_to_here_low_99",
    "down_to_here_high_99",
    "down_to_here_predicted",
    "load",
    "load_half_width_99",
    "load_predicted",
];

/// A line per scenario and hop, of the run that is shown. Shares are from 0 to 1; what is not
/// known is empty.
pub fn lines(results: &Results) -> String {
    let mut text = line(HEADER.map(str::to_owned));
    for result in &results.scenarios {
        let Some(run) = result.shown() else {
            continue;
        };
        let stairs = facts::predicted_stairs(&result.prediction, &run.analysis.hops);
        for hop in run.analysis.hops.iter().zip(stairs) {
            text += &line(cells(result, run, hop));
        }
    }
    text
}

const SCALING: [&str; 10] = [
    "scenario",
    "service",
    "replicas",
    "predicted_per_s",
    "measured_per_s",
    "low_99_per_s",
    "high_99_per_s",
    "amdahl_per_s",
    "universal_per_s",
    "efficiency",
];

/// A line per scenario and number of replicas; none if no scenario tries several.
pub fn scaling(results: &Results) -> Option<String> {
    let lines = results.scaling.iter().flat_map(|scaling| {
        let points = scaling.points.iter();
        points.map(move |point| line(scaled(scaling, point)))
    });
    let lines: String = lines.collect();
    (!lines.is_empty()).then(|| line(SCALING.map(str::to_owned)) + &lines)
}

fn scaled(scaling: &Scaling, point: &Replicas) -> [String; 10] {
    let seen = point.measured;
    let laws = scaling.laws.as_ref();
    let at = |law: &Fit| law.at(f64::from(point.replicas));
    [
        scaling.scenario.clone(),
        scaling.service.to_string(),
        point.replicas.to_string(),
        number(point.predicted_per_s),
        number(seen.map(|seen| seen.per_s)),
        number(seen.map(|seen| seen.low_per_s)),
        number(seen.map(|seen| seen.high_per_s)),
        number(laws.map(|laws| at(&laws.amdahl))),
        number(laws.and_then(|laws| laws.universal.as_ref()).map(at)),
        number(seen.map(|seen| seen.efficiency)),
    ]
}

fn cells(
    result: &ScenarioResult,
    run: &RunResult,
    (hop, predicted): (&HopAnalysis, Option<f64>),
) -> [String; 20] {
    let interval =
        |ratio: Ratio| shown_interval(ratio).map(|seen| (seen.low.get(), seen.high.get()));
    let (call, down) = (interval(hop.effective), interval(hop.cumulative));
    let prediction = &result.prediction;
    let (load, half) = facts::load(hop, run).unzip();
    [
        result.name.clone(),
        result.judgement.verdict.to_string(),
        run.seed.to_string(),
        hop.hop.clone(),
        hop.calls.outcomes.offered.to_string(),
        hop.calls.not_tried.to_string(),
        hop.attempts.outcomes.offered.to_string(),
        hop.lost_here.to_string(),
        number(hop.own.value()),
        number(hop.actual.value()),
        number(hop.effective.value()),
        number(call.map(|(low, _)| low)),
        number(call.map(|(_, high)| high)),
        number(hop.cumulative.value()),
        number(down.map(|(low, _)| low)),
        number(down.map(|(_, high)| high)),
        number(predicted),
        number(load),
        number(half.flatten()),
        number(facts::predicted_load(prediction, &hop.hop)),
    ]
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, availability::format::share)
}

fn line<const CELLS: usize>(cells: [String; CELLS]) -> String {
    let cells = cells.map(|cell| quoted(&cell));
    format!("{}\r\n", cells.join(","))
}

/// A cell in quotes where it needs them. One that a spreadsheet would take for a formula gets an
/// apostrophe in front (OWASP, *CSV Injection*): names are those of files, which anybody may send.
fn quoted(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err() {
        return quoted(&format!("'{cell}"));
    }
    if cell.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one_cell_whatever_is_in_it() {
        assert_eq!(quoted("a1-four-in-series"), "a1-four-in-series");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("a\nb"), "\"a\nb\"");
        assert_eq!(quoted("a \"b\""), "\"a \"\"b\"\"\"");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+2", "+1+2", "-1+2", "@SUM(A1)", "\t=1"] {
            assert_eq!(quoted(cell), format!("'{cell}"));
        }
        assert_eq!(quoted("=1,2"), "\"'=1,2\"");
        assert_eq!(quoted("-0.5"), "-0.5");
    }
}
