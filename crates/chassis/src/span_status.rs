//! How the span of a failed call, or of a request that failed because of one, reads.
//!
//! The cause of a call is the last failure of its callee. Where the caller's own policy refused
//! to send anything, that failure was earlier, and the span must not read as if it had happened
//! again: it names the part that refused.

use opentelemetry::KeyValue;
use std::borrow::Cow;
use types::{Cause, StoppedBy, attribute};

/// `error.type`: the part of the caller's policy that refused, or else the cause.
pub(crate) fn error_type(cause: Option<Cause>, stopped_by: Option<StoppedBy>) -> &'static str {
    match stopped_by {
        Some(guard @ (StoppedBy::BreakerOpen | StoppedBy::BulkheadFull)) => guard.as_str(),
        _ => cause.map_or("error", Cause::as_str),
    }
}

/// A failed call: its callee, its cause, what ended the trying, and how many attempts it made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedCall<'a> {
    pub callee: &'a str,
    pub cause: Cause,
    pub stopped_by: StoppedBy,
    pub attempts: u32,
}

impl FailedCall<'_> {
    /// `error.type` of its span.
    pub(crate) fn error_type(self) -> &'static str {
        match self.stopped_by {
            StoppedBy::Deadline if self.attempts == 0 => StoppedBy::Deadline.as_str(),
            stopped_by => error_type(Some(self.cause), Some(stopped_by)),
        }
    }

    /// The description of its span's status, in words.
    pub(crate) fn description(self) -> Cow<'static, str> {
        let Self { callee, cause, .. } = self;
        match (self.stopped_by, cause) {
            (StoppedBy::BreakerOpen, _) => {
                format!("refused: the circuit breaker of {callee} is open; last failure: {cause}")
                    .into()
            }
            (StoppedBy::BulkheadFull, _) => {
                format!("refused: the bulkhead of {callee} is full").into()
            }
            (StoppedBy::Deadline, _) if self.attempts == 0 => {
                "refused: the deadline had passed before the first attempt".into()
            }
            (StoppedBy::Budget, _) => {
                format!("{cause}; not retried: the retry budget of {callee} is empty").into()
            }
            (StoppedBy::Deadline, Cause::Timeout) => "timeout: the deadline has passed".into(),
            (StoppedBy::Deadline, _) => {
                format!("{cause}; not retried: the deadline leaves no time").into()
            }
            _ => cause.as_str().into(),
        }
    }

    /// The event of a refusal, where there was one: its name and attributes.
    pub(crate) fn event(self) -> Option<(&'static str, Vec<KeyValue>)> {
        let name = match self.stopped_by {
            StoppedBy::BreakerOpen | StoppedBy::BulkheadFull => attribute::REFUSED_EVENT,
            StoppedBy::Deadline if self.attempts == 0 => attribute::REFUSED_EVENT,
            StoppedBy::Budget => attribute::RETRY_REFUSED_EVENT,
            StoppedBy::Deadline if self.cause != Cause::Timeout => attribute::RETRY_REFUSED_EVENT,
            _ => return None,
        };
        let callee = self.callee.to_owned();
        let mut attributes = vec![
            KeyValue::new(attribute::CALL_STOPPED_BY, self.stopped_by.as_str()),
            KeyValue::new(attribute::PEER, callee.clone()),
        ];
        if self.stopped_by == StoppedBy::BreakerOpen {
            attributes.push(KeyValue::new(attribute::BREAKER_NAME, callee));
        }
        Some((name, attributes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(cause: Cause, stopped_by: StoppedBy, attempts: u32) -> [String; 3] {
        let call = FailedCall {
            callee: "auth",
            cause,
            stopped_by,
            attempts,
        };
        let event = call.event().map_or("", |(name, _)| name);
        [call.error_type(), &call.description(), event].map(str::to_owned)
    }

    #[test]
    fn each_refusal_reads_as_what_it_is() {
        use {Cause::*, StoppedBy::*};
        let open = "refused: the circuit breaker of auth is open; last failure: timeout";
        let budget = "error; not retried: the retry budget of auth is empty";
        let late = "refused: the deadline had passed before the first attempt";
        let no_time = "reset; not retried: the deadline leaves no time";
        for ((cause, stopped_by, attempts), expected) in [
            (
                (Timeout, BreakerOpen, 0),
                ["breaker_open", open, "call.refused"],
            ),
            (
                (Shed, BulkheadFull, 0),
                [
                    "bulkhead_full",
                    "refused: the bulkhead of auth is full",
                    "call.refused",
                ],
            ),
            ((Timeout, Deadline, 0), ["deadline", late, "call.refused"]),
            ((Error, Budget, 1), ["error", budget, "retry.refused"]),
            ((Reset, Deadline, 1), ["reset", no_time, "retry.refused"]),
            (
                (Timeout, Deadline, 1),
                ["timeout", "timeout: the deadline has passed", ""],
            ),
            ((Error, Attempts, 3), ["error", "error", ""]),
        ] {
            assert_eq!(
                reads(cause, stopped_by, attempts),
                expected.map(str::to_owned)
            );
        }
    }
}
