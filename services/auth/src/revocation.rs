//! Revoked means revoked, on every replica, from the moment at which it is acknowledged.
//!
//! Asking the store about each token would make it the bottleneck of the whole chain; asking
//! it now and then would let a revoked token pass meanwhile. Leases do neither (after Gray
//! and Cheriton, "Leases", SOSP 1989):
//!
//! - What a replica knows of revocations may be used for as long as its **lease** runs: for
//!   the time *L* from the moment at which it *began* to ask the store. Then it asks again,
//!   for those revocations that came since; many requests wait for one such question. If the
//!   store does not answer, the replica does not either: it fails and does not guess.
//! - Who revokes a token commits that to the store, and **waits** for *L* before the answer.
//!   A lease that began before the commit has then run out, and one that began after it
//!   knows. So whoever has seen the acknowledgement finds no replica that accepts the token.
//!
//! Only durations are compared, each by one monotonic clock. Those of two machines may run at
//! different rates: NTP slews a clock by at most 500 ppm, and the wait is longer by 1 %. (A
//! machine that is suspended as a whole stops its clock; it must not be, between two
//! requests.) Replicas may have different leases: the longest that was ever used is kept in
//! the store, and is the time to wait.
//!
//! Revocations are numbered in the order of their commits, because whoever takes a number
//! keeps the others from taking the next until the commit. So a replica that has read up to
//! a number has read all before it. (Numbers of a sequence would not do: a smaller one can be
//! committed after a larger one was read.)
//!
//! A user's name and roles stand in the token, signed, and do not change with it: accounts
//! are never deleted, and a role that is granted is in the next token.

use crate::store::Revocation;
use std::{collections::HashMap, time::Duration};
use token::TokenId;
use tokio::time::Instant;

/// How long a revocation is kept after its token has expired, in seconds: the wall clocks of
/// replicas may differ by as much.
pub(crate) const KEPT_AFTER: u64 = 600;

/// How long who revokes waits, where the longest lease is `lease`: 1 % more, for clocks that
/// run at different rates.
pub(crate) fn wait(lease: Duration) -> Duration {
    lease + lease / 100
}

/// What a replica knows of revocations.
///
/// All those that matter are held, some 50 bytes each. There are never many: a token that
/// can be revoked took a login, which costs some 20 ms of a core.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    /// When the store was asked last.
    as_of: Option<Instant>,
    /// The number of the last one heard of.
    last: i64,
    /// When their tokens expire, in seconds since the Unix epoch.
    revoked: HashMap<TokenId, u64>,
}

impl Revocations {
    /// Whether what is known may be used at the time `now`.
    pub(crate) fn are_current(&self, now: Instant, lease: Duration) -> bool {
        self.as_of.is_some_and(|as_of| now < as_of + lease)
    }

    /// The number of the last one heard of: who asks, asks for those after it.
    pub(crate) const fn last(&self) -> i64 {
        self.last
    }

    /// Takes note of all those after `last()`, for which the store was asked at `asked_at`.
    pub(crate) fn learn(&mut self, asked_at: Instant, news: Vec<Revocation>) {
        for revocation in news {
            self.last = self.last.max(revocation.sequence);
            self.revoked
                .insert(revocation.token, revocation.expires_at_s);
        }
        self.as_of = self.as_of.max(Some(asked_at));
    }

    pub(crate) fn contain(&self, token: &TokenId) -> bool {
        self.revoked.contains_key(token)
    }

    /// Forgets those whose tokens nobody takes for good any more, at the time `now` in seconds
    /// since the Unix epoch.
    pub(crate) fn forget(&mut self, now: u64) {
        self.revoked
            .retain(|_, expires_at| expires_at.saturating_add(KEPT_AFTER) > now);
    }
}

#[cfg(test)]
mod tests;
