//! The way of a request in: from the connection to the handler.

mod accounting;
mod identity;
mod limits;
mod panic;
mod ready;
mod shed;
mod standby;

use crate::{Instruments, PolicyControl, Refusal, admin::Readiness};
use accounting::AccountingLayer;
use axum::{
    Router,
    body::Body,
    error_handling::HandleErrorLayer,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use faults::{Decision, FaultControl, FaultLayer, Firing};
use identity::IdentityLayer;
use limits::Refused;
use opentelemetry::{KeyValue, trace::TraceContextExt};
use opentelemetry_sdk::trace::SdkTracer;
use resilience::deadline::DeadlineLayer;
use shed::Shed;
use std::{num::NonZeroUsize, sync::Arc};
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer};
use tower_http::catch_panic::CatchPanicLayer;
use types::{Cause, Problem, attribute};

pub use standby::Standby;

/// Outer to inner, as `nines stack` prints it and the README shows it.
pub const STACK: &[(&str, &str)] = &[
    (
        "accounting",
        "one server span and one outcome per request, also on panic and when the client leaves",
    ),
    (
        "identity",
        "request id in and out; problems are rendered with it; where the time went, if wanted",
    ),
    (
        "catch panic",
        "a panic becomes a 500 and ends nobody else's request",
    ),
    (
        "body limit",
        "no more than so many bytes are read, for no longer than so long",
    ),
    (
        "deadline",
        "what the caller allows, capped; work for a caller that has gone stops",
    ),
    (
        "load shed",
        "a full service refuses at once instead of queueing",
    ),
    (
        "concurrency limit",
        "one limit for all routes and connections",
    ),
    (
        "shed",
        "the limit of the policy, stated or found out from what requests take; more is refused",
    ),
    (
        "faults",
        "innermost, so that everything above sees an injected fault as a real one",
    ),
    (
        "standby",
        "a replica that stands by refuses, until its caller makes it the active one",
    ),
    ("handler", "the service's own work"),
];

/// What the inbound stack needs to know of its service.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// The service's name.
    pub service: Arc<str>,
    /// The replica's name.
    pub replica: Arc<str>,
    /// Makes server spans.
    pub tracer: SdkTracer,
    /// Counts requests.
    pub instruments: Instruments,
    /// The faults to inject.
    pub faults: FaultControl,
    /// The most a request may take, and what it gets if its caller sets no time.
    pub policy: PolicyControl,
    /// The most requests handled at once.
    pub max_in_flight: NonZeroUsize,
    /// The largest body accepted, in bytes.
    pub max_body: NonZeroUsize,
    /// Whether answers say how long the calls made for them took.
    pub server_timing: bool,
    /// The role of a replica that may stand by; none: it always serves.
    pub standby: Option<Standby>,
}

impl Inbound {
    /// The routes of `router`, behind the whole stack, and the one that heartbeats ask.
    pub(crate) fn serve(&self, router: Router, readiness: Readiness) -> Router {
        let router = match self.standby.clone() {
            Some(standby) => router.route_layer(from_fn_with_state(standby, standby::guard)),
            None => router,
        };
        self.wrap(router).merge(ready::router(self, readiness))
    }

    /// Puts the whole stack around every route of `router`, and around its 404.
    pub fn wrap(&self, router: Router) -> Router {
        let permits = Arc::new(Semaphore::new(self.max_in_flight.get()));
        router.layer(
            // Outermost first; the reasons are in `STACK`.
            ServiceBuilder::new()
                .layer(AccountingLayer::new(self))
                .layer(IdentityLayer::new(self))
                .map_response(|response: http::Response<_>| response.map(Body::new))
                .layer(CatchPanicLayer::custom(panic::answer))
                .map_request(limits::set_body_rules(self.max_body))
                .layer(HandleErrorLayer::new(async |refused: Refused| {
                    Refusal::from(refused)
                }))
                .map_request(limits::set_deadline(self.policy.clone()))
                .layer(DeadlineLayer)
                .map_err(Refused::from)
                .layer(LoadShedLayer::new())
                .layer(GlobalConcurrencyLimitLayer::with_semaphore(permits))
                .layer(from_fn_with_state(
                    Shed::new(self.policy.clone()),
                    shed::admit,
                ))
                .layer(FaultLayer::new(self.faults.clone(), note, answer)),
        )
    }
}

/// Writes injected faults on the server span that suffers them: ground truth for whoever
/// checks an attribution. Each is an event; the last, which decides how the request ends, is
/// the span's attributes too. The SDK keeps an attribute as often as it is set.
fn note(decision: &Decision) {
    let context = opentelemetry::Context::current();
    let span = context.span();
    for firing in &decision.fired {
        telemetry::request::add_event(&context, "fault.injected", identity_of(firing).into());
    }
    if let Some(last) = decision.fired.last() {
        span.set_attributes(identity_of(last));
    }
}

fn identity_of(firing: &Firing) -> [KeyValue; 2] {
    [
        KeyValue::new(attribute::FAULT_KIND, firing.kind.as_str()),
        KeyValue::new(attribute::FAULT_ID, firing.id.clone()),
    ]
}

/// The answer of a fault that answers. It says that trying again can help: each attempt
/// draws anew.
fn answer(firing: &Firing) -> Response {
    let problem = Problem::new(
        500,
        "injected-fault",
        "A fault was injected here on purpose",
    );
    let detail = format!("fault `{}` of kind `{}`", firing.id, firing.kind);
    Refusal::from(problem.detail(detail).cause(Cause::Error).retryable(true)).into_response()
}
