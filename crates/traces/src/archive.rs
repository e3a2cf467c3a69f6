//! Everything one receiver took in.

use crate::{receiver::ForwardStats, span::Span, spool::Spool};
use std::io;

/// What a receiver took in: spans in memory, and the requests they came in on disk.
#[derive(Debug)]
pub struct Archive {
    pub(crate) spans: Vec<Span>,
    pub(crate) rejected: u64,
    /// None: the receiver was not asked to keep requests.
    pub(crate) spool: Option<io::Result<Spool>>,
    pub(crate) forward: Option<ForwardStats>,
}

impl Archive {
    /// The spans, in order of arrival.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How many spans had no valid trace or span id and were left out.
    pub const fn rejected(&self) -> u64 {
        self.rejected
    }

    /// What became of the spans passed on; none if they were not to be.
    pub const fn forward(&self) -> Option<&ForwardStats> {
        self.forward.as_ref()
    }
}
