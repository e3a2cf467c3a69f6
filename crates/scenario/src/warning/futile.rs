//! Settings that can never work, because of another setting.

use super::words;
use crate::{plan::Phase, topology::Visit};
use resilience::{
    circuit_breaker::{BreakerPolicy, BreakerSettings},
    retry::{BudgetSettings, PRICE_OF_OVERLOAD},
};
use serde::Serialize;
use std::fmt;

/// A setting that can never work, because of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Futile {
    /// Always P1.
    pub code: super::Code,
    /// The key of the setting.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// The key of the other setting, or what it is made of.
    pub other: &'static str,
    /// Its value.
    pub other_value: String,
    /// What follows from it, in plain words.
    pub consequence: &'static str,
}

impl fmt::Display for Futile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            key,
            value,
            other,
            other_value,
            consequence,
        } = self;
        write!(
            f,
            "{code} {key} = {value}, but {other} = {other_value}: {consequence}"
        )
    }
}

/// One side of the comparison: a key, and its value in words.
type Setting = (&'static str, String);

fn futile(setting: Setting, other: Setting, consequence: &'static str) -> Futile {
    Futile {
        code: super::Code::P1,
        key: setting.0,
        value: setting.1,
        other: other.0,
        other_value: other.1,
        consequence,
    }
}

/// Every setting of the phase's policy that can never work.
pub(super) fn settings(phase: &Phase, visits: &[Visit]) -> Vec<Futile> {
    let policy = &phase.policy;
    let breaker = policy.breaker.as_ref().map(BreakerPolicy::settings);
    let budget = policy.retry.and_then(|retry| retry.settings().budget);
    let of_breaker = breaker.into_iter().flat_map(|breaker| {
        [
            unseen(phase, breaker),
            lost_probes(phase, breaker),
            never_slow(phase, breaker),
            too_few(phase, visits, breaker),
        ]
    });
    let of_budget = budget
        .into_iter()
        .flat_map(|budget| [earns_nothing(&budget), too_small(&budget)]);
    of_breaker.chain(of_budget).flatten().collect()
}

/// Hangs that are given up too soon to count.
fn unseen(phase: &Phase, breaker: &BreakerSettings) -> Option<Futile> {
    let patience = (super::PATIENCE, phase.load.patience);
    let deadline = phase.policy.deadline.map(|time| (super::DEADLINE, time));
    let first = deadline
        .filter(|deadline| deadline.1 <= patience.1)
        .unwrap_or(patience);
    let is_blind = phase.policy.attempt_timeout.is_none() && first.1 <= breaker.cancelled_after;
    is_blind.then(|| {
        futile(
            (
                "policy.breaker.cancelled_after",
                words(breaker.cancelled_after),
            ),
            (first.0, words(first.1)),
            "a call that hangs is given up before it is old enough to have failed, so the \
             breaker never sees a hang; set policy.attempt_timeout",
        )
    })
}

/// Probes that are given up before they can time out.
fn lost_probes(phase: &Phase, breaker: &BreakerSettings) -> Option<Futile> {
    let timeout = phase.policy.attempt_timeout?;
    (breaker.lease < timeout).then(|| {
        futile(
            ("policy.breaker.lease", words(breaker.lease)),
            (super::ATTEMPT_TIMEOUT, words(timeout)),
            "a probe that takes longer than its lease is given up as lost, even if it would \
             still succeed",
        )
    })
}

/// Calls that time out before they are slow.
fn never_slow(phase: &Phase, breaker: &BreakerSettings) -> Option<Futile> {
    let (slow, timeout) = (breaker.slow_call?, phase.policy.attempt_timeout?);
    (slow >= timeout).then(|| {
        futile(
            ("policy.breaker.slow_call", words(slow)),
            (super::ATTEMPT_TIMEOUT, words(timeout)),
            "no call can be slow and succeed: it is cut off before",
        )
    })
}

/// A window that never holds enough calls for its shares to count.
fn too_few(phase: &Phase, visits: &[Visit], breaker: &BreakerSettings) -> Option<Futile> {
    let policy = &phase.policy;
    let retries = policy.retry.map_or(0, |retry| retry.settings().retries);
    // As many as there may be, if every layer above tries everything again.
    let depth = visits.iter().map(|visit| visit.depth).max().unwrap_or(0);
    let layers = depth + usize::from(policy.client_retries);
    let layers = i32::try_from(layers).unwrap_or(i32::MAX);
    let attempts = (f64::from(retries) + 1.0).powi(layers);
    let window = breaker.window.as_secs_f64();
    let expected = phase.load.rate * attempts * window;
    let shares_only = breaker.consecutive.is_none();
    (shares_only && expected < f64::from(breaker.min_calls)).then(|| {
        futile(
            ("policy.breaker.min_calls", breaker.min_calls.to_string()),
            ("the calls in policy.breaker.window", calls(expected)),
            "there are hardly ever so many calls in the window, so its shares never count and \
             the breaker does not open",
        )
    })
}

fn calls(expected: f64) -> String {
    format!("{expected:.1}")
}

/// Deposits that round to nothing.
fn earns_nothing(budget: &BudgetSettings) -> Option<Futile> {
    let is_nothing = budget.ratio > 0.0 && (budget.ratio * 1_000.0).round() < 1.0;
    is_nothing.then(|| {
        futile(
            ("policy.retry.budget.ratio", budget.ratio.to_string()),
            ("the unit that a budget counts in", "0.001".to_owned()),
            "it rounds to 0, so calls earn no retries",
        )
    })
}

/// A capacity below the price of a retry.
fn too_small(budget: &BudgetSettings) -> Option<Futile> {
    (budget.capacity < PRICE_OF_OVERLOAD).then(|| {
        futile(
            ("policy.retry.budget.capacity", budget.capacity.to_string()),
            (
                "the price of a retry after a refusal by a busy callee",
                PRICE_OF_OVERLOAD.to_string(),
            ),
            "the budget never pays for such a retry; expected a capacity of 2 or more",
        )
    })
}
