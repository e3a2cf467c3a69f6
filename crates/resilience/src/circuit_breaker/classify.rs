//! What the result of a call says about the callee.

use crate::CallFailure;
use http::Response;
use types::{Cause, StoppedBy};

/// How a call ended, as far as a breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The callee did its work.
    Success,
    /// It did not.
    Failure(Cause),
    /// The call says nothing about the callee: it never got there.
    Ignored,
    /// The caller gave it up. Counts as a failure from a certain age on.
    Cancelled,
}

/// Tells successes from failures.
pub trait Classify<T, E> {
    /// How a call with this result ended.
    fn classify(&self, result: &Result<T, E>) -> Outcome;
}

/// As HTTP has it: an answer from 500 up is a failure, any other is none, for a callee that
/// says "not found" works. So is every error, except those that never reached the callee
/// because a breaker or a bulkhead refused them, because the caller itself had no file
/// descriptor or port left, or whose caller had left.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByStatus;

impl<B, E: CallFailure> Classify<Response<B>, E> for ByStatus {
    fn classify(&self, result: &Result<Response<B>, E>) -> Outcome {
        match result {
            Ok(answer) if answer.status().is_server_error() => Outcome::Failure(Cause::Error),
            Ok(_) => Outcome::Success,
            Err(failure) => match (failure.stopped_by(), failure.cause()) {
                (StoppedBy::BreakerOpen | StoppedBy::BulkheadFull, _)
                | (_, Cause::Cancelled | Cause::Exhausted) => Outcome::Ignored,
                (_, cause) => Outcome::Failure(cause),
            },
        }
    }
}
