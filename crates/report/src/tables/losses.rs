//! Where the nines went: each lost request at the hop in which its failure originated.

use super::Sheet;
use crate::{
    facts::{Loss, gains_are_exact, losses},
    results::{RunResult, ScenarioResult},
    words::{causes, count, gained, gained_between, percent},
};
use availability::Confidence;

/// A row per hop: what originated there, came from below, or was made good, and what users
/// would gain without the first. None if nothing was lost.
pub(crate) fn sheet(result: &ScenarioResult, run: &RunResult) -> Option<Sheet> {
    let losses = losses(run, Confidence::P99);
    if losses.is_empty() {
        return None;
    }
    let header = [
        "hop",
        "lost here",
        "of all lost",
        "from what",
        "passed on",
        "made good",
        "if it never failed",
        "99 % interval",
    ];
    let mut table = Sheet::new("Where the nines went", &header, 1);
    for loss in &losses {
        table.add_row(row(loss));
    }
    table.note = Some(note(result, run));
    Some(table)
}

fn row(loss: &Loss<'_>) -> [String; 8] {
    let hop = loss.hop;
    [
        hop.hop.clone(),
        count(hop.lost_here),
        percent(loss.share),
        causes(&hop.lost_by_cause),
        count(hop.calls.propagated),
        count(hop.requests.absorbed),
        gained(loss.gain.value),
        gained_between(&loss.gain),
    ]
}

fn note(result: &ScenarioResult, run: &RunResult) -> String {
    let mut note = "Passed on: calls to it that failed further down. Made good: requests that it \
                    answered although a call of its own had failed. If it never failed: what \
                    users would gain, if hops fail independently of each other"
        .to_owned();
    if !gains_are_exact(&result.plan) {
        note += "; near the truth only, because here they do not quite";
    }
    note += ".";
    let gave_up = run.generator.gave_up;
    if gave_up > 0 {
        note += " ";
        note += &count(gave_up);
        note += " times the client gave up: the hop that it was waiting for is blamed.";
    }
    note
}

/// The hop with the most to gain, in one line for a terminal; none if nothing was lost.
pub(crate) fn most(run: &RunResult) -> Option<String> {
    let losses = losses(run, Confidence::P99);
    let best = losses
        .iter()
        .max_by(|one, other| one.gain.value.total_cmp(&other.gain.value))?;
    Some(format!(
        "{} lost {} of the {} lost; if it never failed: {} ({}, 99 %)",
        best.hop.hop,
        count(best.hop.lost_here),
        count(run.analysis.root.outcomes.failed.total),
        gained(best.gain.value),
        gained_between(&best.gain),
    ))
}
