//! What happened when: a strip over time.

use crate::{
    results::{RunResult, Scaled, Timeline},
    words::{millis, often},
};
use availability::format::rate;
use scenario::Plan;
use std::fmt::Write;
use traces::analysis::{Stretch, Transition};
use types::BreakerState;

/// Eighths of a block, from nothing to all.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
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
        |most| format!("attempts, up to {}", rate(most)),
        None,
    );
    if let Some(scaled) = &run.scaled {
        text += &replicas(timeline, scaled);
    }
    text + &breakers(timeline)
}

/// The replicas that serve at the begin of each slice.
fn replicas(timeline: &Timeline, scaled: &Scaled) -> String {
    let changes = &scaled.staff.changes;
    let serving = |slice: &Stretch| {
        let at = timeline.seconds(slice.end) * 1e3;
        let before = changes.iter().take_while(|(from, ..)| (*from as f64) < at);
        before.last().map(|(_, serving, _)| f64::from(*serving))
    };
    let cost = format!("{:.1} replica-s", scaled.replica_s);
    let unit = |most: f64| format!("of {}, up to {most:.0}; {cost}", scaled.service);
    strip("replicas", &timeline.slices, serving, unit, None)
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
        .map(Transition::breaker)
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut text = String::new();
    for (caller, callee) in pairs {
        let changes: Vec<_> = timeline
            .transitions
            .iter()
            .filter(|change| change.breaker() == (caller, callee))
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
        let opened = often(opened as u64);
        let _ = writeln!(
            text,
            "{:NAME$}{states} {caller} → {callee}: opened {opened}",
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
    fn two_gateways_have_a_line_each_and_a_breaker_opens_once() {
        let opened = |caller: &str| Transition {
            at: 1,
            caller: "gateway".into(),
            caller_replica: Some(caller.into()),
            callee: "database".into(),
            replica: None,
            from: BreakerState::Closed,
            to: BreakerState::Open,
        };
        let timeline = Timeline {
            begin: 0,
            phases: Vec::new(),
            slices: Vec::new(),
            replicas: Vec::new(),
            transitions: vec![opened("gateway-1"), opened("gateway-0")],
        };
        let lines = breakers(&timeline);
        let lines: Vec<_> = lines.lines().map(str::trim).collect();
        assert_eq!(
            lines[..2],
            [
                "breaker       gateway-0 → database: opened once",
                "breaker       gateway-1 → database: opened once",
            ]
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
            caller_replica: None,
            callee: "database".into(),
            replica: None,
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
