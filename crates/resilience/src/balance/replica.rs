//! What is known of one replica.

use super::latency::Latency;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::{sync::Arc, time::Duration};

/// A failed call counts as one that took at least so long.
///
/// A replica that fails fast has the lowest latency of all, and the fewest calls in flight:
/// without this it would attract all load, and fail it.
const PENALTY: Duration = Duration::from_secs(1);

/// What is known of one replica. It may outlive the [`Board`](super::Board) that it is on,
/// so that a change of policy does not forget it.
#[derive(Debug)]
pub struct ReplicaState {
    latency: Latency,
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
            latency: Latency::new(),
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

    /// How long its calls took of late, failures at a second at least; none before the first.
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
        self.latency.record(latency, now);
        // Mostly it is 0 already, and reading disturbs nobody.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// How many failures in a row that makes.
    pub(super) fn failed(&self, latency: Duration, now: Duration) -> u32 {
        self.latency.record(latency.max(PENALTY), now);
        let more = |failures: u32| Some(failures.saturating_add(1));
        let before = self.failures.fetch_update(Relaxed, Relaxed, more);
        before.unwrap_or_default().saturating_add(1)
    }

    pub(super) fn given_up(&self, latency: Duration, now: Duration) {
        self.latency.at_least(latency, now);
    }

    /// Begins the count of failures anew.
    pub(super) fn forgive(&self) {
        self.failures.store(0, Relaxed);
    }

    /// Whether it has less to do than `other`: the calls in flight, and this one, times what
    /// each takes. Where that is not known of both, the calls in flight alone.
    pub(super) fn is_less_loaded_than(&self, other: &Self, now: Duration) -> bool {
        let (mine, others) = (self.calls(), other.calls());
        match (self.latency.at(now), other.latency.at(now)) {
            (Some(my_latency), Some(other_latency)) => mine * my_latency < others * other_latency,
            _ => mine < others,
        }
    }

    fn calls(&self) -> f64 {
        f64::from(self.in_flight()) + 1.0
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
