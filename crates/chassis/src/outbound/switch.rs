//! The stack in force: built anew when the policy has changed.

use super::{Outbound, Stack, breaker, retry};
use crate::Policy;
use resilience::{circuit_breaker::BreakerLayer, retry::RetryLayer};
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// Holds the stack for calls to one callee, and follows its policy.
#[derive(Debug)]
pub(super) struct Switch {
    outbound: Outbound,
    built: RwLock<Arc<Built>>,
}

/// A stack, and what it was built from.
#[derive(Debug)]
pub(super) struct Built {
    policy: Arc<Policy>,
    parts: Parts,
    pub(super) stack: Stack,
}

/// The parts of a stack that have a state, shared by all calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) retry: Option<RetryLayer<retry::Watch>>,
    pub(super) breaker: Option<BreakerLayer<breaker::ByAnswer, breaker::Watch>>,
}

impl Switch {
    /// The stack that the policy of `outbound` asks for now.
    pub(super) fn new(outbound: Outbound) -> Arc<Self> {
        let built = Built::new(&outbound, None);
        let switch = Arc::new(Self {
            built: RwLock::new(Arc::new(built)),
            outbound,
        });
        show(&Arc::downgrade(&switch), &switch.outbound);
        switch
    }

    /// The stack for a call that begins now.
    pub(super) fn now(&self) -> Arc<Built> {
        let built = self.last();
        if Arc::ptr_eq(&built.policy, &self.outbound.policy.get()) {
            return built;
        }
        let mut built = self.built.write().unwrap_or_else(PoisonError::into_inner);
        // Read again under the lock: another call may have been faster, and one that read an
        // older policy must not bring that back.
        if !Arc::ptr_eq(&built.policy, &self.outbound.policy.get()) {
            *built = Arc::new(Built::new(&self.outbound, Some(&built)));
        }
        built.clone()
    }

    /// The stack of the call that began last.
    fn last(&self) -> Arc<Built> {
        self.built
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Built {
    fn new(outbound: &Outbound, before: Option<&Self>) -> Self {
        let policy = outbound.policy.get();
        let parts = Parts::new(outbound, &policy, before);
        let stack = outbound.stack(policy.attempt_timeout, &parts);
        Self {
            policy,
            parts,
            stack,
        }
    }

    /// Whether failed calls are tried again.
    pub(super) const fn retries(&self) -> bool {
        self.parts.retry.is_some()
    }
}

impl Parts {
    /// What `policy` asks for; parts of the stack `before` are kept where their settings are
    /// the same, with all they know.
    fn new(outbound: &Outbound, policy: &Policy, before: Option<&Built>) -> Self {
        let kept_retry = before.filter(|before| before.policy.retry == policy.retry);
        let kept_breaker = before.filter(|before| before.policy.breaker == policy.breaker);
        let new_retry = || policy.retry.map(retry::layer);
        let new_breaker = || {
            policy
                .breaker
                .map(|policy| breaker::layer(outbound, policy))
        };
        Self {
            retry: kept_retry.map_or_else(new_retry, |built| built.parts.retry.clone()),
            breaker: kept_breaker.map_or_else(new_breaker, |built| built.parts.breaker.clone()),
        }
    }
}

/// Shows budget and breaker among the metrics, whichever are in force when asked. Instruments
/// can't be taken back, so there is one of each, and it does not keep the stack alive.
fn show(switch: &Weak<Switch>, outbound: &Outbound) {
    let (budget, breaker) = (switch.clone(), switch.clone());
    outbound.instruments.show_budget(&outbound.callee, move || {
        let built = budget.upgrade()?.last();
        Some(built.parts.retry.as_ref()?.budget()?.level())
    });
    outbound
        .instruments
        .show_breaker(&outbound.callee, move || {
            let built = breaker.upgrade()?.last();
            Some(built.parts.breaker.as_ref()?.state())
        });
}
