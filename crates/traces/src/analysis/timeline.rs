//! What happened when: the same counts as for the whole run, by stretches of time.

use super::{
    counts::Outcomes,
    latency::Latency,
    reading::{Reading, Readings},
};
use crate::span::{ReplicaChange, Span};
use serde::Serialize;
use std::{collections::BTreeMap, ops::Range, sync::Arc};
use types::{BreakerState, StoppedBy};

/// A stretch of time, and what was seen in it.
///
/// A request or a call belongs to the stretch in which it began, which for a root request
/// is when it should have left: one that began before an outage and failed by it counts
/// before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stretch {
    /// Its begin, in nanoseconds since 1970.
    pub start: u64,
    /// Its end, not included.
    pub end: u64,
    /// Root requests, by how they ended.
    #[serde(flatten)]
    pub requests: Outcomes,
    /// How long they took; none without any.
    pub latency: Option<Latency>,
    /// How long after the begin of the stretch the first good answer came, in nanoseconds,
    /// of requests that began in it.
    pub first_answer: Option<u64>,
    /// The calls of each hop.
    pub hops: BTreeMap<String, HopStretch>,
}

/// Calls of one hop in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HopStretch {
    /// Calls made.
    pub calls: u64,
    /// Calls that a circuit breaker ended before their first attempt.
    pub refused: u64,
    /// Attempts made.
    pub attempts: u64,
    /// Attempts that failed.
    pub attempts_failed: u64,
}

/// A circuit breaker that changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// The service whose breaker it is.
    pub caller: String,
    /// Which of its replicas has it, if it says so: each has breakers of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_replica: Option<String>,
    /// The service it guards.
    pub callee: String,
    /// Which of its replicas, as the caller calls it, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<String>,
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
}

impl Transition {
    /// The breaker: who calls, and what stands behind it.
    pub fn breaker(&self) -> (&str, &str) {
        (self.guarding(), self.guarded())
    }

    /// Whose breaker it is: a replica's, or that of the service.
    pub fn guarding(&self) -> &str {
        self.caller_replica.as_ref().unwrap_or(&self.caller)
    }

    /// What stands behind the breaker: a replica, or all of the service.
    pub fn guarded(&self) -> &str {
        self.replica.as_ref().unwrap_or(&self.callee)
    }
}

/// Counts by `stretches`, which may overlap. `hops` are those of each call of each reading,
/// as places in `names`.
pub(super) fn count(
    readings: &Readings<'_>,
    (hops, names): (&[Vec<usize>], &[Arc<str>]),
    stretches: &[Range<u64>],
) -> Vec<Stretch> {
    let mut tallies: Vec<_> = stretches.iter().cloned().map(Tally::new).collect();
    for (reading, hops) in readings.traces.iter().zip(hops) {
        for tally in &mut tallies {
            tally.add(reading, hops, names);
        }
    }
    tallies.into_iter().map(Tally::close).collect()
}

/// A stretch in the making.
struct Tally {
    stretch: Stretch,
    took: Vec<u64>,
}

impl Tally {
    fn new(Range { start, end }: Range<u64>) -> Self {
        Self {
            stretch: Stretch {
                start,
                end,
                requests: Outcomes::default(),
                latency: None,
                first_answer: None,
                hops: BTreeMap::new(),
            },
            took: Vec::new(),
        }
    }

    fn holds(&self, span: &Span) -> bool {
        (self.stretch.start..self.stretch.end).contains(&span.start)
    }

    fn add(&mut self, reading: &Reading<'_>, hops: &[usize], names: &[Arc<str>]) {
        for root in &reading.roots {
            self.add_root(reading, *root);
        }
        for (call, hop) in reading.calls.calls.iter().zip(hops) {
            let attempts = call.attempts.iter().map(|a| &reading.calls.attempts[*a]);
            let here = self.holds(call.span);
            let refused = here && call.span.stopped_by == Some(StoppedBy::BreakerOpen);
            let refused = refused && call.attempts.is_empty();
            let began: Vec<_> = attempts
                .filter(|attempt| self.holds(attempt.span))
                .collect();
            if !here && began.is_empty() {
                continue;
            }
            let failed = began
                .iter()
                .filter(|attempt| !attempt.outcome.is_available());
            let (made, failed) = (began.len() as u64, failed.count() as u64);
            let at = self
                .stretch
                .hops
                .entry(names[*hop].to_string())
                .or_default();
            at.calls += u64::from(here);
            at.refused += u64::from(refused);
            at.attempts += made;
            at.attempts_failed += failed;
        }
    }

    fn add_root(&mut self, reading: &Reading<'_>, root: usize) {
        let call = &reading.calls.calls[root];
        if !self.holds(call.span) {
            return;
        }
        self.stretch.requests.add(call.outcome, call.cause);
        self.took.push(call.span.nanos());
        if call.outcome.is_available() {
            let after = call.span.end.saturating_sub(self.stretch.start);
            let first = self.stretch.first_answer.get_or_insert(after);
            *first = after.min(*first);
        }
    }

    fn close(self) -> Stretch {
        Stretch {
            latency: Latency::of(self.took),
            ..self.stretch
        }
    }
}

/// What became of replicas from `begin` on, in nanoseconds since 1970, in the order of time.
/// These spans belong to no request.
pub fn replica_changes(spans: &[Span], begin: u64) -> Vec<ReplicaChange> {
    let changes = spans
        .iter()
        .filter_map(|span| span.replica_change.as_deref());
    let mut changes: Vec<_> = changes
        .filter(|change| change.at >= begin)
        .cloned()
        .collect();
    changes.sort();
    changes
}

/// All changes of all breakers, in the order of time.
pub(super) fn transitions(readings: &Readings<'_>) -> Vec<Transition> {
    let spans = readings
        .traces
        .iter()
        .flat_map(|reading| &reading.trace.spans);
    let mut all: Vec<_> = spans.flat_map(|span| told_by(span)).collect();
    all.sort_by_key(|transition| transition.at);
    all
}

fn told_by(span: &Span) -> impl Iterator<Item = Transition> + '_ {
    let changes = span
        .breaker_changes
        .iter()
        .flat_map(|changes| changes.iter());
    changes.map(|change| Transition {
        at: change.at,
        caller: span.service.to_string(),
        caller_replica: span.instance.as_ref().map(ToString::to_string),
        callee: change.callee.to_string(),
        replica: change.replica.as_ref().map(ToString::to_string),
        from: change.from,
        to: change.to,
    })
}
