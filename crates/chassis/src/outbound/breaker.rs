//! The circuit breaker of a callee: what counts against it, and how it is seen.

use super::{CallError, Outbound};
use crate::Instruments;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry::{Context, KeyValue};
use resilience::circuit_breaker::{
    BreakerLayer, BreakerPolicy, Classify, Observe, ObserveCall, Outcome, State, Transition,
};
use std::sync::Arc;
use types::{Cause, StoppedBy, attribute};

/// The breaker of `replica`, or of all of them by the name of the callee.
pub(super) fn layer(
    outbound: &Outbound,
    replica: &Arc<str>,
    policy: BreakerPolicy,
) -> BreakerLayer<ByAnswer, Watch> {
    let watch = Watch {
        callee: outbound.callee.clone(),
        replica: replica.clone(),
        instruments: outbound.instruments.clone(),
    };
    // The seed is for jitter alone: breakers of many callers must not probe in step.
    BreakerLayer::with(policy, rand::random(), ByAnswer, watch)
}

/// The state of the breaker that let a request pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted(pub(super) State);

/// Tells what an attempt says about its callee.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByAnswer;

impl Classify<Response<Bytes>, CallError> for ByAnswer {
    fn classify(&self, result: &Result<Response<Bytes>, CallError>) -> Outcome {
        let Err(error) = result else {
            return Outcome::Success;
        };
        match error.cause {
            Cause::Cancelled => Outcome::Ignored,
            // Nobody was asked: a bulkhead or a breaker of this caller was in the way.
            _ if error.stopped_by != StoppedBy::Attempts => Outcome::Ignored,
            // A callee that refused to call a service below, to protect it, works.
            _ if error.protected_below().is_some() => Outcome::Ignored,
            _ if error.status == Some(StatusCode::TOO_MANY_REQUESTS) => Outcome::Ignored,
            cause => Outcome::Failure(cause),
        }
    }
}

/// Puts the breaker's state on the request it lets pass, and its transitions into metrics,
/// the log, and the span of the call that caused them.
#[derive(Debug)]
pub(super) struct Watch {
    callee: Arc<str>,
    replica: Arc<str>,
    instruments: Instruments,
}

impl Observe for Watch {
    fn transition(&self, transition: &Transition) {
        let Transition { from, to, why, .. } = transition;
        let (callee, from, why) = (&self.callee, from.as_str(), why.as_str());
        let replica = &self.replica;
        tracing::warn!(%callee, %replica, from, to = to.as_str(), why, "circuit breaker");
        self.instruments.breaker_changed(callee, *transition);
        let context = Context::current();
        telemetry::request::add_event(
            &context,
            attribute::BREAKER_EVENT,
            vec![
                KeyValue::new(attribute::BREAKER_NAME, callee.clone()),
                KeyValue::new(attribute::REPLICA, replica.clone()),
                KeyValue::new(attribute::BREAKER_FROM, from),
                KeyValue::new(attribute::BREAKER_TO, to.as_str()),
                KeyValue::new(attribute::BREAKER_WHY, why),
            ],
        );
    }
}

impl<B> ObserveCall<Request<B>> for Watch {
    fn admitted(&self, request: &mut Request<B>, state: State) {
        request.extensions_mut().insert(Admitted(state));
    }
}
