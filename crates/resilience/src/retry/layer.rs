//! The layer: tower's retry, with our policy.

#[cfg(test)]
mod tests;

use super::{Decision, RetryBudget, RetryPolicy, Situation};
use crate::{CallFailure, deadline::Deadline};
use http::{Method, Request};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, Sleep, sleep};
use tower::{
    Layer,
    retry::{Policy, Retry, budget::Budget},
};
use types::{StoppedBy, header::IDEMPOTENCY_KEY};

/// Marks a request that may be repeated although its method does not say so, such as a
/// query that is sent as POST. It goes into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Repeatable;

/// Hears of retries. The unit type listens to nothing.
pub trait ObserveRetry {
    /// Retry number `number`, counted from 1, follows after `pause`.
    fn scheduled(&self, number: u32, pause: Duration) {
        let _ = (number, pause);
    }
}

impl ObserveRetry for () {}

/// Tries failed calls again. All services made by one layer and its clones share its budget.
#[derive(Debug, Clone)]
pub struct RetryLayer<O = ()> {
    policy: RetryPolicy,
    budget: Option<Arc<RetryBudget>>,
    observe: O,
}

impl RetryLayer {
    /// Retries as `policy` says, with a budget of its own if the policy has one.
    pub fn new(policy: RetryPolicy) -> Self {
        Self::with(policy, ())
    }
}

impl<O> RetryLayer<O> {
    /// The same, and tells `observe`, which is cloned for each call.
    pub fn with(policy: RetryPolicy, observe: O) -> Self {
        let budget = policy.settings().budget.as_ref();
        let budget = budget.map(|settings| Arc::new(RetryBudget::new(settings)));
        Self {
            policy,
            budget,
            observe,
        }
    }

    /// The budget, to be shared with whatever else adds load to the same callee.
    pub const fn budget(&self) -> Option<&Arc<RetryBudget>> {
        self.budget.as_ref()
    }
}

impl<S, O: Clone> Layer<S> for RetryLayer<O> {
    type Service = Retry<CallRetry<O>, S>;
    fn layer(&self, inner: S) -> Self::Service {
        let call = CallRetry {
            policy: self.policy,
            budget: self.budget.clone(),
            retries: 0,
            observe: self.observe.clone(),
        };
        Retry::new(call, inner)
    }
}

/// The retries of one call: tower clones it for each.
#[derive(Debug, Clone)]
pub struct CallRetry<O = ()> {
    policy: RetryPolicy,
    budget: Option<Arc<RetryBudget>>,
    retries: u32,
    observe: O,
}

impl<B, T, E, O> Policy<Request<B>, T, E> for CallRetry<O>
where
    B: Clone,
    E: CallFailure,
    O: ObserveRetry,
{
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request<B>, result: &mut Result<T, E>) -> Option<Sleep> {
        let failure = result.as_mut().err()?;
        match self.decide(request, failure) {
            Ok(pause) => Some(pause),
            Err(stopped_by) => {
                failure.stop(stopped_by);
                None
            }
        }
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        if self.retries == 0
            && let Some(budget) = &self.budget
        {
            // tower asks for the copy just before it sends the request.
            budget.deposit();
        }
        Some(request.clone())
    }
}

impl<O: ObserveRetry> CallRetry<O> {
    /// The pause before the next attempt, or why there is none.
    fn decide<B>(
        &mut self,
        request: &Request<B>,
        failure: &impl CallFailure,
    ) -> Result<Sleep, StoppedBy> {
        let deadline = request.extensions().get::<Deadline>();
        let situation = Situation {
            retries: self.retries,
            repeatable: is_repeatable(request),
            remaining: deadline
                .map(|deadline| deadline.remaining(Instant::now()).unwrap_or_default()),
            draw: rand::random(),
        };
        match self.policy.decide(failure, &situation) {
            Decision::Stop(stopped_by) => Err(stopped_by),
            Decision::Retry { price, .. } if !self.can_afford(price) => Err(StoppedBy::Budget),
            Decision::Retry { pause, .. } => {
                self.retries += 1;
                self.observe.scheduled(self.retries, pause);
                Ok(sleep(pause))
            }
        }
    }

    fn can_afford(&self, price: u32) -> bool {
        self.budget
            .as_ref()
            .is_none_or(|budget| budget.spend(price))
    }
}

/// Whether doing it twice does the same as doing it once: by its method (RFC 9110, section
/// 9.2.2), by a key under which the callee does it once, or because the caller says so.
pub(crate) fn is_repeatable<B>(request: &Request<B>) -> bool {
    let idempotent = [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ];
    idempotent.contains(request.method())
        || request.headers().contains_key(IDEMPOTENCY_KEY)
        || request.extensions().get::<Repeatable>().is_some()
}
