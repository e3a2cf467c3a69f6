//! Retry throttling as in gRPC: a switch, not a rate.
//!
//! A counter starts full, loses one per failed attempt and gains a little per successful
//! one; retries are made while it stands above half (gRPC proposal A6). Its drift per
//! attempt is (1 − p)·ratio − p: in the long run all retries are allowed below
//! p* = ratio/(1 + ratio), and none above. A small counter blurs this; the chain of its
//! values is solved exactly.

use crate::{
    linear::stationary,
    probability::{Probability, nearest},
};

/// The counter of one channel, in units small enough for whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// What a failed attempt takes, in units.
    pub loss: u32,
    /// What a successful one gives, in units.
    pub gain: u32,
    /// The most it counts, in units.
    pub most: u32,
}

const MOST_VALUES: u32 = 4_000;

impl Throttle {
    /// The success of a call of at most 1 + `retries` attempts, and its expected attempts,
    /// in the long run. None if there are more than 4000 values.
    pub fn forecast(&self, failure: Probability, retries: u32) -> Option<(Probability, f64)> {
        let p = failure.get();
        if self.most > MOST_VALUES {
            return None;
        }
        // At the ends the chain may never come back from where it began.
        if p == 0.0 || self.loss == 0 {
            return Some(crate::retry::forecast(failure, retries));
        }
        if failure == Probability::ONE || self.gain == 0 {
            return Some((failure.complement(), 1.0));
        }
        let values = self.most as usize + 1;
        let mut chain = vec![vec![0.0; values]; values];
        let mut attempts = Vec::with_capacity(values);
        for (value, row) in (0..).zip(&mut chain) {
            attempts.push(self.call(value, p, retries, row));
        }
        let shares = stationary(chain);
        let each = shares.iter().zip(attempts);
        let mean: f64 = each.map(|(share, attempts)| share * attempts).sum();
        Some((nearest((1.0 - p) * mean), mean))
    }

    /// One call that begins at `value`: fills the row of the chain, returns the attempts.
    fn call(&self, mut value: u32, p: f64, retries: u32, row: &mut [f64]) -> f64 {
        let (mut begun, mut attempts, mut left) = (1.0, 0.0, retries);
        loop {
            attempts += begun;
            let up = value.saturating_add(self.gain).min(self.most);
            row[up as usize] += begun * (1.0 - p);
            begun *= p;
            value = value.saturating_sub(self.loss);
            if left == 0 || 2 * u64::from(value) <= u64::from(self.most) {
                row[value as usize] += begun;
                return attempts;
            }
            left -= 1;
        }
    }
}
