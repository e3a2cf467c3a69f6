//! Failures that cluster in time: what is a share of requests worth then?
//!
//! An interval that takes requests as independent is far too short where a few outages hit
//! many requests each: with outages of 3 s every minute, 36,000 requests of an hour are worth
//! some 620 independent ones, and intervals "at 99 %" would hold the truth one time in four.
//! Batch means tell how much the share really varies (Schmeiser 1982, *Batch Size Effects in
//! the Analysis of Simulation Output*): the run is cut into batches that are much longer than
//! an outage, and the shares of the batches are compared.
//!
//! With p̂ the share of all and s² the variance of the shares of B batches, all requests are
//! worth n = p̂(1 − p̂) B / s² independent ones. The interval is Wilson's for so many, made
//! longer because s² is an estimate itself: n is taken (z/t)² times, t being Student's
//! quantile with B − 1 degrees of freedom. A symmetric interval around p̂ would do worse: with
//! few outages the estimate is skewed.

use crate::{Confidence, Interval, Proportion, interval};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// How many batches a run is best cut into: more would be too short, fewer would tell too
/// little of how they vary.
pub const BATCHES: usize = 20;

/// The interval of a share at `level` from the counts of batches in the order of time; none
/// from fewer than two, or if a batch is empty.
///
/// It is never shorter than that of independent requests.
pub fn wilson(batches: &[Proportion], level: Confidence) -> Option<Interval> {
    let all = together(batches)?;
    let worth = worth(batches, level)?;
    Some(interval::wilson_of(all.estimate().get(), worth, level))
}

/// How many independent requests the requests of all `batches` are worth in an interval at
/// `level`: from 1 to their number. None from fewer than two batches, or if one is empty.
pub fn worth(batches: &[Proportion], level: Confidence) -> Option<f64> {
    let all = together(batches)?;
    let variance = variance(batches, all)?;
    let p = all.estimate().get();
    let independent = p * (1.0 - p) * batches.len() as f64 / variance;
    let t = student(batches.len(), level)?;
    let worth = independent * (level.two_sided_z() / t).powi(2);
    // Batches without any difference, or alike by chance, prove no more than all requests do.
    let trials = all.trials() as f64;
    Some(if worth.is_finite() {
        worth.clamp(1.0, trials)
    } else {
        trials
    })
}

/// Half the width of the interval of a mean, such as attempts per request, from the sums and the
/// numbers of batches in the order of time; none from fewer than two batches, or from nothing.
pub fn half_width(batches: &[(f64, f64)], level: Confidence) -> Option<f64> {
    let sum: f64 = batches.iter().map(|(sum, _)| sum).sum();
    let number: f64 = batches.iter().map(|(_, number)| number).sum();
    let count = batches.len() as f64;
    let t = student(batches.len(), level)?;
    let apart = |(part, of): &(f64, f64)| (part - sum / number * of).powi(2);
    let squares: f64 = batches.iter().map(apart).sum();
    let error = (squares * count / (count - 1.0)).sqrt() / number;
    Some(t * error).filter(|half| half.is_finite())
}

/// Student's quantile for an interval from this number of batches.
fn student(batches: usize, level: Confidence) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, batches as f64 - 1.0).ok()?;
    Some(student.inverse_cdf(1.0 - level.tail()))
}

fn together(batches: &[Proportion]) -> Option<Proportion> {
    let (successes, trials) = batches.iter().fold((0, 0), |(successes, trials), batch| {
        (successes + batch.successes(), trials + batch.trials())
    });
    Proportion::new(successes, trials).ok()
}

/// The variance of the shares of the batches around that of all.
fn variance(batches: &[Proportion], all: Proportion) -> Option<f64> {
    if batches.len() < 2 {
        return None;
    }
    let p = all.estimate().get();
    let squares = batches
        .iter()
        .map(|batch| (batch.estimate().get() - p).powi(2));
    Some(squares.sum::<f64>() / (batches.len() as f64 - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(successes: &[u64], trials: u64) -> Vec<Proportion> {
        let batch = |successes: &u64| Proportion::new(*successes, trials).unwrap();
        successes.iter().map(batch).collect()
    }

    #[test]
    fn batches_that_differ_by_more_than_chance_make_the_interval_longer() {
        let even = batches(&[95; 20], 100);
        let clustered = batches(&[100, 100, 100, 80, 100, 100, 100, 80, 100, 90], 100);
        let plain = |batches: &[Proportion]| {
            let successes = batches.iter().map(|batch| batch.successes()).sum();
            let all = Proportion::new(successes, batches.len() as u64 * 100).unwrap();
            all.wilson(Confidence::P99).width()
        };
        let width = |all: &[Proportion]| wilson(all, Confidence::P99).unwrap().width();
        assert!((width(&even) - plain(&even)).abs() < 1e-12);
        assert!(width(&clustered) > 2.0 * plain(&clustered));
    }

    #[test]
    fn a_mean_of_batches_that_differ_has_the_interval_of_student() {
        // 12, 10, 8 and 10 per request: the deviation is √(8/3), of 4 batches and t = 5.841.
        let batches = [(120.0, 10.0), (100.0, 10.0), (80.0, 10.0), (100.0, 10.0)];
        let half = half_width(&batches, Confidence::P99).unwrap();
        assert!(
            (half - 5.841 * (8.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-3,
            "{half}"
        );
        assert_eq!(half_width(&batches[..1], Confidence::P99), None);
        assert_eq!(half_width(&[(0.0, 0.0); 3], Confidence::P99), None);
    }

    #[test]
    fn one_batch_says_nothing_of_how_batches_vary() {
        assert_eq!(wilson(&batches(&[95], 100), Confidence::P99), None);
        assert_eq!(wilson(&[], Confidence::P99), None);
    }

    #[test]
    fn without_a_failure_the_interval_still_has_a_width() {
        let all = wilson(&batches(&[100; 20], 100), Confidence::P99).unwrap();
        assert!((all.high.get() - 1.0).abs() < 1e-12);
        assert!(all.low.get() < 0.999);
    }
}
