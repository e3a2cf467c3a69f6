//! What is known of one replica.

use super::average::Average;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::{sync::Arc, time::Duration};

/// A replica all of whose calls fail costs as much as this number of replicas that answer.
///
/// A multiple of what healthy replicas take, and not a time: one second was far too much beside
/// answers of a millisecond, and too little beside answers of two seconds. A hundred, because
/// then a replica that fails one call in a hundred still costs no more than another.
const COST_OF_FAILURE: f64 = 100.0;

/// What is known of one replica. It may outlive the [`Board`](super::Board) that it is on,
/// so that a change of policy does not forget it.
#[derive(Debug)]
pub struct ReplicaState {
    /// Of answers, in nanoseconds.
    latency: Average,
    /// The share of calls that fail, from 0 to 1.
    failing: Average,
    in_flight: AtomicU32,
    /// In a row.
    failures: AtomicU32,
    down: AtomicBool,
    /// How often it was ejected in succession (upper 16 bits), and until when (ms).
    ejections: AtomicU64,
}

impl ReplicaState {
    /// One that nothing is known of. It counts as up.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            latency: Average::new(),
            failing: Average::new(),
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            down: AtomicBool::new(false),
            ejections: AtomicU64::new(0),
        })
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Whether the heartbeats say that it is up.
    pub fn is_up(&self) -> bool {
        !self.down.load(Relaxed)
    }

    /// How long its answers took of late; none before the first.
    pub fn latency(&self, now: Duration) -> Option<Duration> {
        let nanos = self.latency.at(now)?;
        Duration::try_from_secs_f64(nanos / 1e9).ok()
    }

    pub(super) fn set_up(&self, up: bool) {
        self.down.store(!up, Relaxed);
    }

    pub(super) fn began(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn ended(&self) {
        let fewer = |calls: u32| calls.checked_sub(1);
        let _ = self.in_flight.fetch_update(Relaxed, Relaxed, fewer);
    }

    pub(super) fn succeeded(&self, latency: Duration, now: Duration) {
        self.latency.record(nanos(latency), now);
        self.failing.record(0.0, now);
        // Mostly it is 0 already, and a read leaves the cache line shared.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// How many failures in a row that makes.
    pub(super) fn failed(&self, latency: Duration, now: Duration) -> u32 {
        // A fast failure says nothing about how long answers take; a time-out does.
        self.latency.raise(nanos(latency), now);
        self.failing.record(1.0, now);
        let more = |failures: u32| Some(failures.saturating_add(1));
        let before = self.failures.fetch_update(Relaxed, Relaxed, more);
        before.unwrap_or_default().saturating_add(1)
    }

    pub(super) fn given_up(&self, latency: Duration, now: Duration) {
        self.latency.at_least(nanos(latency), now);
    }

    /// Begins the count of failures anew.
    pub(super) fn forgive(&self) {
        self.failures.store(0, Relaxed);
    }

    /// Whether a call costs less here than at `other`.
    pub(super) fn is_less_loaded_than(&self, other: &Self, now: Duration) -> bool {
        let (mine, others) = costs(&self.load(now), &other.load(now));
        mine < others
    }

    fn load(&self, now: Duration) -> Load {
        let failing = self.failing.at(now).unwrap_or_default();
        Load {
            calls: f64::from(self.in_flight()) + 1.0,
            latency: self.latency.at(now),
            penalty: (COST_OF_FAILURE * failing).max(1.0),
            has_failed: self.failures.load(Relaxed) > 0,
        }
    }

    /// How often it was ejected in succession, and until when, in milliseconds.
    pub(super) fn ejections(&self) -> (u32, u64) {
        let word = self.ejections.load(Acquire);
        let number = u32::try_from(word >> UNTIL).unwrap_or_default();
        (number, word & LATEST)
    }

    pub(super) fn set_ejections(&self, number: u32, until: u64) {
        let number = u64::from(number.min(u32::from(u16::MAX)));
        let word = number << UNTIL | until.min(LATEST);
        self.ejections.store(word, Release);
    }
}

const UNTIL: u32 = 48;
const LATEST: u64 = (1 << UNTIL) - 1;

/// What a replica has to do.
struct Load {
    /// Those in flight, and the one that is to go somewhere.
    calls: f64,
    /// Of answers, in nanoseconds.
    latency: Option<f64>,
    /// The factor for its failures, 1 or more.
    penalty: f64,
    /// Whether the last call that ended was a failure.
    has_failed: bool,
}

/// What a call costs at each of two replicas: calls × latency × penalty. Where the latency is
/// not known of both, calls × penalty.
///
/// A replica whose last call has failed never costs less than one that has answered. It has
/// no calls in flight if it fails at once, and its latency is older and therefore lower: both
/// would speak for it. Once its failures are forgotten the costs are equal at best, so that
/// chance sends it a call again, but never more often than a random choice does.
fn costs(one: &Load, other: &Load) -> (f64, f64) {
    let (latency, other_latency) = match (one.latency, other.latency) {
        (Some(latency), Some(other_latency)) => (
            latency.max(if one.has_failed { other_latency } else { 0.0 }),
            other_latency.max(if other.has_failed { latency } else { 0.0 }),
        ),
        _ => (1.0, 1.0),
    };
    let cost = one.calls * latency * one.penalty;
    let other_cost = other.calls * other_latency * other.penalty;
    match (one.has_failed, other.has_failed) {
        (true, false) => (cost.max(other_cost), other_cost),
        (false, true) => (cost, other_cost.max(cost)),
        _ => (cost, other_cost),
    }
}

fn nanos(time: Duration) -> f64 {
    // Above 0, which means that there was no sample yet.
    (time.as_nanos() as f64).max(1.0)
}
