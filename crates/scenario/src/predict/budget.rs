//! How many of the retries that callers want their budgets grant.
//!
//! One bucket per caller and callee. It is full at first; each call earns a part of a retry,
//! and so does time. What is wanted depends on what is granted further down, and how many
//! calls there are on what is granted further up, so both are found by iteration.
//!
//! What a phase leaves in a bucket, the next finds there. The mean is carried on as what is
//! likely; that it varies is told by a range, from a bucket that begins empty to one that
//! begins full.

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

/// How many retries a bucket holds at an instant: at least, to be expected, and at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    least: f64,
    likely: f64,
    most: f64,
}

impl Level {
    fn full(budget: &BudgetSettings) -> Self {
        let full = f64::from(budget.capacity);
        Self {
            least: full,
            likely: full,
            most: full,
        }
    }

    /// After a stretch that earns so much. One in which retries were made leaves anything,
    /// and `likely` is what it leaves on average.
    fn after(self, budget: &BudgetSettings, earned: f64, drawn: bool, likely: f64) -> Self {
        let full = f64::from(budget.capacity);
        if drawn {
            return Self {
                least: 0.0,
                likely: likely.clamp(0.0, full),
                most: full,
            };
        }
        let more = |level: f64| (level + earned).min(full);
        Self {
            least: more(self.least),
            likely: more(self.likely),
            most: more(self.most),
        }
    }
}

/// What the budgets of a chain do in one phase.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) grip: Grip,
    /// The shares granted if the buckets hold as little as they may at the start, and as
    /// much; none if that is one and the same.
    pub(super) range: Option<[Vec<Probability>; 2]>,
    /// What the buckets hold at the end, by the first visit that draws on each.
    pub(super) after: Vec<Level>,
}

/// Sets the shares granted, and says how good they are. `before` is what the buckets hold at
/// the start; nothing if they are full.
pub(super) fn settle(chain: &mut Chain<'_>, before: &[Level]) -> Settled {
    let budget = chain
        .policy()
        .retry
        .and_then(|retry| retry.settings().budget);
    let Some(budget) = budget else {
        return Settled {
            grip: Grip::None,
            range: None,
            after: Vec::new(),
        };
    };
    let full = Level::full(&budget);
    let visits = 0..chain.visits.len();
    let before: Vec<_> = visits
        .map(|place| before.get(place).copied().unwrap_or(full))
        .collect();
    let mut solve = |level: fn(&Level) -> f64| {
        let levels: Vec<_> = before.iter().map(level).collect();
        let (grip, ends) = solve(chain, &budget, &levels);
        (grip, ends, chain.granted.clone())
    };
    let is_known = before.iter().all(|level| level.least >= level.most);
    let range = (!is_known).then(|| [solve(|level| level.least).2, solve(|level| level.most).2]);
    let (grip, ends, _) = solve(|level| level.likely);
    let after = before.iter().zip(ends);
    Settled {
        grip,
        range,
        after: after
            .map(|(level, end)| level.after(&budget, end.earned, end.drawn, end.level))
            .collect(),
    }
}

/// What a phase makes of one bucket, in retries.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    drawn: bool,
    earned: f64,
    level: f64,
}

/// Sets the shares that buckets of such `levels` grant.
fn solve(chain: &mut Chain<'_>, budget: &BudgetSettings, levels: &[f64]) -> (Grip, Vec<End>) {
    let requests = chain.phase.expected_requests();
    let seconds = chain.phase.expected_duration().as_secs_f64();
    let buckets = buckets(chain);
    chain.granted.fill(Probability::ONE);
    let mut known: Vec<Option<(Through, Granted)>> = vec![None; buckets.len()];
    let mut exact = true;
    for _ in 0..ROUNDS {
        let through = through(chain, &chain.flows(), &buckets);
        let before = chain.granted.clone();
        exact = true;
        for (place, bucket) in buckets.iter().enumerate() {
            let same = known[*bucket].filter(|(known, _)| *known == through[*bucket]);
            let start = levels[*bucket];
            let granted = same.map_or_else(
                || granted(budget, start, &through[*bucket], requests, seconds),
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
    let end = |known: Option<(Through, Granted)>| known.map_or_else(End::default, |(_, g)| g.end);
    let ends = known.into_iter().map(end).collect();
    let free = |granted: &Probability| granted.complement().get() < 1e-9;
    if chain.granted.iter().all(free) {
        (Grip::None, ends)
    } else if exact {
        (Grip::Exact, ends)
    } else {
        (Grip::Approximate, ends)
    }
}

/// The share of wanted retries that a bucket grants, and whether it is exact.
#[derive(Debug, Clone, Copy)]
struct Granted {
    share: Probability,
    exact: bool,
    end: End,
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
fn granted(
    budget: &BudgetSettings,
    start: f64,
    through: &Through,
    requests: f64,
    seconds: f64,
) -> Granted {
    let calls = requests * through.calls;
    let income = budget.ratio * calls + budget.floor * seconds;
    if through.retries == 0 || calls <= 0.0 || through.retried <= 0.0 {
        let end = End {
            drawn: false,
            earned: income,
            level: start,
        };
        return Granted {
            share: Probability::ONE,
            exact: true,
            end,
        };
    }
    let failing = near(through.retried / through.attempts);
    let wanted = expected_attempts(failing, through.retries) - 1.0;
    let earned = budget.ratio + budget.floor * seconds / calls;
    let fluid = wanted.min(earned + start / calls);
    let followed = follow(budget, start, earned, calls, failing, through.retries);
    let made = followed.map_or(fluid, |(made, _)| made).min(wanted);
    let certain = failing == Probability::ONE;
    let single = (through.calls - 1.0).abs() < 1e-12;
    let exact = made >= wanted - 1e-12
        || (followed.is_some() && budget.floor == 0.0 && (certain || single));
    let left = start + income - made * calls;
    Granted {
        share: share(failing, through.retries, made),
        exact,
        end: End {
            drawn: true,
            earned: income,
            level: followed.map_or(left, |(_, level)| level),
        },
    }
}

/// Retries per call, and how many are left in the end, from the bucket followed call by
/// call, if it is small enough.
fn follow(
    budget: &BudgetSettings,
    start: f64,
    earned: f64,
    calls: f64,
    failing: Probability,
    retries: u32,
) -> Option<(f64, f64)> {
    let unit = thousandths(earned);
    let step = gcd(unit, TOKEN);
    let units = f64::from(TOKEN / step);
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
    let start = whole(start * units);
    let (forecast, left) = bucket.run(start, whole(calls), failing, retries, Deposit::Request)?;
    Some((forecast.attempts_per_call - 1.0, left / units))
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
