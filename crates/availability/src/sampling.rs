//! A collector kept all failures and a part of the successes: what was the availability?
//!
//! Tail sampling that keeps every trace with an error, and a share of the others, is what
//! collectors are told to do to save room. What is left says nothing about availability: of
//! 96.06 % it shows 70.9 % when a tenth of the good traces is kept. Weighing each kept trace
//! by how many it stands for puts that right (Horvitz and Thompson 1952, *A Generalization of
//! Sampling Without Replacement From a Finite Universe*), at little cost: what is rare is kept.

use crate::{Confidence, Interval, Probability, probability::nearest};

/// The traces that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Of requests that were answered.
    pub answered: u64,
    /// Of requests that failed: all of them.
    pub failed: u64,
}

impl Kept {
    /// The share of good ones among those that were kept: what a dashboard shows. None of
    /// nothing.
    pub fn shown(self) -> Option<Probability> {
        let all = self.answered + self.failed;
        (all > 0).then(|| nearest(self.answered as f64 / all as f64))
    }

    /// The availability, if `share` of the good ones were kept; none of nothing, or if none
    /// were.
    pub fn weighed(self, share: Probability) -> Option<Probability> {
        let answered = self.answered as f64 / share.get();
        let all = answered + self.failed as f64;
        (share > Probability::ZERO && all > 0.0).then(|| nearest(answered / all))
    }

    /// Its interval at `level`.
    ///
    /// The variance is that of all requests, A(1 − A)/n, times
    /// 1 + (1 − A)(1 − s)/s with the share s: 1.35 times for 96 % and a tenth, where keeping a
    /// tenth of all traces would cost ten times. The interval is Wilson's for as many requests
    /// as have that variance.
    pub fn interval(self, share: Probability, level: Confidence) -> Option<Interval> {
        let availability = self.weighed(share)?.get();
        let all = self.answered as f64 / share.get() + self.failed as f64;
        let worth = all / inflation(availability, share.get());
        Some(crate::interval::wilson_of(availability, worth, level))
    }
}

/// How many times the variance is that of keeping all.
fn inflation(availability: f64, share: f64) -> f64 {
    1.0 + (1.0 - availability) * (1.0 - share) / share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    /// A million requests of four 99 % services in series, of whose good ones a tenth is kept.
    const KEPT: Kept = Kept {
        answered: 96_060,
        failed: 39_404,
    };

    #[test]
    fn keeping_all_errors_makes_96_percent_look_like_71() {
        let shown = KEPT.shown().unwrap().get();
        assert!((shown - 0.709_117_485).abs() < 1e-5, "{shown}");
    }

    #[test]
    fn weighing_what_was_kept_gives_the_availability_back() {
        let weighed = KEPT.weighed(p(0.1)).unwrap();
        assert!((weighed.get() - 0.960_596).abs() < 1e-5);
        let interval = KEPT.interval(p(0.1), Confidence::P99).unwrap();
        assert!(interval.contains(p(0.960_596)));
        assert!((inflation(0.960_596_01, 0.1) - 1.354_635_91).abs() < 1e-8);
    }

    #[test]
    fn of_nothing_and_of_a_share_of_nothing_nothing_is_known() {
        let none = Kept {
            answered: 0,
            failed: 0,
        };
        assert_eq!((none.shown(), none.weighed(p(0.1))), (None, None));
        assert_eq!(KEPT.weighed(Probability::ZERO), None);
        assert_eq!(KEPT.weighed(Probability::ONE), KEPT.shown());
    }
}
