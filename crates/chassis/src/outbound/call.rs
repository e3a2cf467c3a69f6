//! Exactly one outcome and one call span per call, however many attempts it takes.

use super::{CallError, Outbound, exchange};
use crate::{Instruments, RequestContext, attached::Attached, instruments::Seen};
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt},
};
use opentelemetry_sdk::trace::SdkTracer;
use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context as TaskContext, Poll},
};
use telemetry::{AnchoredClock, request};
use tokio::time::Instant;
use tower::{Layer, Service};
use types::{Cause, Outcome, StoppedBy, attribute};

/// What the layers need to know of the call that a request belongs to.
#[derive(Debug, Clone)]
pub(super) struct CallInfo {
    /// The call's name, for example `auth.introspect`.
    pub name: &'static str,
    /// The path with placeholders for what differs from call to call, without the query.
    pub template: Cow<'static, str>,
    /// The request for which it is made.
    pub context: RequestContext,
    /// How many calls to the same service were made for it before.
    pub number: u32,
    /// When it should have begun, if that was before now.
    pub scheduled: Option<AnchoredClock>,
    /// How many attempts were made.
    pub attempts: Arc<AtomicU32>,
}

impl CallInfo {
    /// Counts an attempt; the number of those before it.
    pub(super) fn count_attempt(&self) -> u32 {
        self.attempts.fetch_add(1, Relaxed)
    }
}

/// Accounts for every call.
#[derive(Debug, Clone)]
pub(super) struct CallLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    callee: Arc<str>,
    tracer: SdkTracer,
    instruments: Instruments,
}

impl CallLayer {
    pub(super) fn new(outbound: &Outbound) -> Self {
        Self(Arc::new(Shared {
            callee: outbound.callee.clone(),
            tracer: outbound.tracer.clone(),
            instruments: outbound.instruments.clone(),
        }))
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;
    fn layer(&self, inner: S) -> Calls<S> {
        Calls {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// The service made by [`CallLayer`].
#[derive(Debug, Clone)]
pub(super) struct Calls<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request<Bytes>> for Calls<S>
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

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let info = request.extensions().get::<CallInfo>().cloned();
        let mut record = Record::begin(self.shared.clone(), info);
        let _attached = record.context.clone().attach();
        let call = Attached::new(self.inner.call(request), record.context.clone());
        Box::pin(async move {
            let result = call.await;
            record.ended(result.as_ref());
            result
        })
    }
}

/// One call under way. Dropping it ends the span and counts the outcome.
struct Record {
    shared: Arc<Shared>,
    context: Context,
    info: Option<CallInfo>,
    begin: Instant,
    outcome: Outcome,
    cause: Option<Cause>,
    stopped_by: Option<StoppedBy>,
}

impl Record {
    fn begin(shared: Arc<Shared>, info: Option<CallInfo>) -> Self {
        let span = call_span(&shared.callee, info.as_ref());
        let (tracer, context) = (&shared.tracer, Context::current());
        let context = match info.as_ref().and_then(|info| info.scheduled) {
            Some(due) => request::start_at(tracer, span, &context, due),
            None => request::start(tracer, span, &context),
        };
        // Dropped before it ended, a call was given up by whoever wanted it.
        let (outcome, cause) = (Outcome::Failed, Some(Cause::Cancelled));
        Self {
            shared,
            context,
            info,
            begin: Instant::now(),
            outcome,
            cause,
            stopped_by: None,
        }
    }

    fn ended(&mut self, result: Result<&Response<Bytes>, &CallError>) {
        match result {
            Ok(answer) => (self.outcome, self.cause) = (exchange::outcome(answer.headers()), None),
            Err(error) => {
                self.cause = Some(error.cause);
                self.stopped_by = Some(error.stopped_by);
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let span = self.context.span();
        let attempts = self
            .info
            .as_ref()
            .map_or(1, |info| info.attempts.load(Relaxed));
        span.set_attributes([
            KeyValue::new(attribute::CALL_OUTCOME, self.outcome.as_str()),
            KeyValue::new(attribute::CALL_ATTEMPTS, i64::from(attempts)),
        ]);
        if let Some(cause) = self.cause {
            span.set_attribute(KeyValue::new(attribute::CALL_CAUSE, cause.as_str()));
            span.set_status(Status::error(cause.as_str()));
        }
        if let Some(stopped_by) = self.stopped_by {
            span.set_attribute(KeyValue::new(
                attribute::CALL_STOPPED_BY,
                stopped_by.as_str(),
            ));
        }
        request::end(&self.context);
        let (outcome, cause, peer) = (self.outcome, self.cause, Some(&self.shared.callee));
        let duration = self.begin.elapsed();
        let seen = Seen {
            peer,
            outcome,
            cause,
            status: None,
            duration,
        };
        self.shared.instruments.call_ended(&seen, self.stopped_by);
        if let Some(info) = &self.info {
            info.context
                .call_ended(&self.shared.callee, duration, outcome);
        }
    }
}

fn call_span(callee: &Arc<str>, info: Option<&CallInfo>) -> SpanBuilder {
    let mut attributes = Vec::with_capacity(8);
    attributes.push(KeyValue::new(attribute::PEER, callee.clone()));
    attributes.push(KeyValue::new(attribute::PEER_OLD, callee.clone()));
    if let Some(info) = info {
        attributes.push(KeyValue::new(
            attribute::REQUEST,
            info.context.request_id.clone(),
        ));
    }
    let name = info.map_or("call", |info| info.name);
    SpanBuilder::from_name(name)
        .with_kind(SpanKind::Internal)
        .with_attributes(attributes)
}
