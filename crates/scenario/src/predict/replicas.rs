//! Which plans with replicas have a formula.
//!
//! Faults of scope `request` strike a replica for the whole request. As long as each service
//! is called once by a request and only its caller tries again, the attempts of one call are
//! all that can meet the same draw; and what they meet of it depends only on where they go:
//! back to the same replica, to any, or to one that was not tried. Everything that remembers
//! earlier requests, such as ejection, heartbeats, breakers and caches, and everything that
//! depends on time or load, such as slots and limits, is simulated.

use super::chain::MOST_COMBINED;
use crate::{
    plan::{Phase, Plan, PlannedFault, Policy},
    topology::{Name, Topology},
};
use faults::{Scope, When};
use resilience::balance::{Pick, RetryTo};
use std::collections::BTreeSet;

/// Whether what `plan` comes to can be computed, as far as its replicas, its groups and its
/// policies go.
pub(crate) fn has_formula(plan: &Plan) -> bool {
    let topology = plan.topology();
    let is_known = |phase: &Phase| {
        let Policy {
            hedge,
            bulkhead,
            shed,
            cache,
            ..
        } = &phase.policy;
        let is_new = hedge.is_some() || bulkhead.is_some() || shed.is_some() || cache.is_some();
        !is_new && are_apart(phase) && is_balanced_by_chance(phase, topology)
    };
    plan.scale().is_none() && !has_slots(topology) && plan.phases().iter().all(is_known)
}

/// Whether a service handles a limited number of requests at once: then it depends on the queue
/// who is answered.
fn has_slots(topology: &Topology) -> bool {
    let services = topology.services();
    let mut relays = services.iter().filter_map(|name| topology.relay(name));
    relays.any(|relay| relay.slots.is_some())
}

/// Whether no two services share a fault.
fn are_apart(phase: &Phase) -> bool {
    let services = |planned: &PlannedFault| {
        let services = planned.on.iter().map(|place| &place.service);
        services.collect::<BTreeSet<_>>().len()
    };
    let mut shared = phase
        .faults
        .iter()
        .filter(|planned| planned.fault.shared.is_some());
    shared.all(|planned| services(planned) <= 1)
}

/// Whether replicas, if there are any, differ in nothing but their draws, and attempts go to
/// them by chance alone.
fn is_balanced_by_chance(phase: &Phase, topology: &Topology) -> bool {
    let services = topology.services().into_iter();
    let replicated: Vec<_> = services
        .filter(|service| topology.replicas(service) > 1)
        .collect();
    if replicated.is_empty() {
        return true;
    }
    let policy = &phase.policy;
    let balance = policy.balancing();
    let remembers = policy.breaker.is_some() || balance.eject.is_some() || balance.check.is_some();
    !remembers
        && balance.pick != Pick::First
        && replicated
            .iter()
            .all(|name| is_plain(name, phase, topology))
        && (policy.retry.is_none() || is_told_apart(phase, topology, &replicated))
}

/// Whether all replicas have the same faults, and a request calls the service once at most.
/// What comes and goes must meet one attempt at a time, sent there by chance: it then counts by
/// its share of time.
fn is_plain(service: &Name, phase: &Phase, topology: &Topology) -> bool {
    let first = phase.faults_of(service, 0);
    let mut others = 1..topology.replicas(service);
    let visits = topology.visits();
    let is_by_chance =
        phase.policy.retry.is_none() && phase.policy.balancing().pick == Pick::Random;
    let is_timeless = first.iter().all(|fault| fault.when == When::Always);
    (is_timeless || is_by_chance)
        && others.all(|replica| phase.faults_of(service, replica) == first)
        && visits
            .iter()
            .filter(|visit| visit.service == *service)
            .count()
            <= 1
}

/// Whether what the attempts of one call meet can be told.
fn is_told_apart(phase: &Phase, topology: &Topology, replicated: &[Name]) -> bool {
    let policy = &phase.policy;
    let Some(retry) = policy.retry else {
        return true;
    };
    let settings = retry.settings();
    let edge = topology.edge();
    let again = |name: &&Name| **name != edge || policy.client_retries;
    let called: Vec<_> = replicated.iter().filter(again).collect();
    let attempts = settings.retries + 1;
    let has_room = |name: &&Name| attempts <= topology.replicas(name);
    let cases = |name: &&Name| {
        let faults = phase.faults_of(name, 0);
        let spread = faults
            .iter()
            .filter(|fault| fault.scope == Scope::Request && fault.shared.is_none());
        let levels = topology.replicas(name).saturating_add(1);
        spread.fold(1, |cases: usize, _| {
            cases.saturating_mul(usize::try_from(levels).unwrap_or(usize::MAX))
        })
    };
    let is_told = match policy.retry_to() {
        RetryTo::Same => true,
        RetryTo::Another => called.iter().copied().all(|name| has_room(&name)),
        // The less loaded of two is mostly the same one as a moment ago.
        RetryTo::Random if policy.balancing().pick != Pick::Random => false,
        RetryTo::Random => {
            let all = called.iter().copied().map(|name| cases(&name));
            all.fold(1, usize::saturating_mul) <= MOST_COMBINED
        }
    };
    // Whoever tries again what came from further down makes new calls there.
    is_told && settings.budget.is_none() && !settings.propagated && !policy.client_retries
}
