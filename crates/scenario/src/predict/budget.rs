//! How many of the retries that callers want their budgets grant.
//!
//! One bucket per caller and callee. It is full at first; each call earns a part of a retry,
//! and so does time. What is wanted depends on what is granted further down, and how many
//! calls there are on what is granted further up, so both are found by iteration.

use super::chain::{Chain, Flow, near};
use crate::topology::Name;
use availability::{
    Probability,
    budget::{Deposit, TokenBucket},
    retry::expected_attempts,
};
use resilience::retry::BudgetSettings;
use std::collections::BTreeMap;

const ROUNDS: usize = 60;
/// Up to here a bucket is followed call by call; beyond, its mean flow is taken.
const MOST_STEPS: f64 = 2e6;
/// The unit of the buckets: a thousandth of a retry.
const TOKEN: u32 = 1000;

/// What the budgets of a chain do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grip {
    /// Everything that is wanted is granted.
    None,
    /// Some retries are not made, and how many follows exactly.
    Exact,
    /// Some retries are not made, and their number is that of the mean flow.
    Approximate,
}

/// Sets the shares granted, and says how good they are.
pub(super) fn settle(chain: &mut Chain<'_>) -> Grip {
    let budget = chain
        .policy()
        .retry
        .and_then(|retry| retry.settings().budget);
    let Some(budget) = budget else {
        return Grip::None;
    };
    let requests = chain.phase.expected_requests();
    let seconds = chain.phase.expected_duration().as_secs_f64();
    let buckets = buckets(chain);
    let mut known: Vec<Option<(Through, Granted)>> = vec![None; buckets.len()];
    let mut exact = true;
    for _ in 0..ROUNDS {
        let through = through(chain, &chain.flows(), &buckets);
        let before = chain.granted.clone();
        exact = true;
        for (place, bucket) in buckets.iter().enumerate() {
            let same = known[*bucket].filter(|(known, _)| *known == through[*bucket]);
            let granted = same.map_or_else(
                || granted(&budget, &through[*bucket], requests, seconds),
                |(_, granted)| granted,
            );
            known[*bucket] = Some((through[*bucket], granted));
            exact &= granted.exact;
            chain.granted[place] = granted.share;
        }
        let pairs = before.iter().zip(&chain.granted);
        if pairs
            .into_iter()
            .all(|(before, now)| (before.get() - now.get()).abs() < 1e-12)
        {
            break;
        }
    }
    let free = |granted: &Probability| granted.complement().get() < 1e-9;
    if chain.granted.iter().all(free) {
        Grip::None
    } else if exact {
        Grip::Exact
    } else {
        Grip::Approximate
    }
}

/// The share of wanted retries that a bucket grants, and whether it is exact.
#[derive(Debug, Clone, Copy)]
struct Granted {
    share: Probability,
    exact: bool,
}

/// What goes through one bucket, for each request.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Through {
    calls: f64,
    attempts: f64,
    retried: f64,
    retries: u32,
}

/// For each visit, the first one with the same caller and callee: all calls of the same
/// caller to the same callee share a bucket.
fn buckets(chain: &Chain<'_>) -> Vec<usize> {
    let mut first = BTreeMap::new();
    let mut path: Vec<&Name> = Vec::new();
    let mut buckets = Vec::with_capacity(chain.visits.len());
    for (place, visit) in chain.visits.iter().enumerate() {
        path.truncate(visit.depth);
        // The client has no caller, and there is but one call by it.
        let edge = (path.last().copied(), &visit.service);
        buckets.push(*first.entry(edge).or_insert(place));
        path.push(&visit.service);
    }
    buckets
}

/// What goes through the bucket of each visit that is the first of its bucket.
fn through(chain: &Chain<'_>, flows: &[Flow], buckets: &[usize]) -> Vec<Through> {
    let mut through: Vec<_> = (0..flows.len())
        .map(|place| Through {
            calls: 0.0,
            attempts: 0.0,
            retried: 0.0,
            retries: chain.retries(place),
        })
        .collect();
    for (flow, bucket) in flows.iter().zip(buckets) {
        through[*bucket].calls += flow.calls;
        through[*bucket].attempts += flow.attempts;
        through[*bucket].retried += flow.retried;
    }
    through
}

/// What one bucket grants in a phase of so many requests and seconds.
fn granted(budget: &BudgetSettings, through: &Through, requests: f64, seconds: f64) -> Granted {
    let calls = requests * through.calls;
    if through.retries == 0 || calls <= 0.0 || through.retried <= 0.0 {
        return Granted {
            share: Probability::ONE,
            exact: true,
        };
    }
    let failing = near(through.retried / through.attempts);
    let wanted = expected_attempts(failing, through.retries) - 1.0;
    let earned = budget.ratio + budget.floor * seconds / calls;
    let fluid = wanted.min(earned + f64::from(budget.capacity) / calls);
    let followed = follow(budget, earned, calls, failing, through.retries);
    let made = followed.unwrap_or(fluid).min(wanted);
    let certain = failing == Probability::ONE;
    let single = (through.calls - 1.0).abs() < 1e-12;
    let exact = made >= wanted - 1e-12
        || (followed.is_some() && budget.floor == 0.0 && (certain || single));
    Granted {
        share: share(failing, through.retries, made),
        exact,
    }
}

/// Retries per call, from the bucket followed call by call, if it is small enough.
fn follow(
    budget: &BudgetSettings,
    earned: f64,
    calls: f64,
    failing: Probability,
    retries: u32,
) -> Option<f64> {
    let unit = thousandths(earned);
    let step = gcd(unit, TOKEN);
    let capacity = u64::from(budget.capacity) * u64::from(TOKEN / step);
    let bucket = TokenBucket {
        deposit: unit / step,
        price: TOKEN / step,
        capacity: u32::try_from(capacity).ok()?,
    };
    let steps = calls * f64::from(bucket.capacity) * (f64::from(retries) + 1.0);
    if steps > MOST_STEPS {
        return None;
    }
    let forecast = bucket.over(whole(calls), failing, retries, Deposit::Request)?;
    Some(forecast.attempts_per_call - 1.0)
}

/// The share γ for which γp + … + (γp)ᵐ is the number of retries made: by bisection.
fn share(failing: Probability, retries: u32, made: f64) -> Probability {
    let retries_at = |share: f64| expected_attempts(near(share * failing.get()), retries) - 1.0;
    if made >= retries_at(1.0) {
        return Probability::ONE;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if retries_at(middle) < made {
            low = middle;
        } else {
            high = middle;
        }
    }
    near(f64::midpoint(low, high))
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn thousandths(tokens: f64) -> u32 {
    whole(tokens * f64::from(TOKEN))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
fn whole(number: f64) -> u32 {
    number.round() as u32
}
