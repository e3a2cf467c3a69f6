//! The layer: a second request for those that are late.

use super::{HedgeFuture, HedgePolicy, Trigger};
use crate::{
    CallFailure,
    balance::Tried,
    retry::{RetryBudget, is_repeatable},
};
use http::Request;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::{Layer, Service, retry::budget::Budget};

#[cfg(test)]
mod tests;

/// Hears of hedges. The unit type listens to nothing.
pub trait ObserveHedge {
    /// Request number `number` of a call, counted from 1 for the first hedge, is sent: the
    /// answer to the one before has not come within `delay`.
    fn scheduled(&self, number: u32, delay: Duration) {
        let _ = (number, delay);
    }
}

impl ObserveHedge for () {}

/// Sends late requests once more. All services made by one layer and its clones share its
/// budget, and what it has learnt.
#[derive(Debug)]
pub struct HedgeLayer<O = ()>(Arc<Shared<O>>);

#[derive(Debug)]
pub(super) struct Shared<O> {
    pub(super) trigger: Trigger,
    budget: Arc<RetryBudget>,
    /// Whether nobody else credits the budget when a request is sent.
    deposits: bool,
    pub(super) observe: O,
}

impl HedgeLayer {
    /// Hedges as `policy` says. `shared` is the budget of the retries of the same callee, if
    /// they have one: then both together add no more load than it allows.
    pub fn new(policy: HedgePolicy, shared: Option<Arc<RetryBudget>>) -> Self {
        Self::with(policy, shared, ())
    }
}

impl<O> HedgeLayer<O> {
    /// The same, and tells `observe`.
    pub fn with(policy: HedgePolicy, shared: Option<Arc<RetryBudget>>, observe: O) -> Self {
        let settings = policy.settings();
        let deposits = shared.is_none();
        let budget = shared.unwrap_or_else(|| Arc::new(RetryBudget::new(&settings.budget)));
        Self(Arc::new(Shared {
            trigger: Trigger::new(settings),
            budget,
            deposits,
            observe,
        }))
    }

    /// What the hedges draw from.
    pub fn budget(&self) -> &Arc<RetryBudget> {
        &self.0.budget
    }

    /// How long an answer may take at the moment before the request is sent once more.
    pub fn delay(&self) -> Duration {
        self.0.trigger.delay()
    }
}

impl<O> Shared<O> {
    /// Whether one more request can be afforded. Then it is paid for.
    pub(super) fn can_afford(&self) -> bool {
        self.budget.spend(1)
    }

    fn credit(&self) {
        if self.deposits {
            self.budget.deposit();
        }
    }
}

impl<S, O> Layer<S> for HedgeLayer<O> {
    type Service = HedgeService<S, O>;
    fn layer(&self, inner: S) -> Self::Service {
        HedgeService {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// The service made by [`HedgeLayer`].
#[derive(Debug)]
pub struct HedgeService<S, O = ()> {
    inner: S,
    shared: Arc<Shared<O>>,
}

impl<S, O, B> Service<Request<B>> for HedgeService<S, O>
where
    S: Service<Request<B>, Error: CallFailure> + Clone,
    B: Clone,
    O: ObserveHedge,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HedgeFuture<S, O, Request<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.shared.credit();
        if !is_repeatable(&request) {
            return HedgeFuture::once(self.inner.call(request), self.shared.clone());
        }
        // The second one must know where the first one went.
        request.extensions_mut().get_or_insert_with(Tried::default);
        let second = (self.inner.clone(), request.clone());
        let first = self.inner.call(request);
        HedgeFuture::hedged(first, second, self.shared.clone())
    }
}

impl<O> Clone for HedgeLayer<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Clone, O> Clone for HedgeService<S, O> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: self.shared.clone(),
        }
    }
}
