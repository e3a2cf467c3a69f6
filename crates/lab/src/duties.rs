//! What a service is told besides who it is: its part in the plan, as flags.

use scenario::{Name, Order, Policy, Relay, Topology, Verify};
use serde::Serialize;
use std::{path::Path, time::Duration};
use stores::SqliteUrl;
use types::service;

/// What replica number `replica` of the service `name` is told; files of its own are in
/// `folder`.
pub(crate) fn of((name, replica): (&str, u32), topology: &Topology, folder: &Path) -> Vec<String> {
    match topology {
        Topology::Sequence {
            soft,
            queued,
            verify,
            ..
        } if name == service::GATEWAY => {
            let soft = (!soft.is_empty()).then(|| format!("--soft={}", soft.join(",")));
            let verify = (*verify == Verify::Local).then(|| "--verify=local".to_owned());
            let queue = folder.join(format!("queue-{replica}.db"));
            let queue = || format!("--audit-queue={}", SqliteUrl::file(&queue));
            let queue = (!queued.is_empty()).then(queue);
            [soft, verify, queue].into_iter().flatten().collect()
        }
        _ => topology.relay(name).map(of_relay).unwrap_or_default(),
    }
}

/// Whom `name` tells of what it did, beside those it calls: the database service tells the
/// audit log of writes, where the gateway does not wait for it.
pub(crate) fn told_of<'a>(
    name: &str,
    topology: &'a Topology,
) -> impl Iterator<Item = &'a Name> + use<'a> {
    let queued = match topology {
        Topology::Sequence { queued, .. } if name == service::DATABASE => queued.as_slice(),
        _ => &[],
    };
    queued.iter()
}

/// The flag that says where the service `name` is.
pub(crate) fn flag(name: &str) -> &str {
    match name {
        // `--config` names the file with the settings.
        service::CONFIG => "config-server",
        _ => name,
    }
}

fn of_relay(relay: &Relay) -> Vec<String> {
    let order = (relay.order == Order::Parallel).then(|| "--order=at-once".to_owned());
    let soft = (!relay.soft.is_empty()).then(|| format!("--soft={}", relay.soft.join(",")));
    let work = relay.work.map(|work| format!("--work={work}"));
    let slots = relay.slots.map(|slots| format!("--slots={}", slots.slots));
    let queue = relay.slots.and_then(|slots| slots.queue);
    let queue = queue.map(|queue| format!("--queue={queue}"));
    let takeover = relay
        .takeover
        .map(|time| format!("--takeover={}ms", time.as_millis()));
    let all = [order, soft, work, slots, queue, takeover];
    all.into_iter().flatten().collect()
}

/// The policy that a service starts with.
pub(crate) fn limits(policy: &Policy) -> Vec<String> {
    let flag = |name: &str, value: Option<Duration>| {
        value.map(|value| format!("--{name}={}ms", value.as_millis()))
    };
    let limits = [
        flag("attempt-timeout", policy.attempt_timeout),
        flag("deadline", policy.deadline),
        policy.retry.map(|retry| json("retry", &retry)),
        policy.breaker.map(|breaker| json("breaker", &breaker)),
        policy.balance.map(|balance| json("balance", &balance)),
        policy.hedge.map(|hedge| json("hedge", &hedge)),
        policy.bulkhead.map(|bulkhead| json("bulkhead", &bulkhead)),
        policy.shed.map(|shed| json("shed", &shed)),
        policy.cache.map(|cache| json("cache", &cache)),
    ];
    limits.into_iter().flatten().collect()
}

/// A setting that is written as JSON.
fn json(name: &str, value: &impl Serialize) -> String {
    // Numbers, texts and flags always serialise.
    let value = serde_json::to_string(value).unwrap_or_default();
    format!("--{name}={value}")
}
