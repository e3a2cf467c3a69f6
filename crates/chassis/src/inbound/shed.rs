//! How many requests are handled at once, as the policy in force has it.
//!
//! Whoever takes on more than it can do is late with all of it, and what is late is worth
//! nothing to those who have stopped waiting: the more is asked, the less is done. Refusing
//! what is too much, at once and cheaply, keeps the rest in time (Google, *Site Reliability
//! Engineering*, 2016, chapter 21). The refusal says when to come again (RFC 9110, section
//! 10.2.3), because a client that tries again at once makes it worse.

use super::limits::Refused;
use crate::{PolicyControl, Refusal, refusal::Ending};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use resilience::{
    bulkhead::{Bulkhead, Inside, LimitPolicy},
    circuit_breaker::Outcome,
    deadline::Deadline,
};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::time::Instant;
use types::{Cause, Outcome as Ended};

/// The limit in force, which follows the policy.
#[derive(Debug, Clone)]
pub(super) struct Shed {
    policy: PolicyControl,
    limit: Arc<RwLock<Option<(LimitPolicy, Bulkhead)>>>,
}

impl Shed {
    pub(super) fn new(policy: PolicyControl) -> Self {
        Self {
            policy,
            limit: Arc::default(),
        }
    }

    /// The limit for a request that comes now; none: any number.
    fn now(&self) -> Option<Bulkhead> {
        let policy = self.policy.get().shed?;
        let limit = self.limit.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, limit)) = &*limit
            && *of == policy
        {
            return Some(limit.clone());
        }
        drop(limit);
        let mut limit = self.limit.write().unwrap_or_else(PoisonError::into_inner);
        match &*limit {
            // Somebody else was faster.
            Some((of, limit)) if *of == policy => Some(limit.clone()),
            _ => {
                let new = Bulkhead::new(policy);
                *limit = Some((policy, new.clone()));
                Some(new)
            }
        }
    }
}

/// Lets a request through if there is room for it.
pub(super) async fn admit(State(shed): State<Shed>, request: Request, next: Next) -> Response {
    let Some(limit) = shed.now() else {
        return next.run(request).await;
    };
    let Some(inside) = limit.enter().await else {
        return Refusal::from(Refused::Full).into_response();
    };
    let mut entered = Entered {
        inside: Some(inside),
        deadline: request.extensions().get().copied(),
    };
    let response = next.run(request).await;
    entered.end(outcome(&response));
    response
}

/// A request that was let in. One that is dropped because its time is up was too slow: the
/// limit hears of it.
struct Entered {
    inside: Option<Inside>,
    deadline: Option<Deadline>,
}

impl Entered {
    fn end(&mut self, outcome: Outcome) {
        if let Some(inside) = self.inside.take() {
            inside.end(outcome);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let now = Instant::now();
        let is_late = |deadline: Deadline| deadline.remaining(now).is_none();
        if self.deadline.is_some_and(is_late) {
            self.end(Outcome::Failure(Cause::Timeout));
        }
    }
}

/// What an answer says about how busy the service is.
fn outcome(response: &Response) -> Outcome {
    match response.extensions().get() {
        Some(Ending {
            outcome: Ended::Failed,
            cause,
            ..
        }) => Outcome::Failure(cause.unwrap_or(Cause::Error)),
        _ => Outcome::Success,
    }
}
