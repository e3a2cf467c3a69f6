//! Scenarios that differ in one thing, side by side: an ablation.

use super::{
    anchor,
    pictures::{Captioned, figure},
    table,
};
use crate::{
    facts::{attempts_per_request, cpu_per_request_us, predicted},
    figure::{
        Seen,
        policies::{self, Mark, Row},
        scaling,
    },
    results::{RunResult, ScenarioResult},
    tables::compare,
    words::{called, millis, percent, times},
};
use availability::Probability;
use maud::{Markup, html};

/// `all` are those that the page shows; links lead there.
pub(super) fn group(nth: usize, group: &[&ScenarioResult], all: &[ScenarioResult]) -> Markup {
    let place = |one: &ScenarioResult| all.iter().position(|other| std::ptr::eq(one, other));
    let link = |one: &ScenarioResult| anchor(place(one).unwrap_or_default(), &one.name);
    let id = anchor(nth, "side-by-side");
    html! {
        section.group aria-labelledby=(id) {
            h3 id=(id) {
                @for (nth, result) in group.iter().enumerate() {
                    @if nth > 0 { ", " }
                    a href={"#" (link(result))} { bdi { (result.name) } }
                }
            }
            div.gallery { @for one in pictures(&id, group) { (figure(&one)) } }
            @for sheet in compare::sheets(group) { (table::of(&sheet)) }
        }
    }
}

/// What is measured of a run, and how it is said.
type Measure = fn(&ScenarioResult, &RunResult) -> Option<(Mark, String)>;

const MEASURES: [(&str, &str, &str, Measure); 4] = [
    (
        "answered",
        "Answered",
        "Dots: measured, with 99 % intervals. Upright lines: predicted.",
        answered,
    ),
    (
        "latency",
        "Latency",
        "Dot: p50. Square: p99. Stroke: p99.9. Beside it: p99.",
        latency,
    ),
    (
        "attempts",
        "Attempts for one request",
        "At all services together.",
        attempts,
    ),
    (
        "cpu",
        "Processor time for one request",
        "Of all services together, in milliseconds.",
        cpu,
    ),
];

const SCALING: &str = "Dots: measured, with 99 % intervals. Squares: predicted. Line: Amdahl’s law. \
                       Dashed: the universal law. Dotted: replicas that share nothing.";

/// A picture for each thing that is measured.
pub(crate) fn pictures(id: &str, group: &[&ScenarioResult]) -> Vec<Captioned> {
    let of_measure = |(name, title, caption, measure): (&'static str, &str, &str, Measure)| {
        let rows: Vec<_> = group.iter().map(|result| row(result, measure)).collect();
        Captioned {
            name,
            picture: policies::draw(format!("{id}-{name}"), title.to_owned(), &rows),
            caption: caption.to_owned(),
        }
    };
    let scaling = crate::scaling::of(group).map(|found| Captioned {
        name: "scaling",
        picture: scaling::draw(format!("{id}-scaling"), &found),
        caption: SCALING.to_owned(),
    });
    let measures = MEASURES.into_iter().map(of_measure);
    scaling.into_iter().chain(measures).collect()
}

fn row(result: &ScenarioResult, measure: Measure) -> Row {
    let seen = result.shown().and_then(|run| measure(result, run));
    let (mark, words) = seen.unzip();
    Row {
        name: called(result),
        words: words.unwrap_or_else(|| "nothing".to_owned()),
        mark,
    }
}

fn answered(result: &ScenarioResult, run: &RunResult) -> Option<(Mark, String)> {
    let seen = Seen::of(run.analysis.root.outcomes.availability())?;
    let predicted = predicted(result).map(Probability::get);
    Some((Mark::Share(seen, predicted), percent(seen.value)))
}

fn latency(_: &ScenarioResult, run: &RunResult) -> Option<(Mark, String)> {
    let latency = run.analysis.root.latency?;
    let marks = [latency.p50_ms, latency.p99_ms, latency.p999_ms];
    Some((Mark::Latency(marks), millis(latency.p99_ms)))
}

fn attempts(_: &ScenarioResult, run: &RunResult) -> Option<(Mark, String)> {
    let (attempts, _) = attempts_per_request(run)?;
    Some((Mark::Amount(attempts), times(attempts)))
}

fn cpu(_: &ScenarioResult, run: &RunResult) -> Option<(Mark, String)> {
    let ms = cpu_per_request_us(run)? / 1e3;
    Some((Mark::Amount(ms), format!("{ms:.2} ms")))
}
