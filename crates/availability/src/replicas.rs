//! Retries on replicas, some of which are down for the whole request.
//!
//! A replica that is down fails every attempt on it, whoever retries; one that is up fails
//! an attempt only now and then. What a retry is worth therefore depends on where it goes.
//! Given how many replicas are down at every hop, attempts are independent again, so a
//! chain is computed for each of these cases and averaged (exact while no replica changes
//! its state during a request). To put the average into the formula of one call instead
//! would promise too much, since success is concave in it.

use crate::probability::{Probability, nearest};
use serde::{Deserialize, Serialize};

/// Which replica a retry goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The same as before.
    Same,
    /// Any of them, also the same.
    Random,
    /// Another, in random order, until all have had their turn.
    Distinct,
}

/// A hop whose callers retry on its replicas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicatedHop {
    /// The probability that a replica is down for the whole request.
    pub down: Probability,
    /// The probability that an attempt on a replica that is up fails by its own doing.
    pub transient: Probability,
    /// How many replicas it has; none: every attempt fails.
    pub replicas: u32,
    /// How often a call to it is tried again at most.
    pub retries: u32,
}

/// What is expected of a chain of such hops.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaForecast {
    /// The success of the client's call.
    pub call: Probability,
    /// Expected attempts at each hop, for each request of the client.
    pub attempts: Vec<f64>,
}

/// The cases beyond which a chain is too large to enumerate.
const MOST_CASES: u64 = 1_000_000;

/// A chain in which each hop calls the next, and every caller retries all failures on the
/// replicas that `choice` says. None for chains with more than a million cases of replicas
/// down.
pub fn forecast(chain: &[ReplicatedHop], choice: Choice) -> Option<ReplicaForecast> {
    let cases = chain.iter().try_fold(1_u64, |cases, hop| {
        cases.checked_mul(u64::from(hop.replicas) + 1)
    })?;
    if cases > MOST_CASES {
        return None;
    }
    let mut sum = ReplicaForecast {
        call: Probability::ZERO,
        attempts: vec![0.0; chain.len()],
    };
    let mut success = 0.0;
    for case in 0..cases {
        let (weight, down) = nth_case(chain, case);
        let (call, attempts) = given(chain, &down, choice);
        success += weight * call;
        let both = sum.attempts.iter_mut().zip(attempts);
        both.for_each(|(sum, attempts)| *sum += weight * attempts);
    }
    sum.call = nearest(success);
    Some(sum)
}

/// The probability of a case, and how many replicas are down at each hop in it.
fn nth_case(chain: &[ReplicatedHop], mut case: u64) -> (f64, Vec<u32>) {
    let mut weight = 1.0;
    let mut down = Vec::with_capacity(chain.len());
    for hop in chain {
        let digits = u64::from(hop.replicas) + 1;
        let here = u32::try_from(case % digits).unwrap_or(0);
        case /= digits;
        weight *= binomial(hop.replicas, here, hop.down.get());
        down.push(here);
    }
    (weight, down)
}

/// Success and attempts at each hop, given how many replicas are down.
fn given(chain: &[ReplicatedHop], down: &[u32], choice: Choice) -> (f64, Vec<f64>) {
    let mut below = 1.0;
    let mut calls = Vec::with_capacity(chain.len());
    for (hop, down) in chain.iter().zip(down).rev() {
        let call = Call {
            hop: *hop,
            down: *down,
            failure: 1.0 - hop.transient.complement().get() * below,
            choice,
        };
        below = 1.0 - call.all_fail(hop.retries.saturating_add(1));
        calls.push(call);
    }
    let mut reach = 1.0;
    let attempts = calls.iter().rev().map(|call| {
        let attempts = reach * call.attempts();
        reach *= call.attempts_on_the_living() * call.hop.transient.complement().get();
        attempts
    });
    (below, attempts.collect())
}

/// One call on replicas of which some are down.
#[derive(Debug)]
struct Call {
    hop: ReplicatedHop,
    down: u32,
    /// The probability that an attempt on a replica that is up fails.
    failure: f64,
    choice: Choice,
}

impl Call {
    fn share_down(&self) -> f64 {
        if self.hop.replicas == 0 {
            return 1.0;
        }
        f64::from(self.down) / f64::from(self.hop.replicas)
    }

    /// The probability that so many attempts all fail.
    fn all_fail(&self, attempts: u32) -> f64 {
        let (down, up) = (self.share_down(), 1.0 - self.share_down());
        match self.choice {
            _ if attempts == 0 => 1.0,
            _ if self.hop.replicas == 0 => 1.0,
            Choice::Same => down + up * pow(self.failure, attempts),
            Choice::Random => pow(down + up * self.failure, attempts),
            Choice::Distinct => self.distinct(attempts, |_| 1.0),
        }
    }

    /// The same for distinct replicas, each case weighed by `weight` of how many of the last
    /// round's attempts met a replica that is down.
    fn distinct(&self, attempts: u32, weight: impl Fn(u32) -> f64) -> f64 {
        let Call {
            hop, down, failure, ..
        } = self;
        let (rounds, rest) = (attempts / hop.replicas, attempts % hop.replicas);
        let whole = f64::from(rounds) * f64::from(hop.replicas - down);
        let met = |met: u32| {
            hypergeometric(hop.replicas, *down, rest, met) * pow(*failure, rest - met) * weight(met)
        };
        // Zero to the power of zero is one: no attempt met a replica that is up.
        failure.powf(whole) * (0..=rest).map(met).sum::<f64>()
    }

    fn attempts(&self) -> f64 {
        (0..=self.hop.retries)
            .map(|before| self.all_fail(before))
            .sum()
    }

    /// Expected attempts that meet a replica that is up.
    fn attempts_on_the_living(&self) -> f64 {
        let up = 1.0 - self.share_down();
        let attempt = |before: u32| match self.choice {
            _ if self.hop.replicas == 0 => 0.0,
            Choice::Same => up * pow(self.failure, before),
            Choice::Random => up * self.all_fail(before),
            Choice::Distinct => {
                let tried = before % self.hop.replicas;
                let living = f64::from(self.hop.replicas - self.down);
                let left = f64::from(self.hop.replicas - tried);
                self.distinct(before, |met| {
                    let living_left = living - f64::from(tried - met);
                    (living_left / left).max(0.0)
                })
            }
        };
        (0..=self.hop.retries).map(attempt).sum()
    }
}

fn pow(base: f64, exponent: u32) -> f64 {
    base.powf(f64::from(exponent))
}

/// n over k; 0 if k is more than n.
fn choose(n: u32, k: u32) -> f64 {
    if k > n {
        return 0.0;
    }
    (0..k).fold(1.0, |product, i| {
        product * f64::from(n - i) / f64::from(i + 1)
    })
}

/// The probabilities that none, one, … and all of `replicas` are down, each with probability
/// `down` and by itself.
pub fn how_many_down(replicas: u32, down: Probability) -> Vec<f64> {
    let law = |number| binomial(replicas, number, down.get());
    (0..=replicas).map(law).collect()
}

/// k of n, each with probability p.
fn binomial(n: u32, k: u32, p: f64) -> f64 {
    choose(n, k) * pow(p, k) * pow(1.0 - p, n - k)
}

/// k marked ones among `drawn` of `all`, of which `marked` are.
fn hypergeometric(all: u32, marked: u32, drawn: u32, k: u32) -> f64 {
    choose(marked, k) * choose(all - marked, drawn - k) / choose(all, drawn)
}
