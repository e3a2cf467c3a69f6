//! The stack in force: built anew when the policy has changed, or the replicas.

use super::{
    Outbound, Stack,
    balance::{self, Known},
    breaker, cache,
    check::Checks,
    discovery::{self, Known as KnownReplicas, Replicas},
    hedge,
    replica::Replica,
    retry,
};
use crate::Policy;
use resilience::{
    circuit_breaker::{BreakerLayer, State},
    hedge::HedgeLayer,
    retry::{RetryBudget, RetryLayer},
};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use tokio::runtime::Handle;
use url::Url;

/// Holds the stack for calls to one callee, and follows its policy and its replicas.
#[derive(Debug)]
pub(super) struct Switch {
    outbound: Outbound,
    replicas: Replicas,
    built: RwLock<Arc<Built>>,
    /// The heartbeats for the stack in force. Calls that are under way on an older one do not
    /// keep those of its time.
    checks: Mutex<Option<Checks>>,
    runtime: Handle,
}

/// A stack, and what it was built from.
#[derive(Debug)]
pub(super) struct Built {
    policy: Arc<Policy>,
    urls: Arc<[Url]>,
    parts: Parts,
    pub(super) stack: Stack,
}

/// The parts of a stack that have a state, shared by all calls.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) retry: Option<RetryLayer<retry::Watch>>,
    pub(super) hedge: Option<HedgeLayer<hedge::Watch>>,
    pub(super) cache: Option<cache::Layer>,
    /// The breaker before all replicas, if there is one.
    pub(super) breaker: Option<BreakerLayer<breaker::ByAnswer, breaker::Watch>>,
    pub(super) replicas: Vec<Replica>,
    /// What is known of them together.
    pub(super) known: Known,
}

impl Switch {
    /// The stack that the policy of `outbound` asks for now. Must be called within a runtime.
    pub(super) fn new(outbound: Outbound) -> Arc<Self> {
        let replicas = Replicas::new(&outbound.replicas, discovery::system);
        let built = Built::new(&outbound, replicas.now(), None);
        let checks = Checks::start(&outbound, &built.parts);
        let switch = Arc::new(Self {
            checks: Mutex::new(checks),
            built: RwLock::new(Arc::new(built)),
            replicas,
            outbound,
            runtime: Handle::current(),
        });
        show(&Arc::downgrade(&switch), &switch.outbound);
        switch
    }

    /// Where the replicas are.
    pub(super) fn replicas(&self) -> KnownReplicas {
        self.replicas.known()
    }

    /// The stack for a call that begins now.
    pub(super) fn now(&self) -> Arc<Built> {
        let built = self.last();
        if self.is_in_force(&built) {
            return built;
        }
        let mut built = self.built.write().unwrap_or_else(PoisonError::into_inner);
        // Read again under the lock: another call may have been faster, and one that read an
        // older policy must not bring that back.
        if !self.is_in_force(&built) {
            let urls = self.replicas.now();
            let next = Built::new(&self.outbound, urls, Some(&built));
            if !Arc::ptr_eq(&next.parts.known.0, &built.parts.known.0) {
                let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
                // The old ones end before the new ones begin.
                *checks = None;
                *checks = Checks::start(&self.outbound, &next.parts);
            }
            *built = Arc::new(next);
        }
        built.clone()
    }

    /// The stack in force, for metrics. A call may have been made long ago, and the policy or the
    /// replicas replaced since. Metrics are also read on threads outside of the runtime, which
    /// the heartbeats of a new stack need.
    fn shown(&self) -> Arc<Built> {
        let _within_the_runtime = self.runtime.enter();
        self.now()
    }

    fn is_in_force(&self, built: &Built) -> bool {
        Arc::ptr_eq(&built.policy, &self.outbound.policy.get()) && self.replicas.are(&built.urls)
    }

    /// The stack that was built last.
    fn last(&self) -> Arc<Built> {
        self.built
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Built {
    fn new(outbound: &Outbound, urls: Arc<[Url]>, before: Option<&Self>) -> Self {
        let policy = outbound.policy.get();
        let parts = Parts::new(outbound, (&urls, &policy), before);
        let stack = outbound.stack(&policy, &parts);
        Self {
            policy,
            urls,
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
    fn new(
        outbound: &Outbound,
        (urls, policy): (&Arc<[Url]>, &Policy),
        before: Option<&Built>,
    ) -> Self {
        // What `before` has, if `same` says that nothing has changed about it.
        let kept = |same: fn(&Policy, &Policy) -> bool| {
            let kept = before.filter(|before| same(&before.policy, policy));
            kept.map(|before| &before.parts)
        };
        let known_before = before.map(|built| (&built.parts.replicas[..], &*built.policy));
        let replicas = Replica::all(outbound, (urls, policy), known_before);
        let same_urls = before.is_some_and(|before| Arc::ptr_eq(&before.urls, urls));
        let same_board = kept(|a, b| a.balance() == b.balance()).filter(|_| same_urls);
        let board_before = before.map(|before| (&before.parts.known, &before.parts.replicas[..]));
        let known = same_board.map_or_else(
            || balance::board(policy.balance(), &replicas, board_before),
            |parts| parts.known.clone(),
        );
        let retry = kept(|a, b| a.retry == b.retry).map_or_else(
            || policy.retry.map(retry::layer),
            |parts| parts.retry.clone(),
        );
        let budget = retry.as_ref().and_then(RetryLayer::budget);
        Self {
            // It shares the budget of the retries.
            hedge: kept(|a, b| (a.hedge, a.retry) == (b.hedge, b.retry)).map_or_else(
                || {
                    policy
                        .hedge
                        .map(|policy| hedge::layer(policy, budget.cloned()))
                },
                |parts| parts.hedge.clone(),
            ),
            cache: kept(|a, b| a.cache == b.cache).map_or_else(
                || policy.cache.map(|policy| cache::layer(outbound, policy)),
                |parts| parts.cache.clone(),
            ),
            breaker: kept(|a, b| a.shared_breaker() == b.shared_breaker()).map_or_else(
                || {
                    let callee = &outbound.callee;
                    policy
                        .shared_breaker()
                        .map(|policy| breaker::layer(outbound, callee, policy))
                },
                |parts| parts.breaker.clone(),
            ),
            retry,
            replicas,
            known,
        }
    }

    /// What retries and hedges draw from.
    fn budget(&self) -> Option<&Arc<RetryBudget>> {
        let of_retries = self.retry.as_ref().and_then(RetryLayer::budget);
        of_retries.or_else(|| self.hedge.as_ref().map(HedgeLayer::budget))
    }

    /// The breakers there are, by what stands behind each.
    fn breakers(&self, callee: &Arc<str>) -> Vec<(Arc<str>, State)> {
        let each = self.replicas.iter();
        let each = each.filter_map(|one| Some((one.name.clone(), one.breaker.as_ref()?.state())));
        let shared = self.breaker.iter();
        let shared = shared.map(|breaker| (callee.clone(), breaker.state()));
        shared.chain(each).collect()
    }
}

/// Shows budget, breakers and replicas left out among the metrics, as of the moment in which they
/// are read. Instruments can't be removed, so there is one of each, and it does not keep the
/// stack alive.
fn show(switch: &Weak<Switch>, outbound: &Outbound) {
    let Outbound {
        callee,
        instruments,
        ..
    } = outbound;
    let shown = |switch: &Weak<Switch>| Some(switch.upgrade()?.shown());
    instruments.start_series(callee);
    let of = switch.clone();
    instruments.show_budget(callee, move || Some(shown(&of)?.parts.budget()?.level()));
    let of = switch.clone();
    instruments.show_left_out(callee, move || {
        let built = shown(&of)?;
        let (board, origin) = &built.parts.known;
        Some(board.left_out(origin.elapsed()))
    });
    let (of, name) = (switch.clone(), callee.clone());
    instruments.show_breakers(callee, move || {
        shown(&of).map_or_else(Vec::new, |built| built.parts.breakers(&name))
    });
}
