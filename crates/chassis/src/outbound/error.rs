//! How a call fails.

use http::StatusCode;
use resilience::{CallFailure, Failure};
use std::{fmt, sync::Arc};
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
}

impl CallError {
    /// A failure of the attempt itself, before or instead of an answer.
    pub(crate) fn without_answer(cause: Cause) -> Self {
        Self::new(cause, StoppedBy::Attempts)
    }

    /// An answer with a status from 500 up. The cause is the one its problem names, because
    /// the last *underlying* failure counts; a callee that says nothing just failed.
    pub(crate) fn from_answer(status: StatusCode, body: &[u8]) -> Self {
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let cause = problem
            .as_ref()
            .and_then(|problem| problem.cause)
            .unwrap_or(Cause::Error);
        let error = Self::without_answer(cause);
        Self {
            status: Some(status),
            problem: problem.map(Box::new),
            ..error
        }
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
        }
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
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            callee,
            cause,
            stopped_by,
            ..
        } = self;
        write!(
            f,
            "call to {callee} failed: {cause}, stopped by {stopped_by}"
        )?;
        match self.origin() {
            origin if origin == &**callee => Ok(()),
            origin => write!(f, "; it originated in {origin}"),
        }
    }
}

impl std::error::Error for CallError {}
