//! Exactly one outcome and one server span per request.
//!
//! Outermost, because whatever is counted further in is not counted when a layer above it
//! ends the request: time-outs, panics and refusals would be missing from the figures. A
//! guard does the counting when it is dropped, so a client that leaves counts as well.

use super::Inbound;
use crate::{Instruments, instruments::Seen, refusal::Ending};
use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};
use faults::ResetConnection;
use http::Method;
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, SpanBuilder, SpanKind, Status, TraceContextExt, WithContext},
};
use opentelemetry_sdk::trace::SdkTracer;
use opentelemetry_semantic_conventions::attribute as semconv;
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};
use tokio::time::Instant;
use tower::{Layer, Service};
use types::{Cause, Outcome, attribute};

/// Counts every request that passes, once.
#[derive(Debug, Clone)]
pub(super) struct AccountingLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tracer: SdkTracer,
    instruments: Instruments,
    replica: Arc<str>,
}

impl AccountingLayer {
    pub(super) fn new(inbound: &Inbound) -> Self {
        Self(Arc::new(Shared {
            tracer: inbound.tracer.clone(),
            instruments: inbound.instruments.clone(),
            replica: inbound.replica.clone(),
        }))
    }
}

impl<S> Layer<S> for AccountingLayer {
    type Service = Accounting<S>;
    fn layer(&self, inner: S) -> Accounting<S> {
        Accounting {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// The service made by [`AccountingLayer`].
#[derive(Debug, Clone)]
pub(super) struct Accounting<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for Accounting<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Counted<WithContext<S::Future>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let record = Record::begin(self.shared.clone(), &request);
        let context = record.context.clone();
        // Layers note things on the span while they are called, not only while polled.
        let _attached = context.clone().attach();
        let inner = self.inner.call(request).with_context(context);
        Counted {
            inner,
            record: Some(record),
        }
    }
}

pin_project! {
    /// The response, on its way out past the accounting.
    pub(super) struct Counted<F> {
        #[pin]
        inner: F,
        record: Option<Record>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Counted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.inner.poll(cx));
        if let Some(mut record) = this.record.take() {
            record.answered(&response);
        }
        Poll::Ready(Ok(response))
    }
}

/// One request being handled. Dropping it ends the span and counts the outcome.
struct Record {
    shared: Arc<Shared>,
    context: Context,
    begin: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
    status: Option<u16>,
    ending: Ending,
}

/// A request dropped before its answer was ready: its caller has left.
const ABANDONED: Ending = Ending {
    outcome: Outcome::Failed,
    cause: Some(Cause::Cancelled),
};

impl Record {
    fn begin(shared: Arc<Shared>, request: &Request) -> Self {
        shared.instruments.request_began();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = well_known(request.method());
        let parent = telemetry::propagation::extract(request.headers());
        let span = server_span(&shared.replica, request, method, route.as_ref());
        let context = telemetry::request::start(&shared.tracer, span, &parent);
        let begin = Instant::now();
        Self {
            shared,
            context,
            begin,
            method,
            route,
            status: None,
            ending: ABANDONED,
        }
    }

    fn answered(&mut self, response: &Response) {
        self.ending = ending(response);
        if response.extensions().get::<ResetConnection>().is_none() {
            self.status = Some(response.status().as_u16());
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Ending { outcome, cause } = self.ending;
        let span = self.context.span();
        span.set_attribute(KeyValue::new(attribute::OUTCOME, outcome.as_str()));
        if let Some(status) = self.status {
            let status = KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(status));
            span.set_attribute(status);
        }
        if let Some(cause) = cause {
            span.set_attribute(KeyValue::new(attribute::CAUSE, cause.as_str()));
        }
        if outcome == Outcome::Failed {
            let error = cause.map_or("error", Cause::as_str);
            span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, error));
            span.set_status(Status::error(error));
        }
        telemetry::request::end(&self.context);
        let duration = self.begin.elapsed();
        let seen = Seen {
            peer: None,
            outcome,
            cause,
            status: self.status,
            duration,
        };
        let route = self.route.as_ref().map(MatchedPath::as_str);
        self.shared
            .instruments
            .request_ended(&seen, route, self.method);
    }
}

/// The span of a request received, as the semantic conventions for HTTP servers ask for.
fn server_span(
    replica: &Arc<str>,
    request: &Request,
    method: &'static str,
    route: Option<&MatchedPath>,
) -> SpanBuilder {
    let mut attributes = Vec::with_capacity(12);
    attributes.extend([
        KeyValue::new(semconv::HTTP_REQUEST_METHOD, method),
        KeyValue::new(semconv::URL_PATH, request.uri().path().to_owned()),
        KeyValue::new(semconv::URL_SCHEME, "http"),
        KeyValue::new(attribute::REPLICA, replica.clone()),
    ]);
    let name = match route {
        Some(route) => {
            attributes.push(KeyValue::new(
                semconv::HTTP_ROUTE,
                route.as_str().to_owned(),
            ));
            format!("{method} {}", route.as_str()).into()
        }
        None => method.into(),
    };
    SpanBuilder::from_name::<std::borrow::Cow<'static, str>>(name)
        .with_kind(SpanKind::Server)
        .with_attributes(attributes)
}

/// How a request with this answer ended.
fn ending(response: &Response) -> Ending {
    let extensions = response.extensions();
    if extensions.get::<ResetConnection>().is_some() {
        return Ending {
            outcome: Outcome::Failed,
            cause: Some(Cause::Reset),
        };
    }
    match extensions.get::<Ending>() {
        Some(ending) => *ending,
        None if response.status().is_server_error() => Ending {
            outcome: Outcome::Failed,
            cause: Some(Cause::Error),
        },
        None => Ending {
            outcome: Outcome::Ok,
            cause: None,
        },
    }
}

/// The method, or `_OTHER`: a client must not be able to invent metric labels.
fn well_known(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("_OTHER")
}
