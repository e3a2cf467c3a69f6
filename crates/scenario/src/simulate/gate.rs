//! A limit on what is under way at once, and those who wait for room.

use super::clock::Clock;
use resilience::{
    bulkhead::{LimitPolicy, Limiter, Permit},
    circuit_breaker::Outcome,
};
use std::time::Duration;
use tokio::sync::Notify;

/// Lets so many in as its policy says.
#[derive(Debug)]
pub(super) struct Gate {
    policy: LimitPolicy,
    limiter: Limiter,
    left: Notify,
}

impl Gate {
    pub(super) fn new(policy: LimitPolicy) -> Self {
        Self {
            policy,
            limiter: Limiter::new(policy),
            left: Notify::new(),
        }
    }

    pub(super) const fn policy(&self) -> &LimitPolicy {
        &self.policy
    }

    pub(super) fn has_room(&self) -> bool {
        self.limiter.has_room()
    }

    /// Lets one more in, if there is room or comes to be in time. Who waits longest comes
    /// first.
    pub(super) async fn enter(&self, clock: &Clock) -> Option<Inside<'_>> {
        let now = clock.now();
        if let Some(permit) = self.limiter.try_acquire(now) {
            return Some(Inside::new(self, permit));
        }
        let until = now.saturating_add(self.policy.settings().wait?);
        let coming = async {
            loop {
                self.left.notified().await;
                if let Some(permit) = self.limiter.try_acquire(clock.now()) {
                    return Inside::new(self, permit);
                }
            }
        };
        clock.by(Some(until), coming).await
    }
}

/// One that is in. It leaves when it is dropped, and somebody else may enter.
#[derive(Debug)]
pub(super) struct Inside<'g> {
    gate: &'g Gate,
    permit: Option<Permit>,
}

impl<'g> Inside<'g> {
    const fn new(gate: &'g Gate, permit: Permit) -> Self {
        Self {
            gate,
            permit: Some(permit),
        }
    }

    /// It ended so: an adaptive limit learns from that.
    pub(super) fn end(mut self, now: Duration, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            permit.release(now, outcome);
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.gate.left.notify_one();
    }
}
