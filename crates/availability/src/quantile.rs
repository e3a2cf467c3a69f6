//! Times were measured: which quantiles do they allow?
//!
//! How many of n independent values lie below the q-quantile is binomial, whatever their law.
//! So two of the sorted values bound the quantile, and which ones depends on n, q and the
//! level alone (David and Nagaraja 2003, *Order Statistics*, section 7.1; Hahn and Meeker
//! 1991, *Statistical Intervals*, section 5.2). Where the sample is too small, one end is
//! missing: the slowest of 100 requests says nothing about how large the 99.9 % quantile
//! may be.
//!
//! [`ranks`] takes values as independent. Times of requests that queue behind each other are
//! not: [`ranks_in_time`] finds out by batch means how many independent ones they are worth.

use crate::{Confidence, Probability, Proportion, batches, binomial::Binomial};

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

/// Fewer and longer batches than for a share: slow requests come in bursts, and with more batches
/// than bursts the batches differ too little. The number that shows the most dependence counts.
const BATCHES: [usize; 2] = [5, 10];
/// Of fewer values, batches say nothing.
const LEAST: usize = 100;

/// The places of the quantile `q` and of the ends of its interval among the sorted `values`,
/// which are given in the order of time and may depend on each other. Both ends are missing
/// where there are too few values to tell how much they do.
pub fn ranks_in_time(values: &[u64], q: Probability, level: Confidence) -> Option<Ranks> {
    let number = values.len() as u64;
    let independent = ranks(number, q, level)?;
    let open = Ranks {
        low: None,
        high: None,
        ..independent
    };
    if values.len() < LEAST {
        return Some(open);
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let estimate = usize::try_from(independent.estimate).ok()?;
    let quantile = sorted[estimate.clamp(1, sorted.len()) - 1];
    let batch = |batch: &[u64]| {
        let below = batch.iter().filter(|value| **value <= quantile).count();
        Proportion::new(below as u64, batch.len() as u64).ok()
    };
    let worth = |count: usize| {
        let each = values
            .chunks(values.len().div_ceil(count))
            .filter_map(batch);
        batches::worth(&each.collect::<Vec<_>>(), level)
    };
    let worth = BATCHES.into_iter().filter_map(worth);
    let worth = whole(worth.fold(values.len() as f64, f64::min));
    let fewer = ranks(worth, q, level)?;
    // The same shares of all values, rounded outwards.
    let low = fewer.low.map(|rank| rank * number / worth);
    let high = fewer.high.map(|rank| (rank * number).div_ceil(worth));
    Some(Ranks {
        low: low.filter(|rank| *rank > 0),
        high: high.filter(|rank| *rank <= number),
        ..independent
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 1 to a number of requests"
)]
const fn whole(worth: f64) -> u64 {
    worth as u64
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

    /// A number above 0 and at most 1 (`SplitMix64`, Steele and others 2014).
    fn uniform(state: &mut u64) -> f64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((mixed ^ (mixed >> 31)) >> 11) as f64 + 1.0) / 2_f64.powi(53)
    }

    /// Waiting and working times in a queue with one server: requests at random, fixed work.
    fn queue(load: f64, requests: usize, seed: u64) -> Vec<u64> {
        let mut state = seed;
        let (mut arrival, mut free) = (0.0_f64, 0.0_f64);
        let mut time = || {
            arrival -= uniform(&mut state).ln() / load;
            free = arrival.max(free) + 1.0;
            ((free - arrival) * 1e6).round()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "times of a few units"
        )]
        (0..requests).map(|_| time() as u64).collect()
    }

    /// In how many of 200 runs the interval holds the median of the runs' own quantiles.
    fn held(q: f64, interval: impl Fn(&[u64], Probability) -> Ranks) -> usize {
        let q = Probability::new(q).unwrap();
        let runs: Vec<_> = (0..200).map(|seed| queue(0.6, 600, seed)).collect();
        let sorted = runs.iter().map(|run| {
            let mut sorted = run.clone();
            sorted.sort_unstable();
            sorted
        });
        let sorted: Vec<_> = sorted.collect();
        let at = |run: &[u64], rank: u64| run[usize::try_from(rank).unwrap() - 1];
        let mut own: Vec<_> = sorted
            .iter()
            .map(|run| at(run, ranks(600, q, Confidence::P99).unwrap().estimate))
            .collect();
        own.sort_unstable();
        let truth = own[own.len() / 2];
        let holds = |(run, sorted): (&Vec<u64>, &Vec<u64>)| {
            let ranks = interval(run, q);
            ranks.low.is_none_or(|rank| at(sorted, rank) <= truth)
                && ranks.high.is_none_or(|rank| at(sorted, rank) >= truth)
        };
        runs.iter().zip(&sorted).filter(|pair| holds(*pair)).count()
    }

    #[test]
    fn intervals_of_times_in_a_queue_hold_the_quantile_as_often_as_they_say() {
        for (q, least) in [(0.5, 196), (0.9, 196), (0.99, 194)] {
            let in_time = held(q, |run, q| ranks_in_time(run, q, Confidence::P99).unwrap());
            assert!(in_time >= least, "{q}: {in_time} of 200");
            let independent = held(q, |run, q| {
                ranks(run.len() as u64, q, Confidence::P99).unwrap()
            });
            assert!(independent < 190, "{q}: {independent} of 200");
        }
    }

    #[test]
    fn too_few_times_to_see_how_they_depend_on_each_other_have_no_interval() {
        let q = Probability::new(0.5).unwrap();
        let ranks = ranks_in_time(&queue(0.5, 99, 1), q, Confidence::P99).unwrap();
        assert_eq!((ranks.low, ranks.high), (None, None));
    }
}
