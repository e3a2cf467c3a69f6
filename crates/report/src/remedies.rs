//! What is done besides trying again and refusing to call, in a few words each.

use crate::words::duration;
use resilience::{
    balance::{BalanceSettings, Pick, RetryTo},
    bulkhead::LimitPolicy,
    cache::CacheSettings,
};
use scenario::{Plan, Policy};

/// Where calls go, second requests, limits and caches of a policy.
pub(crate) fn of(policy: &Policy) -> Vec<String> {
    let balance = policy.balance.map(|balance| balanced(balance.settings()));
    let hedge = policy.hedge.map(|hedge| {
        let settings = hedge.settings();
        let budget = settings.budget.ratio * 100.0;
        format!(
            "hedge after {}, budget {budget} %",
            duration(settings.delay)
        )
    });
    let bulkhead = policy
        .bulkhead
        .map(|it| format!("bulkhead of {}", limit(&it)));
    let shed = policy.shed.map(|it| format!("limit of {}", limit(&it)));
    let cache = policy.cache.map(|cache| kept(cache.settings()));
    let others = [hedge, bulkhead, shed, cache].into_iter().flatten();
    balance.into_iter().flatten().chain(others).collect()
}

fn balanced(settings: &BalanceSettings) -> Vec<String> {
    let pick = match settings.pick {
        Pick::LessLoaded => "calls to the less loaded",
        Pick::Random => "calls to any replica",
        Pick::First => "calls to the active replica",
    };
    let retry = match settings.retry {
        RetryTo::Another => "further attempts to another",
        RetryTo::Random => "further attempts to any",
        RetryTo::Same => "further attempts to the same",
    };
    let eject = settings.eject.map(|eject| {
        let (after, time) = (eject.consecutive, duration(eject.time));
        format!("left out for {time} after {after} failures in a row")
    });
    let check = settings.check.map(|check| {
        let (every, misses) = (duration(check.every), check.misses);
        format!("heartbeats every {every}, down after {misses}")
    });
    let retry = (settings.pick != Pick::First).then(|| retry.to_owned());
    let parts = [Some(pick.to_owned()), retry, eject, check];
    parts.into_iter().flatten().collect()
}

fn limit(policy: &LimitPolicy) -> String {
    let settings = policy.settings();
    let found = settings
        .adaptive
        .then(|| format!("found by itself from {} on", settings.lowest()));
    let wait = settings.wait;
    let wait = wait.map(|wait| format!("waits for up to {}", duration(wait)));
    let more: Vec<_> = found.into_iter().chain(wait).collect();
    let most = if settings.adaptive { "up to " } else { "" };
    match &*more {
        [] => settings.max.to_string(),
        more => format!("{most}{} ({})", settings.max, more.join(", ")),
    }
}

fn kept(settings: &CacheSettings) -> String {
    let fresh = duration(settings.fresh);
    match settings.stale {
        Some(stale) => {
            let stale = duration(stale);
            format!("answers kept for {fresh}, and for {stale} more in place of a failure")
        }
        None => format!("answers kept for {fresh}"),
    }
}

/// The services that have several replicas: "2 replicas of back".
pub(crate) fn replicas(plan: &Plan) -> Vec<String> {
    let topology = plan.topology();
    let mut services = plan.services();
    services.reverse();
    let several = services.iter().filter_map(|service| {
        let replicas = topology.replicas(service);
        (replicas > 1).then(|| format!("{replicas} replicas of {service}"))
    });
    several.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        let head = "title = \"t\"\n[load]\nrate = 10\nrequests = 10\n";
        scenario::parse("t", &format!("{head}{text}")).unwrap()
    }

    #[test]
    fn every_remedy_has_its_words() {
        let plan = plan(
            "[service.a]\ncalls = [\"b\"]\n[service.b]\nreplicas = 2\n\
             [policy.balance]\neject = { consecutive = 3, time = \"40ms\" }\n\
             check = { every = \"10ms\", timeout = \"10ms\", misses = 2 }\n\
             [policy.hedge]\ndelay = \"20ms\"\nbudget = { ratio = 0.05 }\n\
             [policy.bulkhead]\nmax = 16\nwait = \"5ms\"\n\
             [policy.shed]\nmax = 200\nmin = 10\nadaptive = true\n\
             [policy.cache]\nfresh = \"1s\"\nstale = \"10s\"\n",
        );
        let words = of(&plan.phases()[0].policy).join("; ");
        for part in [
            "calls to the less loaded",
            "further attempts to another",
            "left out for 40 ms after 3 failures in a row",
            "heartbeats every 10 ms, down after 2",
            "hedge after 20 ms, budget 5 %",
            "bulkhead of 16 (waits for up to 5 ms)",
            "limit of up to 200 (found by itself from 10 on)",
            "answers kept for 1 s, and for 10 s more in place of a failure",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert_eq!(replicas(&plan), ["2 replicas of b"]);
    }
}
