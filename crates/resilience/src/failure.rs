//! What a layer needs of an error type to decide, and to report how a call ended.

use std::time::Duration;
use types::{Cause, StoppedBy};

/// An error that layers can make: a deadline that passed, a breaker that is open.
pub trait Failure: Send + Sized {
    /// A failure of this layer's making.
    fn new(cause: Cause, stopped_by: StoppedBy) -> Self;

    /// Another replica can be asked: what this one says of when to come again is about itself.
    fn others_remain(&mut self) {}
}

/// An error that also says what failed and what ended the trying, for layers that decide
/// by what happened below.
pub trait CallFailure: Failure {
    /// The last underlying failure.
    fn cause(&self) -> Cause;

    /// What ended the trying.
    fn stopped_by(&self) -> StoppedBy;

    /// Says what ended the trying.
    fn stop(&mut self, stopped_by: StoppedBy);

    /// Whether it arose in the callee or on the way to it, and not further down, where
    /// somebody else has tried again already.
    fn is_local(&self) -> bool {
        true
    }

    /// How long the callee asks to be left alone, if it does (`Retry-After`).
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
