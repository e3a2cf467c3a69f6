//! Who the request is: its id in and out, and on every problem; where its time went.

use super::Inbound;
use crate::{RequestContext, refusal};
use axum::{extract::Request, response::Response};
use faults::RequestKey;
use http::HeaderValue;
use opentelemetry::{KeyValue, trace::TraceContextExt};
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};
use types::{Outcome, attribute, header};

/// Gives every request its [`RequestContext`], and every answer the request's id.
#[derive(Debug, Clone)]
pub(super) struct IdentityLayer {
    service: Arc<str>,
    server_timing: bool,
}

impl IdentityLayer {
    pub(super) fn new(inbound: &Inbound) -> Self {
        Self {
            service: inbound.service.clone(),
            server_timing: inbound.server_timing,
        }
    }
}

impl<S> Layer<S> for IdentityLayer {
    type Service = Identity<S>;
    fn layer(&self, inner: S) -> Identity<S> {
        Identity {
            inner,
            service: self.service.clone(),
            server_timing: self.server_timing,
        }
    }
}

/// The service made by [`IdentityLayer`].
#[derive(Debug, Clone)]
pub(super) struct Identity<S> {
    inner: S,
    service: Arc<str>,
    server_timing: bool,
}

impl<S> Service<Request> for Identity<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let context = RequestContext::from_headers(request.headers());
        identify_span(&context);
        let about = context.clone();
        request.extensions_mut().insert(RequestKey {
            request_id: context.request_id.clone(),
            attempt_path: context.attempt_path.clone(),
        });
        request.extensions_mut().insert(context);
        let (service, server_timing) = (self.service.clone(), self.server_timing);
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = sign(response.await?, &service, &about.request_id);
            if let Some(timing) = about.server_timing().filter(|_| server_timing) {
                response.headers_mut().insert(header::SERVER_TIMING, timing);
            }
            Ok(response)
        })
    }
}

fn identify_span(context: &RequestContext) {
    opentelemetry::Context::current().span().set_attributes([
        KeyValue::new(attribute::REQUEST, context.request_id.clone()),
        KeyValue::new(attribute::ATTEMPT_PATH, context.attempt_path.clone()),
    ]);
}

/// Renders a problem and writes the request's id, and a degraded outcome, into the headers.
fn sign(response: Response, service: &str, request_id: &str) -> Response {
    let mut response = refusal::render(response, service, request_id);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(header::REQUEST_ID, id);
    }
    let ending = response.extensions().get::<refusal::Ending>();
    if ending.is_some_and(|ending| ending.outcome == Outcome::Degraded) {
        let degraded = HeaderValue::from_static(Outcome::Degraded.as_str());
        response.headers_mut().insert(header::OUTCOME, degraded);
    }
    response
}
