//! Requests that are sent a second time before the first answer is there.
//!
//! Where latencies have a long tail, the second answer is mostly quick: both must be late for
//! the request to be (Dean, Barroso 2013, *The Tail at Scale*). It costs one more request for
//! each first answer that is not there when the second is sent.

use crate::probability::{Probability, nearest};
use std::time::Duration;

/// What hedging comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hedged {
    /// The probability that no answer is there in time: F̄(T)·F̄(T − d).
    pub missed: Probability,
    /// The share of requests that are sent twice: F̄(d).
    pub extra_load: Probability,
}

/// Hedges after `delay`, of requests that must be answered within `limit`. `tail` of a time
/// is the probability that an answer takes longer, or never comes; both answers take their
/// times independently of each other.
pub fn forecast(
    tail: impl Fn(Duration) -> Probability,
    delay: Duration,
    limit: Duration,
) -> Hedged {
    let first = tail(limit).get();
    let second = limit
        .checked_sub(delay)
        .map_or(1.0, |left| tail(left).get());
    let is_sent = delay < limit;
    Hedged {
        missed: nearest(first * second),
        extra_load: if is_sent {
            tail(delay)
        } else {
            Probability::ZERO
        },
    }
}
