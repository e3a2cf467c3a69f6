//! Problems as answers: status chosen once, here at the edge of the service.

use crate::CallError;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use std::sync::Arc;
use types::{Cause, Outcome, PROBLEM_CONTENT_TYPE, Problem, StoppedBy};

/// A handler's answer where it can't give the one asked for.
#[derive(Debug, Clone)]
pub struct Refusal(pub Box<Problem>);

/// Wraps an answer without a part that could be left out; it is marked and counted as degraded.
#[derive(Debug, Clone, Copy)]
pub struct Degraded<T>(pub T);

/// How the request ended, for the accounting around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    /// What ended the trying, where a call made for the request failed.
    pub stopped_by: Option<StoppedBy>,
}

/// The problem an answer stands for, until it is rendered with the request's identity.
#[derive(Debug, Clone)]
pub(crate) struct Pending(pub Arc<Problem>);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl Refusal {
    /// The request itself is wrong: the field, the value, and what is allowed.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(400, "bad-request", "The request is not valid")
            .detail(detail)
            .into()
    }

    /// Who asks is not known.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Problem::new(401, "unauthorized", "A valid bearer token is needed")
            .detail(detail)
            .into()
    }

    /// Who asks may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Problem::new(403, "forbidden", "This is not allowed")
            .detail(detail)
            .into()
    }

    /// What is asked for does not exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Problem::new(404, "not-found", "Nothing is here")
            .detail(detail)
            .into()
    }

    /// The service itself failed; the reason goes to the log, not to the client.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "request failed");
        let problem = Problem::new(500, "internal", "The service failed");
        problem.cause(Cause::Error).retryable(true).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if response.status().is_server_error() {
            let ending = Ending {
                outcome: Outcome::Failed,
                cause: self.0.cause.or(Some(Cause::Error)),
                stopped_by: self.0.stopped_by,
            };
            response.extensions_mut().insert(ending);
        }
        response.extensions_mut().insert(Pending(self.0.into()));
        response
    }
}

impl<T: IntoResponse> IntoResponse for Degraded<T> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.extensions_mut().insert(Ending {
            outcome: Outcome::Degraded,
            cause: None,
            stopped_by: None,
        });
        response
    }
}

/// A failed call makes the request that needed it fail: the problem passes on which hop
/// failed, from what, and whether trying again can help.
impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        if error.cause == Cause::Exhausted {
            return exhausted();
        }
        let stopped_by = error.protected_below().unwrap_or(error.stopped_by);
        let (status, code, title) = match error.cause {
            // Nothing was sent, so the cause of earlier failures is not what happened now.
            _ if stopped_by == StoppedBy::BreakerOpen => (
                503,
                "upstream-refused",
                "A circuit breaker refuses calls to a service below",
            ),
            Cause::Timeout => (
                504,
                "upstream-timeout",
                "A service below did not answer in time",
            ),
            Cause::Shed => (503, "upstream-busy", "A service below is too busy"),
            _ => (502, "upstream-failed", "A service below failed"),
        };
        let hop = error.origin().to_owned();
        let retryable = !error.settled
            && error.stopped_by != StoppedBy::NotRetryable
            && error
                .problem
                .as_ref()
                .is_none_or(|problem| problem.retryable);
        let problem = Problem::new(status, code, title).detail(error.to_string());
        let problem = problem.hop(hop).cause(error.cause).stopped_by(stopped_by);
        let problem = problem.retryable(retryable);
        match error.retry_after {
            Some(wait) => problem.retry_after(wait).into(),
            None => problem.into(),
        }
    }
}

/// This service could not make a call, through no fault of the callee. Another replica may be
/// able to, and this one soon.
fn exhausted() -> Refusal {
    let title = "The service has run out of a resource of its own";
    let problem = Problem::new(503, "out-of-resources", title);
    problem.cause(Cause::Exhausted).retryable(true).into()
}

/// The finished answer: the problem with the request's identity, as `application/problem+json`.
pub(crate) fn render(response: Response, service: &str, request_id: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Pending>() {
        Some(pending) => Arc::unwrap_or_clone(pending.0),
        None if is_bare(&parts) => bare(parts.status),
        None => return Response::from_parts(parts, body),
    };
    let problem = complete(problem, service, request_id);
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
    parts.headers.remove(http::header::CONTENT_LENGTH);
    if problem.status == 401 {
        // A 401 must say how to do better (RFC 9110, section 15.5.2).
        let challenge = HeaderValue::from_static("Bearer");
        parts.headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = problem.retry_after {
        parts.headers.insert(RETRY_AFTER, seconds.into());
    }
    // Strings, numbers and flags always serialise.
    let json = serde_json::to_vec(&problem).unwrap_or_default();
    Response::from_parts(parts, json.into())
}

/// Names the hop of a failure that has none, and the request.
fn complete(mut problem: Problem, service: &str, request_id: &str) -> Problem {
    if problem.status >= 500 && problem.hop.is_none() {
        problem.hop = Some(service.to_owned().into());
    }
    problem.request_id = Some(request_id.to_owned());
    problem
}

/// An error that the framework made: without a problem and without a body of its own kind.
fn is_bare(parts: &http::response::Parts) -> bool {
    let is_error = parts.status.is_client_error() || parts.status.is_server_error();
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    is_error && kind.is_none_or(|kind| kind.starts_with(b"text/plain"))
}

fn bare(status: StatusCode) -> Problem {
    let (code, title) = match status.as_u16() {
        404 => ("no-such-route", "No such route"),
        405 => ("method-not-allowed", "This route does not know the method"),
        413 => ("too-large", "The request is too large"),
        415 => (
            "unsupported-media-type",
            "The content type is not supported",
        ),
        500..=599 => ("internal", "The service failed"),
        _ => ("bad-request", "The request is not valid"),
    };
    Problem::new(status.as_u16(), code, title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use resilience::Failure;
    use std::time::Duration;

    #[test]
    fn how_long_a_service_below_asks_to_be_left_alone_is_passed_on() {
        let mut error = CallError::new(Cause::Shed, StoppedBy::Attempts);
        let told = |error: &CallError| Refusal::from(error.clone()).0.retry_after;
        assert_eq!(told(&error), None);
        error.retry_after = Some(Duration::from_secs(7));
        assert_eq!(told(&error), Some(7));
    }
}
