//! What a caller knows of one callee: its retry budget and its circuit breaker.

use super::clock::Clock;
use crate::plan::Policy;
use resilience::{
    circuit_breaker::{Breaker, Outcome, Permit, Refused},
    retry::Bucket,
};
use std::{rc::Rc, time::Duration};

/// The state that calls of one caller to one callee share, under one policy.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) policy: Policy,
    budget: Option<Rc<Bucket>>,
    breaker: Option<Rc<Breaker>>,
}

impl Line {
    /// The line under `policy`. Parts that are as they were `before` keep their state.
    pub(super) fn new(policy: &Policy, before: Option<&Self>, seed: u64) -> Self {
        let same_retry = before.filter(|line| line.policy.retry == policy.retry);
        let same_breaker = before.filter(|line| line.policy.breaker == policy.breaker);
        let budget = policy.retry.and_then(|retry| retry.settings().budget);
        let budget = budget.map(|budget| {
            let kept = same_retry.and_then(|line| line.budget.clone());
            kept.unwrap_or_else(|| Rc::new(Bucket::new(&budget)))
        });
        let breaker = policy.breaker.map(|breaker| {
            let kept = same_breaker.and_then(|line| line.breaker.clone());
            kept.unwrap_or_else(|| Rc::new(Breaker::new(breaker, seed)))
        });
        Self {
            policy: *policy,
            budget,
            breaker,
        }
    }

    /// A call begins: it earns its part of a retry.
    pub(super) fn earn(&self) {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
    }

    /// Takes what a retry costs, if there is so much.
    pub(super) fn spend(&self, price: u32, now: Duration) -> bool {
        // The bucket's time wraps around.
        #[expect(clippy::cast_possible_truncation, reason = "meant to wrap around")]
        let now = now.as_millis() as u32;
        self.budget
            .as_ref()
            .is_none_or(|budget| budget.withdraw(price, now))
    }

    /// Asks the breaker whether an attempt may be made.
    pub(super) fn admit<'a>(&'a self, clock: &'a Clock) -> Result<Admitted<'a>, Refused> {
        let ask = |breaker: &'a Rc<Breaker>| {
            let permit = breaker.try_acquire(clock.now(), |_| ())?;
            Ok((&**breaker, permit))
        };
        Ok(Admitted {
            permit: self.breaker.as_ref().map(ask).transpose()?,
            clock,
        })
    }
}

/// An attempt that the breaker has admitted. If it is given up, the breaker hears of it.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    permit: Option<(&'a Breaker, Permit)>,
    clock: &'a Clock,
}

impl Admitted<'_> {
    /// The attempt has ended so.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.complete(outcome);
    }

    fn complete(&mut self, outcome: Outcome) {
        if let Some((breaker, permit)) = self.permit.take() {
            breaker.complete(permit, outcome, self.clock.now(), |_| ());
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.complete(Outcome::Cancelled);
    }
}
