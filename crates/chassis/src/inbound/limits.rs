//! Refusals of the limits: time and room.

use crate::{PolicyControl, Refusal, RequestContext, body::BodyRules, request::budget};
use axum::extract::Request;
use opentelemetry::{KeyValue, trace::TraceContextExt};
use resilience::{Failure, deadline::Deadline};
use std::{num::NonZeroUsize, time::Duration};
use tokio::time::Instant;
use tower::BoxError;
use types::{COME_AGAIN, Cause, Problem, StoppedBy, attribute};

/// A request that a limit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its time is up.
    Late,
    /// There is no room for it.
    Full,
}

impl Failure for Refused {
    fn new(_: Cause, _: StoppedBy) -> Self {
        Self::Late
    }
}

/// Only load shedding makes errors below the deadline.
impl From<BoxError> for Refused {
    fn from(_: BoxError) -> Self {
        Self::Full
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let problem = match refused {
            Refused::Late => Problem::new(504, "deadline-exceeded", "The time allowed is up")
                .cause(Cause::Timeout)
                .stopped_by(StoppedBy::Deadline),
            Refused::Full => Problem::new(503, "overloaded", "The service is full")
                .cause(Cause::Shed)
                .retry_after(COME_AGAIN)
                .retryable(true),
        };
        problem.into()
    }
}

/// Tells the extractors how bodies are read.
pub(super) fn set_body_rules(limit: NonZeroUsize) -> impl Fn(Request) -> Request + Clone {
    let rules = BodyRules::new(limit);
    move |mut request| {
        request.extensions_mut().insert(rules.clone());
        request
    }
}

/// The least time that a request gets at the edge, whatever its client asks for, unless the
/// policy allows less. Clients at the edge are strangers: one that asks for no time at all would
/// otherwise make its requests, and the calls made for them, fail at will. A service that does
/// not answer within a second has failed by any client's measure.
const LEAST_AT_THE_EDGE: Duration = Duration::from_secs(1);

/// Sets the deadline of each request: what its caller allows, capped by the policy, and at the
/// edge no less than a second.
pub(super) fn set_deadline(
    policy: PolicyControl,
    is_edge: bool,
) -> impl Fn(Request) -> Request + Clone {
    move |mut request| {
        let cap = policy.get().deadline;
        let asked = budget(request.headers());
        let asked = if is_edge { at_least(asked) } else { asked };
        let Some(deadline) = Deadline::capped(Instant::now(), asked, cap) else {
            return request;
        };
        let budget = asked.into_iter().chain(cap).min().unwrap_or_default();
        let budget = i64::try_from(budget.as_millis()).unwrap_or(i64::MAX);
        let budget = KeyValue::new(attribute::DEADLINE_BUDGET_MS, budget);
        opentelemetry::Context::current()
            .span()
            .set_attribute(budget);
        request.extensions_mut().insert(deadline);
        if let Some(context) = request.extensions_mut().get_mut::<RequestContext>() {
            context.deadline = Some(deadline);
        }
        request
    }
}

/// The time that a client at the edge gets for what it has asked. Where it gets more, the span
/// says what it has asked for.
fn at_least(asked: Option<Duration>) -> Option<Duration> {
    let asked = asked?;
    if asked < LEAST_AT_THE_EDGE {
        // Shorter than a second, so it fits.
        let asked = i64::try_from(asked.as_millis()).unwrap_or_default();
        opentelemetry::Context::current()
            .span()
            .set_attribute(KeyValue::new(attribute::DEADLINE_ASKED_MS, asked));
    }
    Some(asked.max(LEAST_AT_THE_EDGE))
}
