//! What the tests of several layers need.

use crate::{CallFailure, Failure};
use types::{Cause, StoppedBy};

/// The simplest failure there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) Cause, pub(crate) StoppedBy);

impl Failure for Failed {
    fn new(cause: Cause, stopped_by: StoppedBy) -> Self {
        Self(cause, stopped_by)
    }
}

impl CallFailure for Failed {
    fn cause(&self) -> Cause {
        self.0
    }

    fn stopped_by(&self) -> StoppedBy {
        self.1
    }

    fn stop(&mut self, stopped_by: StoppedBy) {
        self.1 = stopped_by;
    }
}
