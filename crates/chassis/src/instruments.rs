//! The metrics that every service keeps about requests received and calls made.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, UpDownCounter},
};
use resilience::circuit_breaker::{State, Transition, Why};
use std::{sync::Arc, time::Duration};
use telemetry::DURATION_BUCKETS;
use types::{Cause, Outcome, StoppedBy};

/// Instruments shared by the layers of a service. Names follow the semantic conventions for
/// HTTP where there is one; `nines.…` counts what the conventions have no word for.
///
/// Each series of a counter starts at 0 as soon as its labels are known: the process starts, or a
/// callee is added. A series that appeared with its first failure would have no earlier sample
/// that Prometheus could compare it with, so `rate()` would miss an outage that is over within
/// one scrape interval.
#[derive(Debug, Clone)]
pub struct Instruments {
    meter: Meter,
    server_duration: Histogram<f64>,
    server_active: UpDownCounter<i64>,
    requests: Counter<u64>,
    client_duration: Histogram<f64>,
    calls: Counter<u64>,
    attempts: Counter<u64>,
    breaker_transitions: Counter<u64>,
    ejections: Counter<u64>,
    replica_changes: Counter<u64>,
    failovers: Counter<u64>,
    cache_lookups: Counter<u64>,
}

impl Instruments {
    /// Makes the instruments from `meter`.
    pub fn new(meter: &Meter) -> Self {
        let seconds = |name, text| {
            meter
                .f64_histogram(name)
                .with_description(text)
                .with_unit("s")
                .with_boundaries(DURATION_BUCKETS.into())
                .build()
        };
        let counter = |name, text| meter.u64_counter(name).with_description(text).build();
        let instruments = Self {
            meter: meter.clone(),
            server_duration: seconds(
                "http.server.request.duration",
                "How long requests received took, by method, route and status.",
            ),
            server_active: meter
                .i64_up_down_counter("http.server.active_requests")
                .with_description("Requests received that have not ended yet.")
                .build(),
            requests: counter("nines.requests", "Requests received, by outcome and cause."),
            client_duration: seconds(
                "http.client.request.duration",
                "How long attempts took, by callee, outcome and cause.",
            ),
            calls: counter(
                "nines.calls",
                "Calls made, by callee, outcome, cause and what ended the trying.",
            ),
            attempts: counter(
                "nines.attempts",
                "Attempts made, by callee, outcome and cause.",
            ),
            breaker_transitions: counter(
                "nines.breaker.transitions",
                "Changes of circuit breakers, by callee, state before and after, and reason.",
            ),
            ejections: counter(
                "nines.replica.ejections",
                "Replicas that were left out for a while because they kept failing, by callee.",
            ),
            replica_changes: counter(
                "nines.replica.changes",
                "Replicas that went down or came back by their heartbeats, by callee.",
            ),
            failovers: counter(
                "nines.replica.failovers",
                "How often another replica became the active one, by callee.",
            ),
            cache_lookups: counter(
                "nines.cache.lookups",
                "Calls that a cache was asked about, by callee and what it had.",
            ),
        };
        instruments.server_active.add(0, &[]);
        for (outcome, cause) in endings() {
            instruments.requests.add(0, &ending(outcome, cause));
        }
        instruments
    }

    /// Starts every series about calls to `callee` at 0: some eighty, as many as there are words.
    pub(crate) fn start_series(&self, callee: &Arc<str>) {
        let peer = KeyValue::new("peer", callee.clone());
        for (outcome, cause) in endings() {
            let [outcome_label, cause_label] = ending(outcome, cause);
            let labels = [peer.clone(), outcome_label, cause_label];
            self.attempts.add(0, &labels);
            for stopped_by in ways_to_stop(cause) {
                let [peer, outcome, cause] = labels.clone();
                self.calls
                    .add(0, &[peer, outcome, cause, stopped_label(stopped_by)]);
            }
        }
        for possible in Transition::POSSIBLE {
            self.breaker_transitions
                .add(0, &transition_labels(callee, possible));
        }
        self.ejections.add(0, std::slice::from_ref(&peer));
        self.failovers.add(0, std::slice::from_ref(&peer));
        for to in [UP, DOWN] {
            self.replica_changes
                .add(0, &[peer.clone(), KeyValue::new("to", to)]);
        }
        for found in Found::ALL {
            self.cache_lookups
                .add(0, &[peer.clone(), KeyValue::new("found", found.as_str())]);
        }
    }

    pub(crate) fn request_began(&self) {
        self.server_active.add(1, &[]);
    }

    pub(crate) fn request_ended(&self, seen: &Seen<'_>, route: Option<&str>, method: &'static str) {
        self.server_active.add(-1, &[]);
        self.requests.add(1, &ending(seen.outcome, seen.cause));
        let route = route.map(|route| KeyValue::new("http.route", route.to_owned()));
        let status = seen
            .status
            .map(|code| KeyValue::new("http.response.status_code", i64::from(code)));
        let method = KeyValue::new("http.request.method", method);
        let attributes: Vec<_> = [Some(method), route, status]
            .into_iter()
            .flatten()
            .collect();
        self.server_duration
            .record(seen.duration.as_secs_f64(), &attributes);
    }

    /// `stopped_by` is what ended the trying, where the call failed.
    pub(crate) fn call_ended(&self, seen: &Seen<'_>, stopped_by: Option<StoppedBy>) {
        let [peer, outcome, cause] = seen.peer_and_outcome();
        self.calls
            .add(1, &[peer, outcome, cause, stopped_label(stopped_by)]);
    }

    /// Shows how many retries of calls to `callee` its budget has left, whenever asked and if
    /// there is one.
    pub(crate) fn show_budget(
        &self,
        callee: &Arc<str>,
        level: impl Fn() -> Option<u32> + Send + Sync + 'static,
    ) {
        let peer = [KeyValue::new("peer", callee.clone())];
        self.meter
            .u64_observable_gauge("nines.retry.budget")
            .with_description("Retries that could be made right now, by callee.")
            .with_callback(move |gauge| {
                if let Some(level) = level() {
                    gauge.observe(level.into(), &peer);
                }
            })
            .build();
    }

    /// Shows how many replicas of `callee` are left out, whenever asked.
    pub(crate) fn show_left_out(
        &self,
        callee: &Arc<str>,
        left_out: impl Fn() -> Option<usize> + Send + Sync + 'static,
    ) {
        let peer = [KeyValue::new("peer", callee.clone())];
        self.meter
            .u64_observable_gauge("nines.replicas.left_out")
            .with_description(
                "Replicas that get no calls now, because they are ejected or down, by callee.",
            )
            .with_callback(move |gauge| {
                if let Some(left_out) = left_out() {
                    gauge.observe(left_out as u64, &peer);
                }
            })
            .build();
    }

    /// Shows the states of the circuit breakers before the replicas of `callee`, whenever
    /// asked and as far as there are any.
    pub(crate) fn show_breakers(
        &self,
        callee: &Arc<str>,
        states: impl Fn() -> Vec<(Arc<str>, State)> + Send + Sync + 'static,
    ) {
        let peer = KeyValue::new("peer", callee.clone());
        let openness = |state| match state {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open => 2,
        };
        self.meter
            .u64_observable_gauge("nines.breaker.state")
            .with_description(
                "Circuit breaker, by callee and replica: 0 closed, 1 half-open, 2 open.",
            )
            .with_callback(move |gauge| {
                for (replica, state) in states() {
                    let replica = KeyValue::new("replica", replica);
                    gauge.observe(openness(state), &[peer.clone(), replica]);
                }
            })
            .build();
    }

    /// Shows a number that the service itself keeps, whenever asked.
    pub(crate) fn show(
        &self,
        name: &'static str,
        description: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.meter
            .u64_observable_gauge(name)
            .with_description(description)
            .with_callback(move |gauge| gauge.observe(read(), &[]))
            .build();
    }

    /// Shows a time that the service itself keeps and that only grows, whenever asked.
    pub(crate) fn show_seconds(
        &self,
        name: &'static str,
        description: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.meter
            .f64_observable_counter(name)
            .with_unit("s")
            .with_description(description)
            .with_callback(move |counter| counter.observe(read(), &[]))
            .build();
    }

    pub(crate) fn breaker_changed(&self, callee: &Arc<str>, transition: Transition) {
        let Transition { from, to, why, .. } = transition;
        self.breaker_transitions
            .add(1, &transition_labels(callee, (from, to, why)));
    }

    pub(crate) fn replica_ejected(&self, callee: &Arc<str>) {
        let peer = KeyValue::new("peer", callee.clone());
        self.ejections.add(1, &[peer]);
    }

    pub(crate) fn replica_changed(&self, callee: &Arc<str>, up: bool) {
        let peer = KeyValue::new("peer", callee.clone());
        let to = KeyValue::new("to", if up { UP } else { DOWN });
        self.replica_changes.add(1, &[peer, to]);
    }

    pub(crate) fn looked_up(&self, callee: &Arc<str>, found: Found) {
        let peer = KeyValue::new("peer", callee.clone());
        let found = KeyValue::new("found", found.as_str());
        self.cache_lookups.add(1, &[peer, found]);
    }

    pub(crate) fn failed_over(&self, callee: &Arc<str>) {
        let peer = KeyValue::new("peer", callee.clone());
        self.failovers.add(1, &[peer]);
    }

    pub(crate) fn attempt_ended(&self, seen: &Seen<'_>) {
        let attributes = seen.peer_and_outcome();
        self.attempts.add(1, &attributes);
        self.client_duration
            .record(seen.duration.as_secs_f64(), &attributes);
    }
}

/// What one request, call or attempt came to.
pub(crate) struct Seen<'a> {
    pub peer: Option<&'a Arc<str>>,
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    pub status: Option<u16>,
    pub duration: Duration,
}

impl Seen<'_> {
    fn peer_and_outcome(&self) -> [KeyValue; 3] {
        let peer = self.peer.map_or_else(|| Arc::from("unknown"), Arc::clone);
        let [outcome, cause] = ending(self.outcome, self.cause);
        [KeyValue::new("peer", peer), outcome, cause]
    }
}

/// What a cache had for a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    Fresh,
    Stale,
    Nothing,
}

impl Found {
    const ALL: [Self; 3] = [Self::Fresh, Self::Stale, Self::Nothing];

    /// The word used in spans and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Nothing => "none",
        }
    }
}

const UP: &str = "up";
const DOWN: &str = "down";

/// Every way in which a request, a call or an attempt can end.
fn endings() -> impl Iterator<Item = (Outcome, Option<Cause>)> {
    let answered = [(Outcome::Ok, None), (Outcome::Degraded, None)];
    let failed = Cause::ALL.iter();
    let failed = failed.map(|cause| (Outcome::Failed, Some(*cause)));
    answered.into_iter().chain(failed)
}

/// What may have ended the trying of a call that ended for this cause: nothing if it was
/// answered, or given up by its caller.
fn ways_to_stop(cause: Option<Cause>) -> Vec<Option<StoppedBy>> {
    match cause {
        None | Some(Cause::Cancelled) => vec![None],
        Some(_) => StoppedBy::ALL.iter().copied().map(Some).collect(),
    }
}

fn ending(outcome: Outcome, cause: Option<Cause>) -> [KeyValue; 2] {
    let cause = cause.map_or("none", Cause::as_str);
    [
        KeyValue::new("outcome", outcome.as_str()),
        KeyValue::new("cause", cause),
    ]
}

fn stopped_label(stopped_by: Option<StoppedBy>) -> KeyValue {
    KeyValue::new("stopped_by", stopped_by.map_or("none", StoppedBy::as_str))
}

fn transition_labels(callee: &Arc<str>, (from, to, why): (State, State, Why)) -> [KeyValue; 4] {
    [
        KeyValue::new("peer", callee.clone()),
        KeyValue::new("from", from.as_str()),
        KeyValue::new("to", to.as_str()),
        KeyValue::new("why", why.as_str()),
    ]
}
