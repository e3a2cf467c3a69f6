//! The layer: tower's retry, with our policy.

#[cfg(test)]
mod tests;

use super::{Decision, RetryBudget, RetryPolicy, Situation};
use crate::{CallFailure, deadline::Deadline};
use http::{Method, Request};
use std::sync::Arc;
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

/// Tries failed calls again. All services made by one layer and its clones share its budget.
#[derive(Debug, Clone)]
pub struct RetryLayer {
    policy: RetryPolicy,
    budget: Option<Arc<RetryBudget>>,
}

impl RetryLayer {
    /// Retries as `policy` says, with a budget of its own if the policy has one.
    pub fn new(policy: RetryPolicy) -> Self {
        let budget = policy.settings().budget.as_ref();
        let budget = budget.map(|settings| Arc::new(RetryBudget::new(settings)));
        Self { policy, budget }
    }

    /// The budget, to be shared with whatever else adds load to the same callee.
    pub const fn budget(&self) -> Option<&Arc<RetryBudget>> {
        self.budget.as_ref()
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<CallRetry, S>;
    fn layer(&self, inner: S) -> Self::Service {
        let call = CallRetry {
            policy: self.policy,
            budget: self.budget.clone(),
            retries: 0,
        };
        Retry::new(call, inner)
    }
}

/// The retries of one call: tower clones it for each.
#[derive(Debug, Clone)]
pub struct CallRetry {
    policy: RetryPolicy,
    budget: Option<Arc<RetryBudget>>,
    retries: u32,
}

impl<B, T, E> Policy<Request<B>, T, E> for CallRetry
where
    B: Clone,
    E: CallFailure,
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

impl CallRetry {
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
fn is_repeatable<B>(request: &Request<B>) -> bool {
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
