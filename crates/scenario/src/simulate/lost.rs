//! A call without an answer, as far as its caller can tell.

use resilience::{CallFailure, Failure, circuit_breaker::Outcome};
use std::time::Duration;
use types::{COME_AGAIN, Cause, StoppedBy};

/// Why a call failed. It means what the error of a real call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) cause: Cause,
    pub(super) stopped_by: StoppedBy,
    /// Whether the answer says that trying again can help.
    retryable: bool,
    /// How long the callee asks to be left alone, if it does.
    retry_after: Option<Duration>,
    /// Who further down refused to make a call, if somebody did.
    protected: Option<StoppedBy>,
    /// The service in which it arose, by its number, as far as that is known.
    origin: Option<usize>,
}

impl Lost {
    /// It arose there, if not somewhere else already.
    pub(super) fn at(self, hop: usize) -> Self {
        let origin = self.origin.or(Some(hop));
        Self { origin, ..self }
    }

    /// Where it arose, or `otherwise`.
    pub(super) fn origin(self, otherwise: usize) -> usize {
        self.origin.unwrap_or(otherwise)
    }

    /// An attempt that failed in the callee or on the way.
    pub(super) fn here(cause: Cause) -> Self {
        Self::new(cause, StoppedBy::Attempts)
    }

    /// A service had no room for it, and says when to come again.
    pub(super) fn full() -> Self {
        Self {
            retry_after: Some(COME_AGAIN),
            ..Self::here(Cause::Shed)
        }
    }

    /// What the caller's own callers hear of this failed call: a problem.
    pub(super) fn passed_on(self, retries: bool) -> Self {
        let refused = matches!(
            self.stopped_by,
            StoppedBy::BreakerOpen | StoppedBy::BulkheadFull
        );
        Self {
            stopped_by: StoppedBy::Attempts,
            retryable: self.retryable && !retries && self.stopped_by != StoppedBy::NotRetryable,
            protected: self.protected.or(refused.then_some(self.stopped_by)),
            ..self
        }
    }

    /// What it says about the callee.
    pub(super) const fn outcome(self) -> Outcome {
        match self.cause {
            Cause::Cancelled => Outcome::Ignored,
            _ if self.protected.is_some() => Outcome::Ignored,
            cause => Outcome::Failure(cause),
        }
    }
}

impl Failure for Lost {
    fn new(cause: Cause, stopped_by: StoppedBy) -> Self {
        Self {
            cause,
            stopped_by,
            retryable: true,
            retry_after: None,
            protected: None,
            origin: None,
        }
    }

    fn others_remain(&mut self) {
        self.retry_after = None;
    }
}

impl CallFailure for Lost {
    fn cause(&self) -> Cause {
        self.cause
    }

    fn stopped_by(&self) -> StoppedBy {
        self.stopped_by
    }

    fn stop(&mut self, stopped_by: StoppedBy) {
        self.stopped_by = stopped_by;
    }

    fn is_local(&self) -> bool {
        self.retryable
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}
