//! One replica of a callee, and what this caller knows of it.

use super::{
    Outbound,
    breaker::{self, ByAnswer},
};
use crate::Policy;
use resilience::{balance::ReplicaState, bulkhead::BulkheadLayer, circuit_breaker::BreakerLayer};
use std::sync::Arc;
use url::Url;

/// A replica: where it is, how it did of late, and what keeps calls from it.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    /// Where it is.
    pub(super) url: Arc<str>,
    /// What it is called in spans, logs and metrics: its address.
    pub(super) name: Arc<str>,
    /// How it did of late.
    pub(super) state: Arc<ReplicaState>,
    /// Its circuit breaker.
    pub(super) breaker: Option<BreakerLayer<ByAnswer, breaker::Watch>>,
    /// Its bulkhead.
    pub(super) bulkhead: Option<BulkheadLayer<ByAnswer>>,
}

impl Replica {
    /// The replicas at `urls` under `policy`. Of those that were known `before`, under another
    /// policy perhaps, what is known stays, and so do parts whose settings are the same.
    pub(super) fn all(
        outbound: &Outbound,
        (urls, policy): (&[Url], &Policy),
        before: Option<(&[Self], &Policy)>,
    ) -> Vec<Self> {
        let one = |url: &Url| {
            let name = url.authority();
            let known = before.and_then(|(replicas, policy)| {
                let known = replicas.iter().find(|replica| *replica.name == *name);
                Some((known?, policy))
            });
            Self::new(outbound, (url, policy), known)
        };
        urls.iter().map(one).collect()
    }

    fn new(
        outbound: &Outbound,
        (url, policy): (&Url, &Policy),
        before: Option<(&Self, &Policy)>,
    ) -> Self {
        let name: Arc<str> = url.authority().into();
        let same_breaker =
            before.filter(|(_, before)| before.own_breaker() == policy.own_breaker());
        let same_bulkhead = before.filter(|(_, before)| before.bulkhead == policy.bulkhead);
        let new_bulkhead = || policy.bulkhead.map(|it| BulkheadLayer::with(it, ByAnswer));
        let new_breaker = || {
            policy
                .own_breaker()
                .map(|breaker| breaker::layer(outbound, &name, breaker))
        };
        Self {
            url: url.as_str().trim_end_matches('/').into(),
            state: before.map_or_else(ReplicaState::new, |(replica, _)| replica.state.clone()),
            breaker: same_breaker.map_or_else(new_breaker, |(replica, _)| replica.breaker.clone()),
            bulkhead: same_bulkhead
                .map_or_else(new_bulkhead, |(replica, _)| replica.bulkhead.clone()),
            name,
        }
    }
}
