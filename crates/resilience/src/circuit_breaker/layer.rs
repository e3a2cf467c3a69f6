//! The layer: one breaker, for all services that it is applied to.

use super::{
    Breaker, BreakerPolicy, BreakerService, ByStatus, Observe, Outcome, Permit, Refused, State,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tower::Layer;

/// Refuses calls to a callee that keeps failing.
///
/// One layer is one breaker: its clones, the services made by it and their clones all share
/// it. A callee with several replicas needs one for each: a breaker in front of all of them
/// would cut off the healthy ones with the sick. Kept beside the service, the layer also
/// tells the state of its breaker, and forces it.
#[derive(Debug)]
pub struct BreakerLayer<C = ByStatus, O = ()> {
    shared: Arc<Shared<C, O>>,
}

/// The breaker, its clock, and who is asked and told.
#[derive(Debug)]
pub(super) struct Shared<C, O> {
    breaker: Breaker,
    origin: Instant,
    pub(super) classify: C,
    pub(super) observe: O,
}

impl BreakerLayer {
    /// A breaker that counts what [`ByStatus`] calls a failure. Different seeds draw
    /// different open times.
    pub fn new(policy: BreakerPolicy, seed: u64) -> Self {
        Self::with(policy, seed, ByStatus, ())
    }
}

impl<C, O> BreakerLayer<C, O> {
    /// A breaker that counts what `classify` calls a failure, and tells `observe`.
    pub fn with(policy: BreakerPolicy, seed: u64, classify: C, observe: O) -> Self {
        Self {
            shared: Arc::new(Shared {
                breaker: Breaker::new(policy, seed),
                origin: Instant::now(),
                classify,
                observe,
            }),
        }
    }

    /// The state that the last call has left behind.
    pub fn state(&self) -> State {
        self.shared.breaker.state()
    }

    /// Whether a call would be admitted now.
    pub fn would_admit(&self) -> bool {
        self.shared.would_admit()
    }
}

impl<C, O: Observe> BreakerLayer<C, O> {
    /// Refuses all calls until [`force_close`](Self::force_close).
    pub fn force_open(&self) {
        let Shared {
            breaker, observe, ..
        } = &*self.shared;
        breaker.force_open(|transition| observe.transition(transition));
    }

    /// Closes the breaker, whatever its state, and forgets all that it has counted.
    pub fn force_close(&self) {
        let Shared {
            breaker, observe, ..
        } = &*self.shared;
        breaker.force_close(|transition| observe.transition(transition));
    }
}

impl<C, O> Shared<C, O> {
    /// Time since the breaker was made.
    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Reads the clock only if it matters.
    pub(super) fn would_admit(&self) -> bool {
        self.breaker.state() == State::Closed || self.breaker.would_admit(self.now())
    }

    pub(super) fn refused(&self) -> Refused {
        self.breaker.refused()
    }

    pub(super) const fn times_successes(&self) -> bool {
        self.breaker.times_successes()
    }
}

impl<C, O: Observe> Shared<C, O> {
    pub(super) fn try_acquire(&self) -> Result<Permit, Refused> {
        let on = |transition: &_| self.observe.transition(transition);
        self.breaker.try_acquire(self.now(), on)
    }

    pub(super) fn complete(&self, permit: Permit, outcome: Outcome, now: Duration) {
        let on = |transition: &_| self.observe.transition(transition);
        self.breaker.complete(permit, outcome, now, on);
    }
}

impl<S, C, O> Layer<S> for BreakerLayer<C, O> {
    type Service = BreakerService<S, C, O>;
    fn layer(&self, inner: S) -> Self::Service {
        BreakerService::new(inner, self.shared.clone())
    }
}

impl<C, O> Clone for BreakerLayer<C, O> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}
