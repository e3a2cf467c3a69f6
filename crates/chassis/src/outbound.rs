//! The way of a call out: from the handler to another service.

mod attempt;
mod balance;
mod breaker;
mod cache;
mod call;
mod check;
mod discovery;
mod error;
mod exchange;
mod hedge;
mod replica;
mod retry;
mod switch;
mod upstream;

use crate::{Instruments, Policy, PolicyControl};
use attempt::AttemptLayer;
use bytes::Bytes;
use call::CallLayer;
use exchange::Exchange;
use http::{Request, Response};
use opentelemetry_sdk::trace::SdkTracer;
use replica::Replica;
use resilience::{attempt_timeout::AttemptTimeoutLayer, deadline::DeadlineLayer};
use std::{sync::Arc, time::Duration};
use switch::Parts;
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use url::Url;

pub(crate) use discovery::Known;
pub use error::CallError;
pub use upstream::{Answer, Call, Upstream};

/// Outer to inner, as `nines stack` prints it and the README shows it.
pub const STACK: &[(&str, &str)] = &[
    (
        "accounting",
        "one call span and one outcome per call, however many attempts it takes",
    ),
    (
        "deadline",
        "bounds all attempts and the pauses between them",
    ),
    (
        "cache",
        "an answer that was had before; outside the retry, which then has nothing to do",
    ),
    (
        "retry",
        "tries again where it is safe, can help and can be afforded; each attempt has its span",
    ),
    (
        "hedge",
        "asks a second replica where the first is slow; one try of the retry, whoever answers it",
    ),
    (
        "balance",
        "picks a replica for each attempt: one that is up, lets it pass, and was not tried yet",
    ),
    (
        "circuit breaker",
        "refuses calls to a replica that keeps failing; inside the retry, so that it sees each attempt",
    ),
    (
        "bulkhead",
        "so many calls of a replica at once; inside the breaker, which does not count its refusals",
    ),
    (
        "attempt",
        "one client span per attempt; outside the time-out, so that a late one keeps its cause",
    ),
    ("attempt time-out", "how long one attempt may take"),
    (
        "exchange",
        "reqwest: one request, one answer read to its end",
    ),
];

/// What the outbound stack needs to know of its service and its callee.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// The callee's name.
    pub callee: Arc<str>,
    /// Where the callee's replicas are; a name stands for all of its addresses.
    pub replicas: Arc<[Url]>,
    /// Makes call and attempt spans.
    pub tracer: SdkTracer,
    /// Counts calls and attempts.
    pub instruments: Instruments,
    /// The connections, shared by all callees.
    pub client: reqwest::Client,
    /// What to do about failures, shared by all callees.
    pub policy: PolicyControl,
}

type Stack = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, CallError>;

impl Outbound {
    /// Builds the stack.
    fn stack(&self, policy: &Policy, parts: &Parts) -> Stack {
        // Outermost first; the reasons are in `STACK`.
        let one = |replica: &Replica| {
            ServiceBuilder::new()
                .option_layer(replica.breaker.clone())
                .option_layer(replica.bulkhead.clone())
                .layer(AttemptLayer::new(self, replica))
                .layer(AttemptTimeoutLayer::new(policy.attempt_timeout))
                .service(Exchange::new(self.client.clone()))
        };
        let stack = ServiceBuilder::new()
            .layer(CallLayer::new(self))
            .layer(DeadlineLayer)
            .option_layer(parts.cache.clone())
            .option_layer(parts.retry.clone())
            .option_layer(parts.hedge.clone())
            .option_layer(parts.breaker.clone())
            .service(balance::over(
                self,
                parts.known.clone(),
                &parts.replicas,
                one,
            ));
        BoxCloneSyncService::new(stack)
    }
}

/// How long a connection is kept that nobody uses. Half of what the servers allow
/// (`connections::HEADER_TIMEOUT`): whoever closes first must be the client, or a request
/// sent at that moment is lost.
const IDLE: Duration = Duration::from_secs(5);

/// A client for calls to other services: connections are kept, redirects and proxies are not
/// followed, and nothing is retried behind the stack's back.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .pool_max_idle_per_host(usize::MAX)
        .pool_idle_timeout(IDLE)
        .build()
}
