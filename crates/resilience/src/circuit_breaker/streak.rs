//! Failures in a row.

use crate::sync::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

/// How many calls in a row have failed, and when the last one succeeded.
///
/// A call that was sent before the last success came, and failed after it, tells of the
/// time before: when a callee that hung is well again, the time-outs of the calls that it
/// swallowed are still to come, and must not open the breaker once more.
///
/// One word: 12 bits of the generation, 36 of the time of the last success in
/// milliseconds, 16 of failures. Times stop growing after two years; from then on every
/// failure counts.
#[derive(Debug)]
pub(super) struct Streak(AtomicU64);

const GENERATION: u32 = 52;
const TIME: u32 = 16;
const MOST_GENERATIONS: u32 = 1 << 12;
const MOST_TIME: u64 = (1 << 36) - 1;
const MOST_FAILURES: u64 = (1 << 16) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    generation: u32,
    last_success: u64,
    failures: u64,
}

impl Streak {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// A call succeeded at `now`. Costs one load where nothing changes, which it does once a
    /// millisecond at most while calls succeed.
    pub(super) fn success(&self, generation: u32, now: u64, is_current: impl Fn() -> bool) {
        let now = time(now);
        self.update(generation, is_current, |parts| {
            let news = parts.failures > 0 || parts.last_success < now;
            news.then(|| Parts {
                last_success: parts.last_success.max(now),
                failures: 0,
                ..parts
            })
        });
    }

    /// A call sent at `started` failed. How many in a row that makes, if it counts.
    pub(super) fn failure(
        &self,
        generation: u32,
        started: u64,
        is_current: impl Fn() -> bool,
    ) -> Option<u64> {
        let started = time(started);
        let parts = self.update(generation, is_current, |parts| {
            (parts.last_success <= started).then(|| Parts {
                failures: (parts.failures + 1).min(MOST_FAILURES),
                ..parts
            })
        })?;
        Some(parts.failures)
    }

    /// Replaces the parts as `change` says, unless it says nothing. Parts of another
    /// generation are begun anew; `is_current` tells whether it is not this one that is over.
    fn update(
        &self,
        generation: u32,
        is_current: impl Fn() -> bool,
        change: impl Fn(Parts) -> Option<Parts>,
    ) -> Option<Parts> {
        let generation = generation % MOST_GENERATIONS;
        let mut word = self.0.load(Acquire);
        loop {
            let mut parts = unpack(word);
            if parts.generation != generation {
                if !is_current() {
                    return None;
                }
                parts = Parts {
                    generation,
                    last_success: 0,
                    failures: 0,
                };
            }
            let next = change(parts)?;
            match self
                .0
                .compare_exchange_weak(word, pack(next), AcqRel, Acquire)
            {
                Ok(_) => return Some(next),
                Err(now) => word = now,
            }
        }
    }
}

/// Milliseconds.
fn time(nanos: u64) -> u64 {
    (nanos / 1_000_000).min(MOST_TIME)
}

fn pack(parts: Parts) -> u64 {
    u64::from(parts.generation) << GENERATION | parts.last_success << TIME | parts.failures
}

const fn unpack(word: u64) -> Parts {
    Parts {
        generation: (word >> GENERATION) as u32,
        last_success: word >> TIME & MOST_TIME,
        failures: word & MOST_FAILURES,
    }
}
