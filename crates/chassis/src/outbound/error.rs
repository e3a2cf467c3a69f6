//! How a call fails.

use bytes::Bytes;
use http::{Response, StatusCode, header::RETRY_AFTER};
use resilience::{CallFailure, Failure};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};
use types::{Cause, Problem, StoppedBy};

/// A call without a usable answer.
#[derive(Debug, Clone)]
pub struct CallError {
    /// The service called.
    pub callee: Arc<str>,
    /// The last underlying failure.
    pub cause: Cause,
    /// What ended the trying.
    pub stopped_by: StoppedBy,
    /// The status of the last answer, if there was one.
    pub status: Option<StatusCode>,
    /// The problem in the last answer, if there was one.
    pub problem: Option<Box<Problem>>,
    /// How long the callee asks to be left alone, if it does.
    pub retry_after: Option<Duration>,
    /// Whether this caller's own policy of trying again has had its turn, so that nobody
    /// above need have one.
    pub settled: bool,
}

impl CallError {
    /// A failure of the attempt itself, before or instead of an answer.
    pub(crate) fn without_answer(cause: Cause) -> Self {
        Self::new(cause, StoppedBy::Attempts)
    }

    /// An answer with the status 429, or one from 500 up. The cause is the one its problem
    /// names, because the last *underlying* failure counts; of a callee that says nothing,
    /// the status tells whether it was too busy.
    pub(crate) fn from_answer(answer: &Response<Bytes>) -> Self {
        let status = answer.status();
        let problem: Option<Problem> = serde_json::from_slice(answer.body()).ok();
        let asked = answer.headers().get(RETRY_AFTER);
        let asked = asked.and_then(|it| it.to_str().ok());
        let named = problem.as_ref().and_then(|problem| problem.cause);
        let error = Self::without_answer(named.unwrap_or(match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Cause::Shed,
            _ => Cause::Error,
        }));
        Self {
            status: Some(status),
            problem: problem.map(Box::new),
            retry_after: asked.and_then(|it| types::retry_after(it, SystemTime::now())),
            ..error
        }
    }

    /// Whether somebody further down refused to make a call, to protect a service below. It
    /// is told all the way up: no breaker above need open for it.
    pub(crate) fn protected_below(&self) -> Option<StoppedBy> {
        let told = self.problem.as_ref()?.stopped_by?;
        matches!(told, StoppedBy::BreakerOpen | StoppedBy::BulkheadFull).then_some(told)
    }

    /// Whether the callee refused the call because its client asks too much (429): no failure
    /// of the callee, which did its work. All accounts count it as they count any other answer
    /// below 500; the caller has no answer all the same, and may try again later.
    pub fn is_over_limit(&self) -> bool {
        self.status == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// This process ran out of something that the system gives it. Not tried again: each
    /// further attempt would need the same.
    pub(crate) fn exhausted() -> Self {
        Self::new(Cause::Exhausted, StoppedBy::NotRetryable)
    }

    /// The service in which the failure originated, as far as is known here.
    pub fn origin(&self) -> &str {
        let hop = self
            .problem
            .as_ref()
            .and_then(|problem| problem.hop.as_deref());
        hop.unwrap_or(&self.callee)
    }
}

impl Failure for CallError {
    fn new(cause: Cause, stopped_by: StoppedBy) -> Self {
        Self {
            callee: "".into(),
            cause,
            stopped_by,
            status: None,
            problem: None,
            retry_after: None,
            settled: false,
        }
    }

    fn others_remain(&mut self) {
        self.retry_after = None;
    }
}

impl CallFailure for CallError {
    fn cause(&self) -> Cause {
        self.cause
    }

    fn stopped_by(&self) -> StoppedBy {
        self.stopped_by
    }

    fn stop(&mut self, stopped_by: StoppedBy) {
        self.stopped_by = stopped_by;
    }

    /// A problem that came from further down says so by not being retryable: somebody
    /// there has tried again already.
    fn is_local(&self) -> bool {
        self.problem
            .as_ref()
            .is_none_or(|problem| problem.retryable)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            callee,
            cause,
            stopped_by,
            ..
        } = self;
        match stopped_by {
            StoppedBy::BreakerOpen => write!(
                f,
                "call to {callee} refused by its circuit breaker; last failure: {cause}"
            )?,
            StoppedBy::BulkheadFull => write!(f, "call to {callee} refused: its bulkhead is full")?,
            _ => write!(
                f,
                "call to {callee} failed: {cause}, stopped by {stopped_by}"
            )?,
        }
        match self.origin() {
            origin if origin == &**callee => Ok(()),
            origin => write!(f, "; it originated in {origin}"),
        }
    }
}

impl std::error::Error for CallError {}
