//! Where the nines went: each lost request at the hop in which its failure originated.

use super::Sheet;
use crate::{
    gain::{Loss, gain_caveat, losses, why_no_gain},
    results::{RunResult, ScenarioResult},
    words::{causes, count, gained, gained_between, share},
};
use availability::Confidence;
use scenario::Plan;

/// A row per hop: failures that started there, that it passed on from below or that it absorbed,
/// and what users would gain without the first. None if nothing was lost.
pub(crate) fn sheet(result: &ScenarioResult, run: &RunResult) -> Option<Sheet> {
    let losses = losses(&result.plan, run, Confidence::P99);
    if losses.is_empty() {
        return None;
    }
    let header = [
        "hop",
        "lost here",
        "of all lost",
        "from what",
        "propagated",
        "absorbed",
        "if it never failed",
        "99 % interval",
    ];
    let mut table = Sheet::new("Where the nines went", &header, 1);
    let caveat = gain_caveat(&result.plan);
    for loss in &losses {
        table.add_row(row(loss, caveat.is_some()));
    }
    table.note = Some(note(&result.plan, caveat, run));
    Some(table)
}

fn row(loss: &Loss<'_>, is_estimate: bool) -> [String; 8] {
    let hop = loss.hop;
    let about = if is_estimate { "about " } else { "" };
    [
        hop.hop.clone(),
        count(hop.lost_here),
        share(loss.share),
        causes(&hop.lost_by_cause),
        count(hop.calls.propagated),
        count(hop.requests.absorbed),
        loss.gain
            .map_or_else(dash, |gain| format!("{about}{}", gained(gain.value))),
        loss.gain.as_ref().map_or_else(dash, gained_between),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

fn note(plan: &Plan, caveat: Option<String>, run: &RunResult) -> String {
    let mut note = "Lost here: requests whose failure started at the hop; a request that was \
                    answered is lost by none. Propagated: calls to it that failed further \
                    down. Absorbed: requests that it answered although a call of its own had \
                    failed. If it never failed: what users would gain"
        .to_owned();
    let gain = match (why_no_gain(plan), caveat) {
        (Some(reason), _) => format!("; {reason}: --fix runs it"),
        (None, Some(caveat)) => format!(". The estimate {caveat}: check with --fix"),
        (None, None) => ". The estimate assumes independent failures".to_owned(),
    };
    note += &gain;
    note += ".";
    let gave_up = run.generator.gave_up;
    if gave_up > 0 {
        note += " ";
        note += &count(gave_up);
        note += " times the client gave up: the hop that it was waiting for is blamed.";
    }
    note
}

/// The hop with the most to gain, for a terminal; then, where the estimate is not exact, why.
/// Where there is no estimate, the hop that lost the most. None if nothing was lost.
pub(crate) fn most(plan: &Plan, run: &RunResult) -> Option<(String, Option<String>)> {
    let losses = losses(plan, run, Confidence::P99);
    let gain = |loss: &Loss<'_>| loss.gain.map_or(loss.share, |gain| gain.value);
    let best = losses
        .iter()
        .max_by(|one, other| gain(one).total_cmp(&gain(other)))?;
    let hop = &best.hop.hop;
    let lost = format!(
        "{hop} lost {} of the {} lost",
        count(best.hop.lost_here),
        count(run.analysis.root.outcomes.failed.total),
    );
    let Some(gain) = &best.gain else {
        let reason = why_no_gain(plan).unwrap_or_default();
        return Some((
            format!("{lost}; if it never failed: –"),
            Some(format!("{reason}: --fix {hop} runs it")),
        ));
    };
    let most = format!(
        "{lost}; if it never failed: {} ({}, 99 %)",
        gained(gain.value),
        gained_between(gain),
    );
    let caveat = gain_caveat(plan).map(|caveat| format!("{caveat}: check with --fix {hop}"));
    Some((most, caveat))
}
