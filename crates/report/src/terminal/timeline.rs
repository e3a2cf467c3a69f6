//! What happened when: a strip over time, and a row per phase.

use crate::{
    results::{RunResult, ScenarioResult, Timeline, shown_interval},
    words::{count, interval, millis, percent, probability},
};
use scenario::{OutagePrediction, Phase, Plan, Prediction};
use std::fmt::Write;
use traces::analysis::{Stretch, Transition};
use types::BreakerState;

/// Eighths of a block, from nothing to all.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// What a phase without a title is called: one without faults of its own.
const USUAL: &str = "as usual";
/// The width of the names before the strips.
const NAME: usize = 13;

/// The whole run on one line each: answers, latency, load on the deepest hop, breakers.
pub(super) fn strips(plan: &Plan, run: &RunResult) -> String {
    let timeline = &run.timeline;
    let slices = &timeline.slices;
    let Some(deepest) = plan.topology().visits().pop().map(|visit| visit.service) else {
        return String::new();
    };
    let answered = |slice: &Stretch| slice.requests.availability().value();
    let p50 = |slice: &Stretch| slice.latency.as_ref().map(|latency| latency.p50_ms);
    let load = |slice: &Stretch| {
        let seconds = (slice.end - slice.start) as f64 / 1e9;
        let hop = slice.hops.get(&*deepest);
        Some(hop.map_or(0.0, |hop| hop.attempts as f64) / seconds)
    };
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "{:NAME$}{}", "", axis(timeline));
    text += &strip(
        "answered",
        slices,
        answered,
        |_| "of all, 0 to 100 %".to_owned(),
        Some(1.0),
    );
    text += &strip(
        "p50",
        slices,
        p50,
        |most| format!("up to {}", millis(most)),
        None,
    );
    let name = format!("at {deepest}");
    text += &strip(
        &name,
        slices,
        load,
        |most| format!("attempts/s, up to {most:.0}"),
        None,
    );
    text + &breakers(timeline)
}

/// The seconds at which phases begin.
fn axis(timeline: &Timeline) -> String {
    let mut line = String::new();
    let ends = timeline.phases.iter().map(|phase| phase.start);
    for at in ends.chain(timeline.phases.last().map(|last| last.end)) {
        let place = timeline
            .slices
            .iter()
            .filter(|slice| slice.end <= at)
            .count();
        let used = line.chars().count();
        let _ = write!(line, "{:1$}", "", place.saturating_sub(used));
        let _ = write!(line, "{:.1} s ", timeline.seconds(at));
    }
    line
}

/// One line: a block per slice, as high as its value is of the greatest.
fn strip(
    name: &str,
    slices: &[Stretch],
    value: impl Fn(&Stretch) -> Option<f64>,
    unit: impl Fn(f64) -> String,
    top: Option<f64>,
) -> String {
    let values: Vec<_> = slices.iter().map(value).collect();
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let top = top.unwrap_or(most).max(f64::MIN_POSITIVE);
    let blocks: String = values
        .iter()
        .map(|value| value.map_or('·', |value| block(value / top)))
        .collect();
    format!("{name:NAME$}{blocks} {}\n", unit(most))
}

/// The block for a share of the whole; nothing is blank, and little is not nothing.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 8"
)]
fn block(share: f64) -> char {
    let eighths = (share.clamp(0.0, 1.0) * 8.0).ceil() as usize;
    BLOCKS[eighths.min(8)]
}

/// A line per breaker that did anything: where it was open, and where it probed.
fn breakers(timeline: &Timeline) -> String {
    let mut pairs: Vec<_> = timeline
        .transitions
        .iter()
        .map(|change| (&*change.caller, &*change.callee))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut text = String::new();
    for (caller, callee) in pairs {
        let changes: Vec<_> = timeline
            .transitions
            .iter()
            .filter(|change| (&*change.caller, &*change.callee) == (caller, callee))
            .collect();
        let states: String = timeline
            .slices
            .iter()
            .map(|slice| sign(slice, &changes))
            .collect();
        let opened = changes
            .iter()
            .filter(|c| c.to == BreakerState::Open)
            .count();
        let _ = writeln!(
            text,
            "{:NAME$}{states} {caller} → {callee}: opened {opened} times",
            "breaker"
        );
    }
    if !text.is_empty() {
        let _ = writeln!(text, "{:NAME$}━ closed, ○ open, ◐ half-open", "");
    }
    text
}

/// The state of a breaker in a slice: half-open if it probed in it, else open if it was open
/// at any time.
fn sign(slice: &Stretch, changes: &[&Transition]) -> char {
    let before = changes.iter().rev().find(|change| change.at <= slice.start);
    let during = changes
        .iter()
        .filter(|change| (slice.start..slice.end).contains(&change.at));
    let states = before.into_iter().chain(during).map(|change| change.to);
    let telling = |state: &BreakerState| match state {
        BreakerState::Closed => 0,
        BreakerState::Open => 1,
        BreakerState::HalfOpen => 2,
    };
    match states.max_by_key(telling) {
        Some(BreakerState::Open) => '○',
        Some(BreakerState::HalfOpen) => '◐',
        Some(BreakerState::Closed) | None => '━',
    }
}

/// A row per phase: what was answered, how fast, and what reached the deepest hop.
pub(super) fn phases(result: &ScenarioResult, run: &RunResult) -> String {
    let Some(deepest) = result.plan.topology().visits().pop() else {
        return String::new();
    };
    let at = format!("at {}", deepest.service);
    let header = [
        "phase",
        "requests",
        "answered",
        "99 % interval",
        "predicted",
        "p50",
        &at,
        "refused",
        "first answer",
    ];
    let mut table = super::table(&header, 1);
    for (place, stretch) in run.timeline.phases.iter().enumerate() {
        let mut cells = row(&result.plan, place, stretch, &deepest.service);
        let predicted = result.prediction.phases.get(place);
        cells[4] =
            predicted.map_or_else(|| "-".to_owned(), |phase| probability(phase.availability));
        table.add_row(cells);
    }
    format!("{table}\n")
}

/// The phases as predicted, before anything is measured; empty for a run of one phase.
pub(super) fn predicted(plan: &Plan, prediction: &Prediction) -> String {
    if prediction.phases.len() < 2 {
        return String::new();
    }
    let header = [
        "phase",
        "from",
        "answered",
        "wait for nothing",
        "attempts",
        "refused",
        "answers again after",
    ];
    let mut table = super::table(&header, 1);
    for (phase, planned) in prediction.phases.iter().zip(plan.phases()) {
        let dash = || "-".to_owned();
        let outage = phase.outage.as_ref();
        let waits = phase.wait.as_ref().map(|wait| {
            format!(
                "{}, {} each",
                probability(wait.share),
                millis(wait.known_after_s * 1e3)
            )
        });
        table.add_row([
            name(plan, planned),
            format!("{:.1} s", phase.start_s),
            probability(phase.availability),
            waits.unwrap_or_else(dash),
            outage.map_or_else(dash, |outage| {
                format!("{:.0} at {}", outage.reaching, outage.callee)
            }),
            outage.map_or_else(dash, |outage| probability(outage.refused)),
            outage.map_or_else(dash, recovery),
        ]);
    }
    format!("{table}\n")
}

/// How long a breaker is expected to stay open after an outage.
pub(super) fn recovery(outage: &OutagePrediction) -> String {
    let (likely, most) = (outage.recovery_s * 1e3, outage.recovery_at_most_s * 1e3);
    format!("{}, at most {}", millis(likely), millis(most))
}

/// What a phase is called: its title, or the faults that make it differ from the usual.
fn name(plan: &Plan, phase: &Phase) -> String {
    if let Some(title) = &phase.title {
        return title.clone();
    }
    let usual = plan.phases().iter().map(|phase| phase.faults.len()).min();
    let more = phase.faults.iter().skip(usual.unwrap_or_default());
    let names: Vec<_> = more.map(|planned| &*planned.fault.id).collect();
    if names.is_empty() {
        return USUAL.to_owned();
    }
    names.join(", ")
}

fn row(plan: &Plan, place: usize, stretch: &Stretch, deepest: &str) -> Vec<String> {
    let dash = || "-".to_owned();
    let ratio = stretch.requests.availability();
    let title = plan.phases().get(place).map(|phase| name(plan, phase));
    let latency = |of: fn(&traces::analysis::Latency) -> f64| {
        let latency = stretch.latency.as_ref();
        latency.map_or_else(dash, |latency| super::censored(of(latency), plan))
    };
    let hop = stretch.hops.get(deepest).copied().unwrap_or_default();
    vec![
        title.unwrap_or_default(),
        count(stretch.requests.offered),
        ratio.value().map_or_else(dash, percent),
        shown_interval(ratio).as_ref().map_or_else(dash, interval),
        dash(),
        latency(|latency| latency.p50_ms),
        count(hop.attempts),
        count(hop.refused),
        stretch.first_answer.map_or_else(
            || "none".to_owned(),
            |after| format!("after {}", millis(after as f64 / 1e6)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use traces::analysis::Outcomes;

    #[test]
    fn little_is_more_than_nothing_and_less_than_all() {
        assert_eq!(
            [0.0, 0.001, 0.5, 0.99, 1.0, 7.0].map(block),
            [' ', '▁', '▄', '█', '█', '█']
        );
    }

    #[test]
    fn a_slice_shows_whether_a_breaker_probed_or_was_open_in_it() {
        let slice = |start, end| Stretch {
            start,
            end,
            requests: Outcomes::default(),
            latency: None,
            first_answer: None,
            hops: BTreeMap::new(),
        };
        let change = |at, from, to| Transition {
            at,
            caller: "gateway".into(),
            callee: "database".into(),
            from,
            to,
        };
        let changes = [
            change(15, BreakerState::Closed, BreakerState::Open),
            change(35, BreakerState::Open, BreakerState::HalfOpen),
            change(36, BreakerState::HalfOpen, BreakerState::Closed),
        ];
        let changes: Vec<_> = changes.iter().collect();
        let signs: String = [(0, 10), (10, 20), (20, 30), (30, 40), (40, 50)]
            .map(|(start, end)| sign(&slice(start, end), &changes))
            .iter()
            .collect();
        assert_eq!(signs, "━○○◐━");
    }
}
