//! The layer: one breaker, for all services that it is applied to.

use super::{
    Breaker, BreakerPolicy, BreakerService, ByStatus, Observe, Outcome, Permit, Refused, State,
    shard::{Padded, SHARDS},
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
    holds: Holds<C, O>,
}

/// What keeps the breaker alive while a call lasts. Counting references is a write too: as
/// every call holds one, there are several counts.
pub(super) type Hold<C, O> = Arc<Padded<Arc<Shared<C, O>>>>;
pub(super) type Holds<C, O> = Arc<[Hold<C, O>]>;

/// The breaker, its clock, and who is asked and told.
#[derive(Debug)]
pub(super) struct Shared<C, O> {
    pub(super) breaker: Breaker,
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
        let shared = Arc::new(Shared {
            breaker: Breaker::new(policy, seed),
            origin: Instant::now(),
            classify,
            observe,
        });
        let hold = |_| Arc::new(Padded(shared.clone()));
        Self {
            holds: (0..SHARDS).map(hold).collect(),
        }
    }

    fn shared(&self) -> &Shared<C, O> {
        &self.holds[0].0
    }

    /// The state now: half-open once the open time is over, also if no call has come since.
    pub fn state(&self) -> State {
        let shared = self.shared();
        shared.breaker.state_at(shared.now())
    }
}

impl<C, O: Observe> BreakerLayer<C, O> {
    /// Whether a call would be admitted now, so that one can look for another callee.
    pub fn would_admit(&self) -> bool {
        self.shared().would_admit()
    }

    /// Refuses all calls until [`force_close`](Self::force_close).
    pub fn force_open(&self) {
        let Shared {
            breaker, observe, ..
        } = self.shared();
        breaker.force_open(|transition| observe.transition(transition));
    }

    /// Closes the breaker, whatever its state, and forgets all that it has counted.
    pub fn force_close(&self) {
        let Shared {
            breaker, observe, ..
        } = self.shared();
        breaker.force_close(|transition| observe.transition(transition));
    }
}

impl<C, O> Shared<C, O> {
    /// Time since the breaker was made.
    #[inline]
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl<C, O: Observe> Shared<C, O> {
    /// Reads the clock only if it matters.
    #[inline]
    pub(super) fn would_admit(&self) -> bool {
        let on = |transition: &_| self.observe.transition(transition);
        self.breaker.state() == State::Closed || self.breaker.would_admit(self.now(), on)
    }

    #[inline]
    pub(super) fn try_acquire(&self) -> Result<Permit, Refused> {
        let on = |transition: &_| self.observe.transition(transition);
        self.breaker.try_acquire(self.now(), on)
    }

    pub(super) fn complete(&self, permit: Permit, outcome: Outcome) {
        let on = |transition: &_| self.observe.transition(transition);
        self.breaker.complete(permit, outcome, self.now(), on);
    }

    #[inline]
    pub(super) fn complete_at_once(&self, permit: Permit) {
        let on = |transition: &_| self.observe.transition(transition);
        self.breaker.complete_at_once(permit, on);
    }
}

impl<S, C, O> Layer<S> for BreakerLayer<C, O> {
    type Service = BreakerService<S, C, O>;
    fn layer(&self, inner: S) -> Self::Service {
        BreakerService::new(inner, self.holds.clone())
    }
}

impl<C, O> Clone for BreakerLayer<C, O> {
    fn clone(&self) -> Self {
        Self {
            holds: self.holds.clone(),
        }
    }
}
