//! Two proportions were measured: how far apart may the truths be?
//!
//! The score method for the difference of two independent proportions (Newcombe 1998,
//! *Interval Estimation for the Difference Between Independent Proportions: Comparison of
//! Eleven Methods*, method 10): the ends of both Wilson intervals, squared and added. It keeps
//! its level near 100 %, where the textbook interval is far too short, and never leaves
//! −1 to 1.

use crate::{Confidence, Proportion};
use serde::Serialize;

/// The difference of two probabilities, the first less the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The estimate.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How sure the interval is.
    pub level: Confidence,
}

impl Difference {
    /// `first` less `second`.
    ///
    /// ```
    /// use availability::{Confidence, Proportion, difference::Difference};
    /// // Before and after a change, 10,000 requests each.
    /// let (before, after) = (Proportion::new(9_900, 10_000)?, Proportion::new(9_700, 10_000)?);
    /// assert!(Difference::of(after, before, Confidence::P99).is_below_zero());
    /// # Ok::<(), availability::InvalidProportion>(())
    /// ```
    pub fn of(first: Proportion, second: Proportion, level: Confidence) -> Self {
        let ends = |proportion: Proportion| {
            let interval = proportion.wilson(level);
            let estimate = proportion.estimate().get();
            (
                estimate,
                estimate - interval.low.get(),
                interval.high.get() - estimate,
            )
        };
        let ((first, below_first, above_first), (second, below_second, above_second)) =
            (ends(first), ends(second));
        let value = first - second;
        Self {
            value,
            low: value - below_first.hypot(above_second),
            high: value + above_first.hypot(below_second),
            level,
        }
    }

    /// Whether the first is smaller, as surely as the level says.
    pub fn is_below_zero(&self) -> bool {
        self.high < 0.0
    }

    /// Whether the first is larger, as surely as the level says.
    pub fn is_above_zero(&self) -> bool {
        self.low > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(first: (u64, u64), second: (u64, u64)) -> Difference {
        let proportion = |(successes, trials)| Proportion::new(successes, trials).unwrap();
        Difference::of(proportion(first), proportion(second), Confidence::P95)
    }

    #[test]
    fn the_examples_of_newcombe_s_table_ii_come_out_to_the_fourth_digit() {
        for (first, second, low, high) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((6, 7), (2, 7), 0.0582, 0.8062),
            ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775),
            ((0, 10), (0, 10), -0.2775, 0.2775),
            ((10, 10), (0, 20), 0.6791, 1.0),
            ((10, 10), (0, 10), 0.6075, 1.0),
        ] {
            let found = difference(first, second);
            let near = (found.low - low).abs() < 6e-5 && (found.high - high).abs() < 6e-5;
            assert!(near, "{first:?} {second:?}: {found:?}");
        }
    }

    #[test]
    fn who_is_first_changes_the_sign_and_nothing_else() {
        let (one, other) = ((970, 1_000), (990, 1_000));
        let (ahead, back) = (difference(one, other), difference(other, one));
        assert!((ahead.value + back.value).abs() < 1e-15);
        assert!((ahead.low + back.high).abs() < 1e-15);
        assert!(ahead.is_below_zero() && back.is_above_zero());
    }

    #[test]
    fn equal_proportions_are_not_told_apart() {
        let same = difference((990, 1_000), (990, 1_000));
        assert!(!same.is_below_zero() && !same.is_above_zero());
    }
}
