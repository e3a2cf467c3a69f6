//! Retries of a dependency that goes down and comes back.
//!
//! Attempts at the same dependency see the same outage: the first failure says that the
//! next attempt will probably fail too. Retries without a pause are worth nothing against
//! an outage, whatever the formula for independent failures promises. It takes a pause of
//! 2.3 MTTR to gain one nine.

use crate::{
    dependency::{Dependency, UpDown},
    probability::{Probability, nearest},
};
use std::time::Duration;

/// The probability that an attempt fails while the dependency is up, and while it is down:
/// a Gilbert–Elliott channel (Gilbert 1960, *Capacity of a Burst-Noise Channel*; Elliott
/// 1963). A hard outage is 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failures {
    /// While it is up.
    pub up: Probability,
    /// While it is down.
    pub down: Probability,
}

impl Failures {
    /// It works while it is up, and only then.
    pub const HARD: Self = Self {
        up: Probability::ZERO,
        down: Probability::ONE,
    };

    /// It never works.
    pub const ALWAYS: Self = Self {
        up: Probability::ONE,
        down: Probability::ONE,
    };

    pub(crate) fn each(self) -> UpDown {
        [self.up.get(), self.down.get()]
    }
}

/// The success of a call that tries again after each of the `pauses`:
/// 1 − π F Π (P(δ) F) 1, a product over the hidden states.
pub fn retried(dependency: Dependency, failures: Failures, pauses: &[Duration]) -> Probability {
    let memories = pauses.iter().map(|pause| dependency.decay(*pause));
    product(dependency, failures, memories)
}

/// The same with pauses drawn evenly between nothing and each of the `ceilings` ("full
/// jitter"): the Laplace transform of the pause, `(1 − e^(−θc))/(θc)`, takes the place of `e^(−θδ)`.
pub fn retried_with_jitter(
    dependency: Dependency,
    failures: Failures,
    ceilings: &[Duration],
) -> Probability {
    let memory = |ceiling: &Duration| {
        let faded = dependency.forgetting() * ceiling.as_secs_f64();
        if faded == 0.0 {
            1.0
        } else {
            -(-faded).exp_m1() / faded
        }
    };
    product(dependency, failures, ceilings.iter().map(memory))
}

fn product(
    dependency: Dependency,
    failures: Failures,
    memories: impl Iterator<Item = f64>,
) -> Probability {
    let fails = failures.each();
    let fail = |[up, down]: UpDown| [up * fails[0], down * fails[1]];
    let mut all_failed = fail(dependency.steady());
    for memory in memories {
        let [from_up, from_down] = dependency.after(memory);
        let [up, down] = all_failed;
        all_failed = fail([
            up * from_up[0] + down * from_down[0],
            up * from_up[1] + down * from_down[1],
        ]);
    }
    nearest(1.0 - all_failed.iter().sum::<f64>())
}

/// The most that any schedule of retries within `window` can reach against a hard outage:
/// `1 − π_d·e^(−W/MTTR)`.
pub fn best_within(dependency: Dependency, window: Duration) -> Probability {
    nearest(1.0 - dependency.steady()[1] * outlasting(dependency, window))
}

/// The same if every repair takes exactly MTTR: `1 − π_d·(1 − W/MTTR)⁺`.
pub fn best_within_fixed_repair(dependency: Dependency, window: Duration) -> Probability {
    let left = 1.0 - window.as_secs_f64() / dependency.mttr_s();
    nearest(1.0 - dependency.steady()[1] * left.max(0.0))
}

/// The most by which a prediction is wrong that takes the state as fixed for a request of
/// length `window`: `π_d·(1 − e^(−W/MTTR))`.
pub fn error_if_taken_as_fixed(dependency: Dependency, window: Duration) -> Probability {
    nearest(dependency.steady()[1] * (1.0 - outlasting(dependency, window)))
}

/// The probability that an outage, met at some instant, lasts for longer than `window`.
fn outlasting(dependency: Dependency, window: Duration) -> f64 {
    (-window.as_secs_f64() / dependency.mttr_s()).exp()
}

/// The success of a call that retries after each of the `pauses`, if times up are
/// exponential and every repair takes exactly MTTR; none if the pauses together are longer
/// than a repair.
///
/// `1 − (π_d/D)·[(D − W) + Σ (δ − (1 − e^(−λδ))/λ)]`: still in the same outage, or back up and
/// down again between two attempts.
pub fn retried_with_fixed_repair(
    dependency: Dependency,
    pauses: &[Duration],
) -> Option<Probability> {
    let (up, down) = (dependency.mttf_s(), dependency.mttr_s());
    let window: f64 = pauses.iter().map(Duration::as_secs_f64).sum();
    let down_again = |pause: &Duration| {
        let pause = pause.as_secs_f64();
        pause + up * (-pause / up).exp_m1()
    };
    let again: f64 = pauses.iter().map(down_again).sum();
    let failing = (down - window + again) / down;
    (window <= down).then(|| nearest(1.0 - dependency.steady()[1] * failing))
}

/// The success of a call that retries after each of the `pauses`, if the dependency is up
/// for exactly MTTF and down for exactly MTTR in turn; none if the pauses together are
/// longer than either.
pub fn retried_with_fixed_period(
    dependency: Dependency,
    pauses: &[Duration],
) -> Option<Probability> {
    let (up, down) = (dependency.mttf_s(), dependency.mttr_s());
    let window: f64 = pauses.iter().map(Duration::as_secs_f64).sum();
    let fits = window <= up.min(down);
    fits.then(|| nearest(1.0 - (down - window) / (up + down)))
}

/// The success of requests that need the dependency to stay up for `work` from when they
/// arrive, because a crash kills what is in flight: `π_u·e^(−λx)`.
pub fn without_crash(dependency: Dependency, work: Duration) -> Probability {
    let stays = (-work.as_secs_f64() / dependency.mttf_s()).exp();
    nearest(dependency.availability().get() * stays)
}

/// What a closed-loop load generator of one worker measures, which waits for each answer
/// before it asks again: the share of its requests that meet the dependency up, if they
/// take `up` then and `down` otherwise. None if both are zero.
///
/// `π_u(1 − e^(−θℓ_d))/[π_u(1 − e^(−θℓ_d)) + π_d(1 − e^(−θℓ_u))]`. It is not the
/// availability: hanging failures are asked seldom and fast ones often (Schroeder, Wierman
/// and Harchol-Balter 2006, *Open Versus Closed: A Cautionary Tale*).
pub fn seen_in_closed_loop(
    dependency: Dependency,
    up: Duration,
    down: Duration,
) -> Option<Probability> {
    let changes = |after: Duration| -(-dependency.forgetting() * after.as_secs_f64()).exp_m1();
    share(dependency, changes(down), changes(up))
}

/// The same for answers that come much faster than the dependency changes:
/// `(π_u/ℓ_u)/(π_u/ℓ_u + π_d/ℓ_d)`.
pub fn seen_in_fast_closed_loop(
    dependency: Dependency,
    up: Duration,
    down: Duration,
) -> Option<Probability> {
    share(dependency, down.as_secs_f64(), up.as_secs_f64())
}

fn share(dependency: Dependency, leaving_down: f64, leaving_up: f64) -> Option<Probability> {
    let [up, down] = dependency.steady();
    let (seen_up, seen_down) = (up * leaving_down, down * leaving_up);
    let all = seen_up + seen_down;
    (all > 0.0).then(|| nearest(seen_up / all))
}
