//! How much load retries may add.
//!
//! A token bucket: each call puts a part of a token in, each retry takes a whole one out,
//! and it holds at most so many (Finagle's retry budgets; Google SRE book, chapter 21).
//! Attempts are taken to fail independently. By Wald's identity every policy then succeeds
//! with (1 − p) × attempts per call, so all that a budget changes is how many attempts
//! there are. With demand D = p + … + pᵐ and a deposit of b per call that is
//!
//! - in the long run and for a large bucket, 1 + min(D, b) ([`fluid`]);
//! - exactly, the mean over the levels of the bucket, a Markov chain ([`TokenBucket::forecast`]);
//! - in a run of so many calls that begins with a full bucket, the same chain followed call
//!   by call ([`TokenBucket::over`]).

use crate::{
    linear::stationary,
    probability::{Probability, nearest},
    retry::expected_attempts,
};
use serde::{Deserialize, Serialize};

/// What is expected of a call whose retries have a budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetForecast {
    /// The success of a call.
    pub call: Probability,
    /// Expected attempts per call.
    pub attempts_per_call: f64,
}

impl BudgetForecast {
    fn new(failure: Probability, attempts_per_call: f64) -> Self {
        Self {
            call: nearest(failure.complement().get() * attempts_per_call),
            attempts_per_call,
        }
    }
}

/// What puts tokens into the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deposit {
    /// Each call, when it is sent.
    Request,
    /// Each attempt that succeeds (the AWS SDKs; Brooker 2022, *Fixing retries with token
    /// buckets and circuit breakers*): an outage earns nothing.
    Success,
}

/// The long run of a large bucket: retries are as many as are wanted, or as many as are
/// earned. `ratio` is what one deposit earns, in retries.
///
/// With a deposit per success, b(1 − p)/(1 − b(1 − p)) are earned per call if all are spent.
pub fn fluid(failure: Probability, retries: u32, ratio: f64, deposit: Deposit) -> BudgetForecast {
    let demand = expected_attempts(failure, retries) - 1.0;
    let earned = match deposit {
        Deposit::Request => ratio,
        Deposit::Success => {
            let per_attempt = ratio * failure.complement().get();
            if per_attempt < 1.0 {
                per_attempt / (1.0 - per_attempt)
            } else {
                f64::INFINITY
            }
        }
    };
    BudgetForecast::new(failure, 1.0 + earned.max(0.0).min(demand))
}

/// The most attempts at the deepest of so many `layers`, each of whose callers may add the
/// share `ratio`: (1 + b)ⁿ, where retries without a budget make (1 + m)ⁿ.
pub fn worst_amplification(ratio: f64, layers: u32) -> f64 {
    (1.0 + ratio.max(0.0)).powf(f64::from(layers))
}

/// A bucket of tokens, counted in units small enough for whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// What a deposit puts in, in units.
    pub deposit: u32,
    /// What a retry takes out, in units.
    pub price: u32,
    /// The most it holds, in units, which is also what it holds at first.
    pub capacity: u32,
}

/// Levels beyond which the chain takes too long to solve or to follow.
const MOST_LEVELS: u32 = 4_000;
const MOST_STEPS: f64 = 1e8;

impl TokenBucket {
    /// The long run: the chain of levels at which calls begin, solved exactly. None if the
    /// bucket has more than 4000 levels: for one so large use [`fluid`].
    pub fn forecast(
        &self,
        failure: Probability,
        retries: u32,
        deposit: Deposit,
    ) -> Option<BudgetForecast> {
        let p = failure.get();
        if self.capacity > MOST_LEVELS {
            return None;
        }
        let extreme = failure == Probability::ZERO || failure == Probability::ONE;
        if extreme || self.deposit == 0 {
            return Some(BudgetForecast::new(
                failure,
                self.extreme(failure, retries, deposit),
            ));
        }
        let mut chain = vec![vec![0.0; self.levels()]; self.levels()];
        let mut attempts = Vec::with_capacity(self.levels());
        for (level, row) in (0..).zip(&mut chain) {
            let mut go = |to: u32, share: f64| row[to as usize] += share;
            attempts.push(self.call(level, p, retries, deposit, &mut go));
        }
        let shares = stationary(chain);
        let each = shares.iter().zip(attempts);
        let mean = each.map(|(share, attempts)| share * attempts).sum();
        Some(BudgetForecast::new(failure, mean))
    }

    /// The mean of a run of `calls` that begins with a full bucket. None if it would take
    /// more than a hundred million steps: for a run so long use [`fluid`].
    pub fn over(
        &self,
        calls: u32,
        failure: Probability,
        retries: u32,
        deposit: Deposit,
    ) -> Option<BudgetForecast> {
        let run = self.run(self.capacity, calls, failure, retries, deposit);
        run.map(|(forecast, _)| forecast)
    }

    /// The same from another `level` on, and the mean level that the run ends with.
    pub fn run(
        &self,
        level: u32,
        calls: u32,
        failure: Probability,
        retries: u32,
        deposit: Deposit,
    ) -> Option<(BudgetForecast, f64)> {
        let steps = f64::from(calls) * f64::from(self.capacity) * (f64::from(retries) + 1.0);
        if steps > MOST_STEPS {
            return None;
        }
        let p = failure.get();
        let mut shares = vec![0.0; self.levels()];
        shares[level.min(self.capacity) as usize] = 1.0;
        let mut attempts = 0.0;
        for _ in 0..calls {
            let mut next = vec![0.0; self.levels()];
            for (level, share) in (0..).zip(&shares).filter(|(_, share)| **share > 0.0) {
                let mut go = |to: u32, part: f64| next[to as usize] += share * part;
                attempts += share * self.call(level, p, retries, deposit, &mut go);
            }
            shares = next;
        }
        let per_call = if calls == 0 {
            1.0
        } else {
            attempts / f64::from(calls)
        };
        let left = (0_u32..).zip(&shares);
        let left = left.map(|(level, share)| f64::from(level) * share).sum();
        Some((BudgetForecast::new(failure, per_call), left))
    }

    const fn levels(&self) -> usize {
        self.capacity as usize + 1
    }

    /// One call that begins at `level`: tells `go` where it leaves the bucket with which
    /// probability, and returns the expected attempts.
    fn call(
        &self,
        level: u32,
        p: f64,
        retries: u32,
        deposit: Deposit,
        go: &mut impl FnMut(u32, f64),
    ) -> f64 {
        let earn = |level: u32| level.saturating_add(self.deposit).min(self.capacity);
        let mut level = match deposit {
            Deposit::Request => earn(level),
            Deposit::Success => level,
        };
        let (mut begun, mut attempts, mut left) = (1.0, 0.0, retries);
        loop {
            attempts += begun;
            let after_success = match deposit {
                Deposit::Request => level,
                Deposit::Success => earn(level),
            };
            go(after_success, begun * (1.0 - p));
            begun *= p;
            let affordable = level.checked_sub(self.price);
            let Some((fewer, rest)) = left.checked_sub(1).zip(affordable) else {
                go(level, begun);
                return attempts;
            };
            (left, level) = (fewer, rest);
        }
    }

    /// Attempts per call in the long run, where the chain has no single answer or a plain one.
    fn extreme(&self, failure: Probability, retries: u32, deposit: Deposit) -> f64 {
        let ratio = f64::from(self.deposit) / f64::from(self.price);
        match deposit {
            Deposit::Request if failure == Probability::ONE => 1.0 + ratio.min(f64::from(retries)),
            // Nothing fails, or nothing is ever earned again.
            _ => 1.0,
        }
    }
}
