//! Another service, as a handler sees it.

use super::{CallError, Known, Outbound, call::CallInfo, switch::Switch};
use crate::RequestContext;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use resilience::{Failure, balance::Tried, cache::CacheKey, deadline::Deadline, retry::Repeatable};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, sync::Arc, time::Duration};
use telemetry::AnchoredClock;
use tokio::time::Instant;
use tower::ServiceExt;
use types::{Cause, Outcome, StoppedBy};

/// A service that can be called.
///
/// ```no_run
/// # use chassis::{Call, CallError, RequestContext, Upstream};
/// # use types::auth::{Introspection, IntrospectRequest};
/// async fn who(auth: &Upstream, context: &RequestContext, token: String) -> Result<Introspection, CallError> {
///     let call = Call::post("auth.introspect", "/v1/introspect").json(&IntrospectRequest { token });
///     auth.call(context, call).await?.json()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Upstream {
    callee: Arc<str>,
    switch: Arc<Switch>,
}

impl Upstream {
    /// The service at the end of the stack that `outbound` describes.
    pub fn new(outbound: &Outbound) -> Self {
        Self {
            callee: outbound.callee.clone(),
            switch: Switch::new(outbound.clone()),
        }
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.callee
    }

    /// Where its replicas are, as far as that is known, and can be told.
    pub(crate) fn known(&self) -> Known {
        self.switch.replicas()
    }

    /// Makes a call for the request `context`.
    ///
    /// An answer below 500 is an answer, whatever it says; everything else is an error.
    pub async fn call(&self, context: &RequestContext, call: Call) -> Result<Answer, CallError> {
        let mut request = call.request;
        if call.cacheable {
            let key = CacheKey(request.uri().to_string().into());
            request.extensions_mut().insert(key);
        }
        let patience = call
            .patience
            .and_then(|patience| Deadline::after(Instant::now(), patience));
        if let Some(deadline) = context.deadline.into_iter().chain(patience).min() {
            request.extensions_mut().insert(deadline);
        }
        request.extensions_mut().insert(CallInfo {
            name: call.name,
            template: call.template,
            context: context.clone(),
            number: context.count_call(&self.callee),
            scheduled: call.scheduled,
            attempts: Arc::default(),
        });
        request.extensions_mut().insert(Tried::default());
        let built = self.switch.now();
        let result = built.stack.clone().oneshot(request).await;
        let callee = self.callee.clone();
        match result {
            Ok(response) => Ok(Answer { callee, response }),
            Err(error) => Err(CallError {
                callee,
                settled: built.retries(),
                ..error
            }),
        }
    }
}

/// A call to be made: what is asked, of whichever service.
#[derive(Debug)]
pub struct Call {
    name: &'static str,
    template: Cow<'static, str>,
    request: Request<Bytes>,
    cacheable: bool,
    scheduled: Option<AnchoredClock>,
    patience: Option<Duration>,
}

impl Call {
    /// A call named `name` (`service.verb`) of `method` on `template`, which begins with `/`.
    ///
    /// The template names the spans of all attempts, so it must not differ from request to
    /// request. One with placeholders, such as `/v1/profiles/{user}`, needs [`at`](Self::at).
    pub fn new(name: &'static str, method: Method, template: &'static str) -> Self {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        let call = Self {
            name,
            template: without_query(template).into(),
            request,
            cacheable: false,
            scheduled: None,
            patience: None,
        };
        call.at(template)
    }

    /// A call named `name` that is exactly `request`, whose URI is a path. The path is its own
    /// template: for senders who ask for the same again and again.
    pub fn of(name: &'static str, request: Request<Bytes>) -> Self {
        Self {
            name,
            template: request.uri().path().to_owned().into(),
            request,
            cacheable: false,
            scheduled: None,
            patience: None,
        }
    }

    /// A GET call.
    pub fn get(name: &'static str, template: &'static str) -> Self {
        Self::new(name, Method::GET, template)
    }

    /// A POST call.
    pub fn post(name: &'static str, template: &'static str) -> Self {
        Self::new(name, Method::POST, template)
    }

    /// A PUT call.
    pub fn put(name: &'static str, template: &'static str) -> Self {
        Self::new(name, Method::PUT, template)
    }

    /// Sets the path: the template with its placeholders filled in, and the query.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        if let Ok(uri) = path.parse() {
            *self.request.uri_mut() = uri;
        }
        self
    }

    /// Adds a JSON body.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        // Wire types serialise; one that could not would be sent empty, and refused.
        *self.request.body_mut() = serde_json::to_vec(body).unwrap_or_default().into();
        let json = HeaderValue::from_static("application/json");
        self.request.headers_mut().insert(CONTENT_TYPE, json);
        self
    }

    /// Adds a header; a value that can't be one is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.request.headers_mut().insert(name, value);
        }
        self
    }

    /// Says that the call may be made again although its method does not say so: a query
    /// sent as POST, or a write that carries its own key.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.request.extensions_mut().insert(Repeatable);
        self
    }

    /// Says that the answer to a GET may be used again, under its path, where the policy has a
    /// cache.
    #[must_use]
    pub fn cacheable(mut self) -> Self {
        // Two writes to the same path are two writes.
        self.cacheable = self.request.method() == Method::GET;
        self
    }

    /// Gives the call up after `patience`, however many attempts it has made. The callee is
    /// not told: a deadline is what a service promises its callers, patience what they have.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Says when the call should have begun: its span begins then, so that a sender who is
    /// late does not make the callee look fast. All spans of the call are timed by `due`.
    #[must_use]
    pub fn scheduled(mut self, due: AnchoredClock) -> Self {
        self.scheduled = Some(due);
        self
    }
}

fn without_query(path: &'static str) -> &'static str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// An answer with a status below 500.
#[derive(Debug, Clone)]
pub struct Answer {
    callee: Arc<str>,
    response: Response<Bytes>,
}

impl Answer {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Whether the answer is complete: degraded where the callee says so.
    pub fn outcome(&self) -> Outcome {
        super::exchange::outcome(self.response.headers())
    }

    /// The headers and the body.
    pub const fn response(&self) -> &Response<Bytes> {
        &self.response
    }

    /// The body of a successful answer; anything else is not what was promised.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        let value = serde_json::from_slice(self.response.body());
        match (self.status().is_success(), value) {
            (true, Ok(value)) => Ok(value),
            _ => Err(self.corrupt()),
        }
    }

    /// Says that this answer is not what was promised.
    pub fn corrupt(&self) -> CallError {
        let error = CallError::new(Cause::Corrupt, StoppedBy::NotRetryable);
        CallError {
            callee: self.callee.clone(),
            status: Some(self.status()),
            ..error
        }
    }
}
