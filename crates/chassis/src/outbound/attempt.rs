//! One client span per attempt, and the headers that let the callee continue the story.

use super::{
    CallError, Outbound, breaker::Admitted, call::CallInfo, exchange::outcome, replica::Replica,
};
use crate::{Instruments, instruments::Seen};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, SpanBuilder, SpanKind, Status, TraceContextExt},
};
use opentelemetry_sdk::trace::SdkTracer;
use opentelemetry_semantic_conventions::attribute as semconv;
use resilience::{balance::Admits, deadline::Deadline};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};
use tokio::time::Instant;
use tower::{Layer, Service};
use types::{Cause, Outcome, attribute, header};

/// Accounts for every attempt.
#[derive(Debug, Clone)]
pub(super) struct AttemptLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    callee: Arc<str>,
    /// Where the replica is, and what it is called.
    url: Arc<str>,
    replica: Arc<str>,
    tracer: SdkTracer,
    instruments: Instruments,
}

impl AttemptLayer {
    /// Attempts on `replica`.
    pub(super) fn new(outbound: &Outbound, replica: &Replica) -> Self {
        Self(Arc::new(Shared {
            callee: outbound.callee.clone(),
            url: replica.url.clone(),
            replica: replica.name.clone(),
            tracer: outbound.tracer.clone(),
            instruments: outbound.instruments.clone(),
        }))
    }
}

impl<S> Layer<S> for AttemptLayer {
    type Service = Attempts<S>;
    fn layer(&self, inner: S) -> Attempts<S> {
        Attempts {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// Whatever might refuse an attempt stands before it.
impl<S> Admits for Attempts<S> {
    fn admits(&self) -> bool {
        true
    }
}

/// The service made by [`AttemptLayer`].
#[derive(Debug, Clone)]
pub(super) struct Attempts<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request<Bytes>> for Attempts<S>
where
    S: Service<Request<Bytes>, Response = Response<Bytes>, Error = CallError>,
    S::Future: Send + 'static,
{
    type Response = Response<Bytes>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, CallError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Bytes>) -> Self::Future {
        let number = request
            .extensions()
            .get::<CallInfo>()
            .map_or(0, CallInfo::count_attempt);
        if let Some(uri) = self.shared.address(request.uri()) {
            *request.uri_mut() = uri;
        }
        let mut record = Record::begin(self.shared.clone(), &request, number);
        record.write_headers(&mut request, number);
        let attempt = self
            .inner
            .call(request)
            .with_context(record.context.clone());
        Box::pin(async move {
            let result = attempt.await;
            record.ended(&result);
            result
        })
    }
}

impl Shared {
    /// Where the request goes: its path at the replica.
    fn address(&self, path: &Uri) -> Option<Uri> {
        format!("{}{path}", self.url).parse().ok()
    }
}

/// One attempt under way. Dropping it ends the span and counts the outcome.
struct Record {
    shared: Arc<Shared>,
    context: Context,
    begin: Instant,
    deadline: Option<Deadline>,
    ending: Option<Ending>,
}

/// How an attempt ended by itself.
struct Ending {
    outcome: Outcome,
    cause: Option<Cause>,
    status: Option<u16>,
}

impl Record {
    fn begin(shared: Arc<Shared>, request: &Request<Bytes>, number: u32) -> Self {
        let span = client_span(&shared, request, number);
        let context = telemetry::request::start(&shared.tracer, span, &Context::current());
        let deadline = request.extensions().get::<Deadline>().copied();
        Self {
            shared,
            context,
            begin: Instant::now(),
            deadline,
            ending: None,
        }
    }

    /// Trace context, identity, path and the time that is left.
    fn write_headers(&self, request: &mut Request<Bytes>, number: u32) {
        let info = request.extensions().get::<CallInfo>().cloned();
        let headers = request.headers_mut();
        telemetry::propagation::inject(&self.context, headers);
        let Some(CallInfo {
            context,
            number: call,
            ..
        }) = info
        else {
            return;
        };
        write(headers, header::REQUEST_ID, &context.request_id);
        let path = context.child_path(&self.shared.callee, call, number);
        write(headers, header::ATTEMPT_PATH, &path);
        // What the request is allowed, not what this caller has patience for.
        let left = context
            .deadline
            .map(|deadline| deadline.remaining(Instant::now()).unwrap_or_default());
        if let Some(left) = left {
            let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
            headers.insert(header::DEADLINE_MS, left.into());
            let left = KeyValue::new(attribute::DEADLINE_REMAINING_MS, left);
            self.context.span().set_attribute(left);
        }
    }

    fn ended(&mut self, result: &Result<Response<Bytes>, CallError>) {
        self.ending = Some(match result {
            Ok(answer) => Ending {
                outcome: outcome(answer.headers()),
                cause: None,
                status: Some(answer.status().as_u16()),
            },
            Err(error) => Ending {
                outcome: Outcome::Failed,
                cause: Some(error.cause),
                status: error.status.map(|status| status.as_u16()),
            },
        });
    }

    /// Dropped before it ended, an attempt was given up: because the time of the whole
    /// request was over, or because whoever wanted it has left.
    fn given_up(&self) -> Ending {
        let now = Instant::now();
        let late = self
            .deadline
            .is_some_and(|deadline| deadline.remaining(now).is_none());
        let cause = if late {
            Cause::Timeout
        } else {
            Cause::Cancelled
        };
        Ending {
            outcome: Outcome::Failed,
            cause: Some(cause),
            status: None,
        }
    }
}

impl Ending {
    /// `error.type` by the conventions: the status from 400 up, or what went wrong instead.
    fn error_type(&self) -> Option<String> {
        match self.status {
            Some(status) => (status >= 400).then(|| status.to_string()),
            None => self.cause.map(|cause| cause.to_string()),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let ending = self.ending.take().unwrap_or_else(|| self.given_up());
        let span = self.context.span();
        span.set_attribute(KeyValue::new(attribute::OUTCOME, ending.outcome.as_str()));
        if let Some(cause) = ending.cause {
            span.set_attribute(KeyValue::new(attribute::CAUSE, cause.as_str()));
        }
        if let Some(status) = ending.status {
            let status = KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(status));
            span.set_attribute(status);
        }
        if let Some(error) = ending.error_type() {
            span.set_status(Status::error(error.clone()));
            span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, error));
        }
        telemetry::request::end(&self.context);
        let Ending {
            outcome,
            cause,
            status,
        } = ending;
        let peer = Some(&self.shared.callee);
        let duration = self.begin.elapsed();
        self.shared.instruments.attempt_ended(&Seen {
            peer,
            outcome,
            cause,
            status,
            duration,
        });
    }
}

/// The span of an attempt, as the semantic conventions for HTTP clients ask for
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>): named by method and
/// template, of which there are few, and never by the path.
fn client_span(shared: &Shared, request: &Request<Bytes>, number: u32) -> SpanBuilder {
    let uri = request.uri();
    let method = request.method().as_str();
    let mut name = method.to_owned();
    let mut attributes = Vec::with_capacity(14);
    if let Some(CallInfo { template, .. }) = request.extensions().get() {
        name = format!("{method} {template}");
        attributes.push(KeyValue::new(semconv::URL_TEMPLATE, template.clone()));
    }
    attributes.extend([
        KeyValue::new(semconv::HTTP_REQUEST_METHOD, method.to_owned()),
        KeyValue::new(
            semconv::SERVER_ADDRESS,
            uri.host().unwrap_or_default().to_owned(),
        ),
        KeyValue::new(
            semconv::SERVER_PORT,
            i64::from(uri.port_u16().unwrap_or(80)),
        ),
        KeyValue::new(semconv::URL_FULL, uri.to_string()),
        KeyValue::new(attribute::PEER, shared.callee.clone()),
        KeyValue::new(attribute::PEER_OLD, shared.callee.clone()),
        KeyValue::new(attribute::REPLICA, shared.replica.clone()),
    ]);
    if let Some(Admitted(state)) = request.extensions().get() {
        attributes.push(KeyValue::new(attribute::BREAKER_STATE, state.as_str()));
    }
    if number > 0 {
        attributes.push(KeyValue::new(attribute::RESEND_COUNT, i64::from(number)));
    }
    SpanBuilder::from_name(name)
        .with_kind(SpanKind::Client)
        .with_attributes(attributes)
}

fn write(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
