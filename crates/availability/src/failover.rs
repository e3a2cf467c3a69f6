//! Replicas of which one serves while others stand by, and replicas that all serve.
//!
//! Either way somebody must notice that a replica is down. An active-passive pair loses every
//! request until then, and on until the standby serves; replicas that are all active lose
//! their share of requests until then, and need no taking over. Sources: Bouricius, Carter,
//! Schneider 1969 (coverage); Birolini, *Reliability Engineering*, chapter 6 (imperfect
//! switching).

use crate::{
    dependency::Dependency,
    linear,
    probability::{Probability, nearest},
};
use std::time::Duration;

/// Heartbeats: how soon they notice that a replica is down, and how often they are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    every: Duration,
    misses: u32,
    timeout: Duration,
}

impl Detection {
    /// One heartbeat each period; so many misses in a row are down. A miss is known after
    /// `timeout`: zero if failures are told at once.
    pub const fn new(every: Duration, misses: u32, timeout: Duration) -> Self {
        Self {
            every,
            misses,
            timeout,
        }
    }

    /// The least time until it is noticed, for what goes down right before a heartbeat.
    pub const fn least(&self) -> Duration {
        let periods = self.every.saturating_mul(self.misses.saturating_sub(1));
        periods.saturating_add(self.timeout)
    }

    /// The most, for what goes down right after one.
    pub const fn most(&self) -> Duration {
        self.every
            .saturating_mul(self.misses)
            .saturating_add(self.timeout)
    }

    /// The mean, for what goes down at any time: (n − ½) periods and a time-out.
    pub fn mean(&self) -> Duration {
        self.least().saturating_add(self.every / 2)
    }

    /// After how many heartbeats on average a replica that is up is taken to be down, if each
    /// heartbeat is lost with this probability: (q⁻ⁿ − 1)/(1 − q). None if none is lost.
    pub fn heartbeats_to_false_alarm(&self, lost: Probability) -> Option<f64> {
        let lost = lost.get();
        if lost <= 0.0 {
            return None;
        }
        if lost >= 1.0 {
            return Some(f64::from(self.misses));
        }
        Some((lost.powf(-f64::from(self.misses)) - 1.0) / (1.0 - lost))
    }
}

/// An active replica and a standby.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standby {
    /// How each goes down and comes back, while it serves.
    pub unit: Dependency,
    /// How long it takes to notice that the active one is down.
    pub detection: Duration,
    /// How long the standby needs then until it serves: long if it is cold, not at all if it
    /// is hot.
    pub takeover: Duration,
    /// How often the standby goes down, compared with the active one: 0 if it is switched
    /// off, 1 if it runs as the active one does.
    pub failing: f64,
    /// The probability that a take-over works.
    pub coverage: Probability,
    /// The mean length of an outage in which it did not.
    pub uncovered: Duration,
}

/// The share of time in which the pair serves, exactly: a semi-Markov process, in which only
/// the time of failing over is fixed and all others are exponential.
pub fn active_passive(pair: &Standby) -> Probability {
    let (fails, repairs) = (1.0 / pair.unit.mttf_s(), 1.0 / pair.unit.mttr_s());
    let standby_fails = pair.failing.max(0.0) * fails;
    let (works, sticks) = (pair.coverage.get(), pair.coverage.complement().get());
    // While it fails over, the standby may go down, and the old one may come back first.
    let either = standby_fails + repairs;
    let done = (-either * failing_over(pair).as_secs_f64()).exp();
    let first = fails + standby_fails;
    let leaves_one = repairs + fails;
    let next = vec![
        // From failing over, one serving, both down, stuck, both up; to the same.
        vec![
            0.0,
            done,
            (1.0 - done) * standby_fails / either,
            0.0,
            (1.0 - done) * repairs / either,
        ],
        vec![0.0, 0.0, fails / leaves_one, 0.0, repairs / leaves_one],
        vec![0.0, 1.0, 0.0, 0.0, 0.0],
        vec![0.0, 0.0, 0.0, 0.0, 1.0],
        vec![
            fails * works / first,
            standby_fails / first,
            0.0,
            fails * sticks / first,
            0.0,
        ],
    ];
    let lasts = [
        (1.0 - done) / either,
        1.0 / leaves_one,
        1.0 / (2.0 * repairs),
        pair.uncovered.as_secs_f64(),
        1.0 / first,
    ];
    let visits = linear::stationary(next);
    let times: Vec<f64> = visits
        .iter()
        .zip(lasts)
        .map(|(visit, time)| visit * time)
        .collect();
    let all: f64 = times.iter().sum();
    nearest((times[1] + times[4]) / all)
}

/// The same to first order: 1 − A ≈ λ·(c·δ + (1 − c)·MTTR) + λ·(λ + λₛ)/(2μ²). It shows what
/// matters: outages times the time to fail over, and outages of the other one meanwhile.
pub fn active_passive_roughly(pair: &Standby) -> Probability {
    let (fails, repairs) = (1.0 / pair.unit.mttf_s(), 1.0 / pair.unit.mttr_s());
    let standby_fails = pair.failing.max(0.0) * fails;
    let switched = pair.coverage.get() * failing_over(pair).as_secs_f64();
    let stuck = pair.coverage.complement().get() * pair.uncovered.as_secs_f64();
    let both = fails * (fails + standby_fails) / (2.0 * repairs * repairs);
    nearest(1.0 - fails * (switched + stuck) - both)
}

const fn failing_over(pair: &Standby) -> Duration {
    pair.detection.saturating_add(pair.takeover)
}

/// The share of requests that `replicas` answer that are all active, if one that is down is
/// left out once it was down for `detection`. A request goes to any of those left in, and is
/// tried again at up to `retries` others of them.
///
/// A replica is up, down and not yet noticed (x), or left out (y); of n left in, each is down
/// with q = x/(up + x): A = Σ C(R, n)·(1 − y)ⁿ·y^(R − n)·(1 − q^min(m + 1, n)).
pub fn active_active(
    unit: Dependency,
    detection: Duration,
    replicas: u32,
    retries: u32,
) -> Probability {
    let [up, down] = unit.steady();
    let noticed = (-detection.as_secs_f64() / unit.mttr_s()).exp();
    let unnoticed = down * (1.0 - noticed);
    let left_out = nearest(down - unnoticed);
    let meets = unnoticed / (up + unnoticed);
    let law = crate::replicas::how_many_down(replicas, left_out);
    let answered = law.iter().zip(0..).map(|(chance, out): (&f64, u32)| {
        let left = replicas.saturating_sub(out);
        let attempts = left.min(retries.saturating_add(1));
        let lost = if left == 0 {
            1.0
        } else {
            meets.powf(f64::from(attempts))
        };
        chance * (1.0 - lost)
    });
    nearest(answered.sum())
}
