//! The core: a recent average, of latencies or of failures.

use crate::sync::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// For how long a sample counts: after this time its weight has fallen to 1/e.
///
/// Finagle remembers ten seconds. Replicas that answer within milliseconds are known after
/// one, and one that has failed is tried again the sooner.
const MEMORY: Duration = Duration::from_secs(1);
/// The least weight of a sample: under heavy load the last thousand count, not all of a
/// second.
const LEAST: f64 = 0.001;
/// A tick of the clock inside: 2¹⁶ ns. 32 bits of them wrap around after three days.
const TICK: u32 = 16;
/// More ticks than this back are a clock of another thread that is a little ahead.
const LAG: u32 = u32::MAX / 2;

/// An average that forgets: each sample weighs as much as the time since the one before it.
///
/// Not the peak, as in Finagle's peak EWMA: a single slow call would then move all load to
/// the other replicas. What is slow always is noticed all the same, and what hangs has its
/// calls in flight against it.
///
/// Samples are not negative. One word: the average as an `f32` (upper half; 0: no sample yet),
/// and the time of the last sample (lower half).
#[derive(Debug)]
pub(super) struct Average(AtomicU64);

impl Average {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The average at `now`: it falls while no sample comes, so that a replica that is not
    /// called any more is tried again some day. None before the first sample.
    pub(super) fn at(&self, now: Duration) -> Option<f64> {
        let (average, then) = unpack(self.0.load(Relaxed));
        (average > 0.0).then(|| f64::from(average) * kept(then, ticks(now)))
    }

    /// Counts `sample`.
    pub(super) fn record(&self, sample: f64, now: Duration) {
        self.update(sample, now, |_| true);
    }

    /// Counts a call that would have taken longer than `sample`: only if that is more than the
    /// average, and as a first sample.
    pub(super) fn at_least(&self, sample: f64, now: Duration) {
        self.update(sample, now, |known| {
            known.is_none_or(|average| sample > average)
        });
    }

    /// Counts `sample` only if it is more than the average, and not as a first sample.
    pub(super) fn raise(&self, sample: f64, now: Duration) {
        self.update(sample, now, |known| {
            known.is_some_and(|average| sample > average)
        });
    }

    fn update(&self, sample: f64, now: Duration, counts: impl Fn(Option<f64>) -> bool) {
        let now = ticks(now);
        let mut word = self.0.load(Relaxed);
        loop {
            let (average, then) = unpack(word);
            let known = average > 0.0;
            if !counts(known.then_some(f64::from(average))) {
                return;
            }
            let weight = if known {
                (1.0 - kept(then, now)).max(LEAST)
            } else {
                1.0
            };
            let next = f64::from(average) * (1.0 - weight) + sample * weight;
            let then = if known { later(then, now) } else { now };
            match self
                .0
                .compare_exchange_weak(word, pack(next, then), Relaxed, Relaxed)
            {
                Ok(_) => return,
                Err(current) => word = current,
            }
        }
    }
}

/// What is left of the average's weight between two times.
fn kept(then: u32, now: u32) -> f64 {
    match now.wrapping_sub(then) {
        0 => 1.0,
        elapsed if elapsed > LAG => 1.0,
        elapsed => {
            let memory = MEMORY.as_nanos() as f64 / f64::from(1_u32 << TICK);
            (-f64::from(elapsed) / memory).exp()
        }
    }
}

fn later(then: u32, now: u32) -> u32 {
    if now.wrapping_sub(then) > LAG {
        then
    } else {
        now
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the ticks wrap around")]
fn ticks(now: Duration) -> u32 {
    (now.as_nanos() >> TICK) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits will do")]
fn pack(average: f64, then: u32) -> u64 {
    // Above 0, which means that there was no sample yet.
    let average = (average as f32).max(f32::MIN_POSITIVE);
    u64::from(average.to_bits()) << 32 | u64::from(then)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
const fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}
