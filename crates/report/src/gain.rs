//! "If this hop never failed": what each hop lost, what users would gain, and what the estimate
//! assumes.

use crate::results::RunResult;
use availability::{
    Confidence,
    perfect::{Fates, Gain, gain},
};
use faults::When;
use scenario::{Model, Order, Phase, Plan, Policy};
use std::collections::BTreeSet;
use traces::HopAnalysis;

/// What a hop has lost, and what users would gain if it never failed by itself.
pub(crate) struct Loss<'a> {
    /// The hop.
    pub(crate) hop: &'a HopAnalysis,
    /// Its part of everything that was lost.
    pub(crate) share: f64,
    /// The gain; none where the plan allows no estimate.
    pub(crate) gain: Option<Gain>,
}

/// The losses of all hops, in the order in which requests reach them; none if nothing was lost.
pub(crate) fn losses<'a>(plan: &Plan, run: &'a RunResult, level: Confidence) -> Vec<Loss<'a>> {
    let lost = run.analysis.root.outcomes.failed.total;
    let is_estimated = why_no_gain(plan).is_none();
    let losses = fates(run).into_iter().map(|(hop, fates)| {
        let gain = gain(&fates, level).ok();
        let share = hop.lost_here as f64 / lost as f64;
        Loss {
            hop,
            share,
            gain: gain.filter(|_| is_estimated),
        }
    });
    losses.collect()
}

/// Why no gain can be estimated from one run of `plan`, in one sentence; none where it can.
///
/// The estimate takes what a hop lost for requests that would have gone on to the hops after it.
/// Of calls at once, and of two calls of one service, there is no such order; and a fault that
/// services share takes the others down with it.
pub fn why_no_gain(plan: &Plan) -> Option<String> {
    let calls = calls_in_parallel(plan).then(|| "parallel calls".to_owned());
    let mut twice = visited_twice(plan).map(|service| format!("two calls of {service}"));
    let shared = || services_share(plan).then(|| "a fault that services share".to_owned());
    let reason = calls.or_else(|| twice.next()).or_else(shared)?;
    Some(format!(
        "one run does not tell, because the scenario has {reason}"
    ))
}

fn services_share(plan: &Plan) -> bool {
    let faults = plan.phases().iter().flat_map(|phase| &phase.faults);
    let mut shared = faults.filter(|planned| planned.fault.shared.is_some());
    shared.any(|planned| {
        let services = planned.on.iter().map(|place| &place.service);
        services.collect::<BTreeSet<_>>().len() > 1
    })
}

/// All requests by where they ended, as seen from the hop `name`; none if there is no such
/// hop, or nothing was lost.
pub fn fates_of(name: &str, run: &RunResult) -> Option<Fates> {
    let mut fates = fates(run).into_iter();
    let found = fates.find(|(hop, _)| hop.hop == name);
    found.map(|(_, fates)| fates)
}

fn fates(run: &RunResult) -> Vec<(&HopAnalysis, Fates)> {
    let outcomes = &run.analysis.root.outcomes;
    let lost = outcomes.failed.total;
    if lost == 0 {
        return Vec::new();
    }
    let mut before = 0;
    let mut fates = Vec::new();
    for hop in &run.analysis.hops {
        let here = hop.lost_here;
        let seen_from_here = Fates {
            before,
            here,
            after: lost.saturating_sub(before + here),
            answered: outcomes.ok + outcomes.degraded,
        };
        before += here;
        fates.push((hop, seen_from_here));
    }
    fates
}

/// Why the gains of `plan` are estimates only, in one sentence: what in it breaks the
/// assumption that hops fail independently of each other, in series, and that each failure is
/// retried only by the caller that saw it first. None where nothing does.
pub fn gain_caveat(plan: &Plan) -> Option<String> {
    let reasons = dependences(plan);
    let reasons = match reasons.as_slice() {
        [] => return None,
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    Some(format!(
        "assumes independent failures; this scenario has {reasons}"
    ))
}

/// Everything in `plan` that makes the failures of hops depend on each other, or that calls
/// them in another way than one after the other.
fn dependences(plan: &Plan) -> Vec<String> {
    let phases = plan.phases();
    let any_fault = |wanted: fn(&faults::Fault) -> bool| {
        let mut faults = phases.iter().flat_map(|phase| &phase.faults);
        faults.any(|planned| wanted(&planned.fault))
    };
    let mut found = Vec::new();
    let mut note = |applies: bool, what: &str| {
        if applies {
            found.push(what.to_owned());
        }
    };
    note(any_fault(|fault| fault.shared.is_some()), "shared faults");
    note(any_fault(|fault| fault.when != When::Always), "outages");
    let differ = |pair: &[Phase]| pair[0].faults != pair[1].faults;
    note(
        phases.windows(2).any(differ),
        "phases with different faults",
    );
    note(plan.load().model != Model::Open, "a closed load");
    note(calls_in_parallel(plan), "parallel calls");
    for (applies, what) in POLICIES {
        note(phases.iter().any(|phase| applies(&phase.policy)), what);
    }
    found.extend(visited_twice(plan).map(|service| format!("two calls of {service}")));
    if found.is_empty() && plan.is_played() {
        found.push("replicas or limits that no formula covers".to_owned());
    }
    found
}

/// A kind of policy, and its name in a sentence.
type Dependence = (fn(&Policy) -> bool, &'static str);

/// Policies that let a failure at one hop change what happens at another, or to later requests.
const POLICIES: [Dependence; 8] = [
    (|policy| policy.deadline.is_some(), "a deadline"),
    (retries_from_below, "retries of failures further down"),
    (has_retry_budget, "a retry budget"),
    (|policy| policy.breaker.is_some(), "a circuit breaker"),
    (|policy| policy.hedge.is_some(), "hedging"),
    (|policy| policy.bulkhead.is_some(), "a bulkhead"),
    (|policy| policy.shed.is_some(), "load shedding"),
    (|policy| policy.cache.is_some(), "a cache"),
];

/// Policies of a caller that decide by what they have seen of a service which attempts are made.
const SELECTIONS: [Dependence; 3] = [
    (|policy| policy.breaker.is_some(), "circuit breakers"),
    (|policy| policy.cache.is_some(), "caches"),
    (|policy| policy.hedge.is_some(), "hedges"),
];

/// Why the availability of a hop's own work holds only for the attempts that were made; none if
/// all were.
///
/// A breaker lets calls through while the callee is well, a cache asks again for what failed, and
/// a hedge drops the attempts that are slow. What is left is no fair sample.
pub fn own_caveat(plan: &Plan) -> Option<String> {
    let phases = plan.phases();
    let chosen = SELECTIONS.iter().filter(|(applies, _)| {
        let mut policies = phases.iter().map(|phase| &phase.policy);
        policies.any(applies)
    });
    let chosen: Vec<_> = chosen.map(|(_, what)| *what).collect();
    (!chosen.is_empty()).then(|| {
        format!(
            "own: of the attempts that were made; {} choose which, so it is not the \
             availability of all that might be made",
            chosen.join(" and ")
        )
    })
}

fn retries_from_below(policy: &Policy) -> bool {
    let retry = policy.retry.map(|retry| *retry.settings());
    retry.is_some_and(|retry| retry.propagated)
}

fn has_retry_budget(policy: &Policy) -> bool {
    let retry = policy.retry.map(|retry| *retry.settings());
    retry.is_some_and(|retry| retry.budget.is_some())
}

fn calls_in_parallel(plan: &Plan) -> bool {
    let services = plan.topology().services();
    let mut relays = services
        .iter()
        .filter_map(|name| plan.topology().relay(name));
    relays.any(|relay| relay.order == Order::Parallel && relay.calls.len() > 1)
}

/// The services that one request calls more than once, by name.
fn visited_twice(plan: &Plan) -> impl Iterator<Item = scenario::Name> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for visit in plan.topology().visits() {
        if !seen.insert(visit.service.clone()) {
            twice.insert(visit.service);
        }
    }
    twice.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caveat(text: &str) -> Option<String> {
        let head = "version = 1\ntitle = \"t\"\n[load]\nrate = 10\nrequests = 100\n";
        let plan = scenario::parse("t.toml", &format!("{head}{text}"));
        gain_caveat(&plan.unwrap_or_else(|errors| panic!("{errors}")))
    }

    const SERIES: &str = "[service.a]\ncalls = [\"b\", \"c\"]\n[service.b]\n[service.c]\n";
    const ERROR: &str = "[faults.e]\nkind = \"error\"\nprobability = 0.1\n";

    #[test]
    fn independent_failures_in_series_need_no_caveat() {
        let text = format!("{SERIES}{ERROR}on = [\"b\"]\n");
        assert_eq!(caveat(&text), None);
    }

    #[test]
    fn own_availability_says_where_policies_choose_the_attempts() {
        let of = |policy: &str| {
            let head = "title = \"t\"\n[load]\nrate = 10\nrequests = 100\n";
            let plan = scenario::parse("t.toml", &format!("{head}{SERIES}{policy}"));
            own_caveat(&plan.unwrap_or_else(|errors| panic!("{errors}")))
        };
        assert_eq!(of("[policy]\ndeadline = \"1s\"\n"), None);
        let caveat = of("[policy.breaker]\nconsecutive = 5\n").unwrap();
        assert!(
            caveat.starts_with("own: of the attempts that were made; circuit breakers choose"),
            "{caveat}"
        );
    }

    #[test]
    fn where_hops_have_no_order_or_fall_together_no_gain_is_estimated() {
        let head = "version = 1\ntitle = \"t\"\n[load]\nrate = 10\nrequests = 100\n";
        let reason = |text: &str| {
            let plan = scenario::parse("t.toml", &format!("{head}{text}"));
            why_no_gain(&plan.unwrap_or_else(|errors| panic!("{errors}")))
        };
        assert_eq!(reason(&format!("{SERIES}{ERROR}on = [\"b\"]\n")), None);
        let shared = |on: &str| {
            format!("{SERIES}{ERROR}on = [{on}]\nscope = \"request\"\nshared = \"zone\"\n")
        };
        assert_eq!(reason(&shared("\"b\"")), None);
        let twice = "[service.a]\ncalls = [\"b\", \"b\"]\n[service.b]\n";
        let parallel = SERIES.replacen('\n', "\norder = \"parallel\"\n", 2);
        for (text, expected) in [
            (
                shared("\"b\", \"c\"").as_str(),
                "a fault that services share",
            ),
            (twice, "two calls of b"),
            (
                &parallel.replacen("order = \"parallel\"\n", "", 1),
                "parallel calls",
            ),
        ] {
            let reason = reason(text).unwrap_or_else(|| panic!("no reason: {expected}"));
            assert!(reason.ends_with(expected), "{reason}");
        }
    }

    #[test]
    fn a_gain_whose_assumption_does_not_hold_says_why() {
        let shared =
            format!("{SERIES}{ERROR}on = [\"b\", \"c\"]\nscope = \"request\"\nshared = \"zone\"\n");
        let parallel = "[service.a]\ncalls = [\"b\", \"c\"]\norder = \"parallel\"\n\
                        [service.b]\n[service.c]\n";
        let diamond = "[service.a]\ncalls = [\"b\", \"c\"]\n[service.b]\ncalls = [\"d\"]\n\
                       [service.c]\ncalls = [\"d\"]\n[service.d]\n";
        let deadline = format!("{SERIES}[policy]\ndeadline = \"1s\"\n");
        let outage = format!("{SERIES}{ERROR}on = [\"b\"]\nup = \"5s\"\ndown = \"1s\"\n");
        for (text, reason) in [
            (shared.as_str(), "shared faults"),
            (parallel, "parallel calls"),
            (diamond, "two calls of d"),
            (&deadline, "a deadline"),
            (&outage, "outages"),
        ] {
            let caveat = caveat(text).unwrap_or_else(|| panic!("no caveat for {reason}"));
            let expected = format!("assumes independent failures; this scenario has {reason}");
            assert_eq!(caveat, expected);
        }
    }
}
