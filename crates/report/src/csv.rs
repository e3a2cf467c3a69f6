//! The hops of all scenarios as lines (RFC 4180), for a spreadsheet.

use crate::{
    facts,
    results::{Results, RunResult, ScenarioResult, shown_interval},
};
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
        let run = result.shown();
        for hop in run.iter().flat_map(|run| &run.analysis.hops) {
            text.extend(run.map(|run| line(cells(result, run, hop))));
        }
    }
    text
}

fn cells(result: &ScenarioResult, run: &RunResult, hop: &HopAnalysis) -> [String; 20] {
    let interval =
        |ratio: Ratio| shown_interval(ratio).map(|seen| (seen.low.get(), seen.high.get()));
    let (call, down) = (interval(hop.effective), interval(hop.cumulative));
    let prediction = &result.prediction;
    let predicted = prediction
        .hops
        .iter()
        .find(|predicted| *predicted.service == *hop.hop);
    let is_predicted = facts::hops_are_predicted(result);
    let predicted = predicted.filter(|_| is_predicted);
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
        number(predicted.map(|predicted| predicted.cumulative.get())),
        number(load),
        number(half.flatten()),
        number(facts::predicted_load(prediction, &hop.hop).filter(|_| is_predicted)),
    ]
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.6}"))
}

fn line(cells: [String; 20]) -> String {
    let cells = cells.map(|cell| quoted(&cell));
    format!("{}\r\n", cells.join(","))
}

/// A cell in quotes where it needs them.
fn quoted(cell: &str) -> String {
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
}
