//! Times were measured: which quantiles do they allow?
//!
//! How many of n independent values lie below the q-quantile is binomial, whatever their law.
//! So two of the sorted values bound the quantile, and which ones depends on n, q and the
//! level alone (David and Nagaraja 2003, *Order Statistics*, section 7.1; Hahn and Meeker
//! 1991, *Statistical Intervals*, section 5.2). Where the sample is too small, one end is
//! missing: the slowest of 100 requests says nothing about how large the 99.9 % quantile
//! may be.
//!
//! Values are taken as independent. Times of requests that queue behind each other are not,
//! and the interval is then too short.

use crate::{Confidence, Probability, binomial::Binomial};

/// Places in the sorted sample, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// The value that estimates the quantile: the smallest that at least q of all do not
    /// exceed.
    pub estimate: u64,
    /// The value that bounds it from below; none if the sample is too small.
    pub low: Option<u64>,
    /// The value that bounds it from above; none if the sample is too small.
    pub high: Option<u64>,
}

/// The places of the quantile `q` and of the ends of its interval in a sorted sample of
/// `values`; none of nothing.
///
/// ```
/// use availability::{Confidence, Probability, quantile::ranks};
/// let median = ranks(100, Probability::new(0.5)?, Confidence::P95);
/// let median = median.expect("a sample of a hundred has a median");
/// assert_eq!((median.estimate, median.low, median.high), (50, Some(40), Some(61)));
/// # Ok::<(), availability::NotAProbability>(())
/// ```
pub fn ranks(values: u64, q: Probability, level: Confidence) -> Option<Ranks> {
    if values == 0 {
        return None;
    }
    let below = Binomial::new(values, q.get());
    let tail = level.tail();
    // The quantile is below the value at rank r if fewer than r values are below it.
    let low = first(values, |rank| below.at_most(rank - 1) > tail) - 1;
    let high = first(values, |rank| below.at_least(rank) <= tail);
    Some(Ranks {
        estimate: first(values, |rank| rank as f64 >= q.get() * values as f64).min(values),
        low: (low > 0).then_some(low),
        high: (high <= values).then_some(high),
    })
}

/// The first rank for which `holds`, which then holds for all further ones; one more than
/// there are if there is none.
fn first(values: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1, values + 1);
    while low < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::DiscreteCDF;

    fn of(values: u64, q: f64, level: Confidence) -> (u64, Option<u64>, Option<u64>) {
        let ranks = ranks(values, Probability::new(q).unwrap(), level).unwrap();
        (ranks.estimate, ranks.low, ranks.high)
    }

    #[test]
    fn the_ranks_are_those_of_the_tables() {
        // Medians at 95 %: Conover 1999, *Practical Nonparametric Statistics*.
        assert_eq!(of(10, 0.5, Confidence::P95), (5, Some(2), Some(9)));
        assert_eq!(of(20, 0.5, Confidence::P95), (10, Some(6), Some(15)));
        assert_eq!(of(100, 0.5, Confidence::P95), (50, Some(40), Some(61)));
    }

    #[test]
    fn a_sample_that_is_too_small_bounds_a_quantile_on_one_side_only() {
        // 0.999^n must be at most 0.005 for the slowest to be above the quantile.
        assert_eq!(of(100, 0.999, Confidence::P99).2, None);
        assert_eq!(of(5_295, 0.999, Confidence::P99).2, None);
        assert_eq!(of(5_296, 0.999, Confidence::P99).2, Some(5_296));
        assert_eq!(of(1, 0.5, Confidence::P99), (1, None, None));
        assert_eq!(ranks(0, Probability::ONE, Confidence::P99), None);
    }

    #[test]
    fn the_ends_surround_the_estimate() {
        for values in [1, 2, 9, 1_000, 10_000_000] {
            for q in [0.0, 0.01, 0.5, 0.99, 0.999, 1.0] {
                let (estimate, low, high) = of(values, q, Confidence::P99);
                assert!((1..=values).contains(&estimate), "{values} {q}");
                assert!(low.is_none_or(|low| low <= estimate), "{values} {q}");
                assert!(high.is_none_or(|high| high >= estimate), "{values} {q}");
            }
        }
    }

    #[test]
    fn the_interval_covers_as_much_as_it_claims_and_a_narrower_one_would_not() {
        let (values, q, tail) = (500, 0.9, 0.025);
        let (_, low, high) = of(values, q, Confidence::P95);
        let (low, high) = (low.unwrap(), high.unwrap());
        // How many of the values are below the quantile, by a second implementation.
        let below = statrs::distribution::Binomial::new(q, values).unwrap();
        assert!(below.cdf(low - 1) <= tail && below.cdf(low) > tail);
        assert!(below.sf(high - 1) <= tail && below.sf(high - 2) > tail);
    }
}
