//! What a layer needs of an error type to report how a call ended.

use types::{Cause, StoppedBy};

/// An error that says what failed and what ended the trying.
///
/// Layers make failures of their own (a deadline that passed) and read those from below.
pub trait Failure: Send + Sized {
    /// A failure of this layer's making.
    fn new(cause: Cause, stopped_by: StoppedBy) -> Self;
}
