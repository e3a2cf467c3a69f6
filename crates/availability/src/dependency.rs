//! A dependency that goes down and comes back.
//!
//! Up for MTTF on average, then down for MTTR, each for an exponential time: a Markov chain
//! of two states with the rates λ = 1/MTTF and μ = 1/MTTR. MTTF is the mean time *up*;
//! what some call MTBF is MTTF + MTTR. The share of time up is MTTF/(MTTF + MTTR) whatever
//! the laws of both times are (renewal-reward theorem; Ross 1996, *Stochastic Processes*);
//! everything that depends on *when* is not.

use crate::probability::{Probability, nearest};
use std::time::Duration;

/// A dependency with its mean times up and down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dependency {
    up: f64,
    down: f64,
}

/// Probabilities of being up and down.
pub(crate) type UpDown = [f64; 2];

impl Dependency {
    /// A dependency that is up for `mean_up` and then down for `mean_down`; none if
    /// either is zero.
    pub fn new(mean_up: Duration, mean_down: Duration) -> Option<Self> {
        let possible = !mean_up.is_zero() && !mean_down.is_zero();
        possible.then_some(Self {
            up: mean_up.as_secs_f64(),
            down: mean_down.as_secs_f64(),
        })
    }

    /// The mean time up, in seconds.
    pub const fn mttf_s(&self) -> f64 {
        self.up
    }

    /// The mean time down, in seconds.
    pub const fn mttr_s(&self) -> f64 {
        self.down
    }

    /// The mean time from one outage to the next, in seconds.
    pub(crate) fn cycle_s(&self) -> f64 {
        self.up + self.down
    }

    /// The share of time up.
    pub fn availability(&self) -> Probability {
        nearest(self.up / (self.up + self.down))
    }

    /// The probability that it is down `later`, given that it is down now:
    /// `π_d + π_u·e^(−(λ+μ)t)` (Tijms 2003, *A First Course in Stochastic Models*).
    pub fn still_down(&self, later: Duration) -> Probability {
        nearest(self.after(self.decay(later))[1][1])
    }

    /// The share of time up and down.
    pub(crate) fn steady(&self) -> UpDown {
        let whole = self.up + self.down;
        [self.up / whole, self.down / whole]
    }

    /// The rate at which the chain forgets where it was, per second.
    pub(crate) fn forgetting(&self) -> f64 {
        1.0 / self.up + 1.0 / self.down
    }

    /// How much of the present is left after so long.
    pub(crate) fn decay(&self, later: Duration) -> f64 {
        (-self.forgetting() * later.as_secs_f64()).exp()
    }

    /// The transition probabilities once only the share `memory` of the present is left.
    pub(crate) fn after(&self, memory: f64) -> [UpDown; 2] {
        let [up, down] = self.steady();
        let (gone, left) = (1.0 - memory, memory);
        [
            [up + down * left, down * gone],
            [up * gone, down + up * left],
        ]
    }
}
