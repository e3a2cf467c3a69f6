//! Tails of the binomial law, summed term by term.
//!
//! The terms are built outward from the most likely one and divided by their sum, so no
//! factorials appear and precision does not suffer with large counts. Terms are dropped
//! once they are too small to change the result; some eight standard deviations remain,
//! a few thousand terms for a million requests.

/// The number of successes of independent trials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binomial {
    trials: u64,
    success: f64,
}

/// Relative size of a term that may be dropped.
const NEGLIGIBLE: f64 = 1e-18;

impl Binomial {
    /// The law of `trials` trials that each succeed with probability `success`.
    pub(crate) const fn new(trials: u64, success: f64) -> Self {
        Self { trials, success }
    }

    /// The probability of `count` successes or more.
    pub(crate) fn at_least(self, count: u64) -> f64 {
        self.share(|successes| successes >= count)
    }

    /// The probability of `count` successes or fewer.
    pub(crate) fn at_most(self, count: u64) -> f64 {
        self.share(|successes| successes <= count)
    }

    /// The share of the law's weight on the counts that are `wanted`.
    fn share(self, wanted: impl Fn(u64) -> bool) -> f64 {
        let (mut total, mut hit) = (0.0, 0.0);
        let mode = [(self.mode(), 1.0)];
        for (count, weight) in mode.into_iter().chain(self.above()).chain(self.below()) {
            total += weight;
            hit += if wanted(count) { weight } else { 0.0 };
        }
        hit / total
    }

    /// The most likely count. Its weight is set to one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to n + 1"
    )]
    fn mode(self) -> u64 {
        (((self.trials as f64 + 1.0) * self.success) as u64).min(self.trials)
    }

    /// Counts above the mode, with their weights.
    fn above(self) -> impl Iterator<Item = (u64, f64)> {
        let odds = self.success / (1.0 - self.success);
        let step = move |&(count, weight): &(u64, f64)| {
            let ratio = (self.trials - count) as f64 / (count + 1) as f64;
            unless_negligible(count + 1, weight * ratio * odds)
        };
        std::iter::successors(Some((self.mode(), 1.0)), step).skip(1)
    }

    /// Counts below the mode, with their weights.
    fn below(self) -> impl Iterator<Item = (u64, f64)> {
        let odds = (1.0 - self.success) / self.success;
        let step = move |&(count, weight): &(u64, f64)| {
            let ratio = count as f64 / (self.trials - count + 1) as f64;
            unless_negligible(count.checked_sub(1)?, weight * ratio * odds)
        };
        std::iter::successors(Some((self.mode(), 1.0)), step).skip(1)
    }
}

/// A term worth adding. At the ends of the range the ratio is 0, or 0 × ∞: neither is.
fn unless_negligible(count: u64, weight: f64) -> Option<(u64, f64)> {
    (weight > NEGLIGIBLE).then_some((count, weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Binomial as Reference, DiscreteCDF};

    #[test]
    fn both_tails_agree_with_a_second_implementation() {
        for (trials, success) in [
            (1, 0.3),
            (40, 0.01),
            (1_000, 0.5),
            (20_000, 0.96),
            (20_000, 1e-5),
        ] {
            let ours = Binomial::new(trials, success);
            let reference = Reference::new(success, trials).unwrap();
            for count in [0, 1, trials / 2, trials * 96 / 100, trials - 1, trials] {
                assert!(
                    (ours.at_most(count) - reference.cdf(count)).abs() < 1e-9,
                    "{trials} {count}"
                );
                let above = ours.at_most(count) + ours.at_least(count + 1);
                assert!((above - 1.0).abs() < 1e-12, "{trials} {count}");
            }
        }
    }

    #[test]
    fn certain_outcomes_are_certain() {
        for trials in [0, 1, 500] {
            assert!((Binomial::new(trials, 1.0).at_least(trials) - 1.0).abs() < f64::EPSILON);
            assert!((Binomial::new(trials, 0.0).at_most(0) - 1.0).abs() < f64::EPSILON);
            assert!(Binomial::new(trials, 0.0).at_least(1) <= 0.0);
        }
    }

    #[test]
    fn ten_million_trials_keep_their_precision() {
        // The median of a symmetric law: half of the weight, and half of the middle term.
        let law = Binomial::new(10_000_000, 0.5);
        let middle = law.at_most(5_000_000) + law.at_least(5_000_000) - 1.0;
        assert!((law.at_most(5_000_000) - 0.5 - middle / 2.0).abs() < 1e-11);
    }
}
