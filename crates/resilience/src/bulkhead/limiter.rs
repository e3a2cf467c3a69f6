//! The core: how many calls are under way, and how many may be.

use super::{
    LimitPolicy,
    gradient::{Gradient, Sample},
};
use crate::{
    circuit_breaker::Outcome,
    sync::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, SeqCst},
    },
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use types::Cause;

#[cfg(test)]
mod tests;

/// A limit on calls under way, without a clock or a queue of its own: `now` is always the
/// time since an origin of the caller's choice. Clones share it.
///
/// ```
/// use resilience::{bulkhead::{LimitPolicy, LimitSettings, Limiter}, circuit_breaker::Outcome};
/// # use std::time::Duration;
/// let now = Duration::ZERO;
/// let limiter = Limiter::new(LimitPolicy::new(LimitSettings { max: 1, ..LimitSettings::default() })?);
/// let permit = limiter.try_acquire(now).expect("there is room");
/// assert!(limiter.try_acquire(now).is_none());
/// permit.release(now, Outcome::Success);
/// assert!(limiter.try_acquire(now).is_some());
/// # Ok::<(), resilience::InvalidPolicy>(())
/// ```
#[derive(Debug, Clone)]
pub struct Limiter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    in_flight: AtomicU32,
    limit: AtomicU32,
    /// Of an adaptive limit. Who finds it taken goes on: one sample more or less does not
    /// matter.
    gradient: Option<Mutex<Gradient>>,
}

/// That a call may pass. Dropped, it makes room as well, and says nothing of the callee.
#[derive(Debug)]
#[must_use = "a permit that is dropped makes room for another call"]
pub struct Permit {
    limiter: Limiter,
    started: Duration,
}

impl Limiter {
    /// A limit that nobody uses yet.
    pub fn new(policy: LimitPolicy) -> Self {
        let settings = policy.settings();
        let gradient = settings.adaptive.then(|| Gradient::new(settings));
        let limit = gradient.as_ref().map_or(settings.max, Gradient::limit);
        Self(Arc::new(Shared {
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(limit),
            gradient: gradient.map(Mutex::new),
        }))
    }

    /// Room for one call that begins at `now`, if there is any.
    pub fn try_acquire(&self, now: Duration) -> Option<Permit> {
        self.enter().then(|| Permit {
            limiter: self.clone(),
            started: now,
        })
    }

    /// Takes room, which is to be given back by [`leave`](Self::leave): for those who keep the
    /// limiter anyway, and need not count one more reference to it.
    ///
    /// In one order with all else, as leaving is: of a call that leaves and looks whether
    /// anybody waits, and one that waits and looks for room, one must see the other.
    #[inline]
    pub(super) fn enter(&self) -> bool {
        let limit = self.limit();
        let one_more = |calls: u32| (calls < limit).then_some(calls + 1);
        let entered = self.0.in_flight.fetch_update(SeqCst, SeqCst, one_more);
        entered.is_ok()
    }

    #[inline]
    pub(super) fn leave(&self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }

    /// Whether there is room for one more call.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.in_flight() < self.limit()
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight.load(Acquire)
    }

    /// How many may be. When an adaptive limit has fallen, more may be under way for a while.
    pub fn limit(&self) -> u32 {
        self.0.limit.load(Relaxed)
    }

    /// Whether it learns from what calls take, and so needs to know the time.
    pub fn is_adaptive(&self) -> bool {
        self.0.gradient.is_some()
    }

    /// A call that began at `started` has ended at `now`, and has not left yet.
    #[inline]
    pub(super) fn learn(&self, started: Duration, now: Duration, outcome: Outcome) {
        let (Some(gradient), Some(overload)) = (&self.0.gradient, overload(outcome)) else {
            return;
        };
        let Ok(mut gradient) = gradient.try_lock() else {
            return;
        };
        gradient.ended(Sample {
            started,
            now,
            in_flight: self.in_flight(),
            overload,
        });
        self.0.limit.store(gradient.limit(), Relaxed);
    }
}

/// Whether a call was too much for the callee; none if it says nothing about that.
const fn overload(outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::Success => Some(false),
        Outcome::Failure(Cause::Timeout | Cause::Shed) => Some(true),
        Outcome::Failure(_) | Outcome::Ignored | Outcome::Cancelled => None,
    }
}

impl Permit {
    /// The call has ended at `now`.
    ///
    /// What counts is the time of successes and of calls that came too late or were refused
    /// by a busy callee. Any other failure may be fast or slow for reasons of its own.
    pub fn release(self, now: Duration, outcome: Outcome) {
        self.limiter.learn(self.started, now, outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.leave();
    }
}
