//! How many requests tell one availability from another?
//!
//! The size of a run follows from the distance it must be able to tell, not the other way
//! round. A run that is too small agrees with everything.

use crate::{
    binomial::Binomial,
    confidence::{Confidence, normal_cdf},
    interval::{Method, Proportion},
    probability::{Probability, nearest},
};

/// The fewest requests with which a two-sided test at `level` rejects `p0`, with
/// probability `power`, when the truth is `p1`; none if the two are equal.
///
/// The normal approximation for one sample against a fixed value,
/// n = ((z √(p₀q₀) + z′ √(p₁q₁)) / (p₀ − p₁))² (Fleiss, Levin, Paik 2003, *Statistical
/// Methods for Rates and Proportions*). Near 0 and 1 the exact number is somewhat larger;
/// [`exact`] tells by how much.
///
/// ```
/// use availability::{Confidence, Probability, power};
/// let four_hops = Probability::new(0.99_f64.powi(4))?;
/// let five_hops = Probability::new(0.99_f64.powi(5))?;
/// let enough = power::requests_to_tell(four_hops, five_hops, Confidence::P99, Confidence::P90);
/// assert_eq!(enough, Some(6_557));
/// # Ok::<(), availability::NotAProbability>(())
/// ```
pub fn requests_to_tell(
    p0: Probability,
    p1: Probability,
    level: Confidence,
    power: Confidence,
) -> Option<u64> {
    let distance = (p0.get() - p1.get()).abs();
    let spread = level.two_sided_z() * deviation(p0) + power.one_sided_z() * deviation(p1);
    whole((spread / distance).powi(2))
}

/// The probability that such a test with `requests` requests rejects `p0` when the truth is
/// `p1`; by the same approximation.
pub fn at(requests: u64, p0: Probability, p1: Probability, level: Confidence) -> Probability {
    let distance = (p0.get() - p1.get()).abs();
    let margin = distance * (requests as f64).sqrt() - level.two_sided_z() * deviation(p0);
    match deviation(p1) {
        // A certain outcome is either far enough away or not.
        sd if sd <= 0.0 => {
            if margin > 0.0 {
                Probability::ONE
            } else {
                Probability::ZERO
            }
        }
        sd => nearest(normal_cdf(margin / sd)),
    }
}

/// The probability that the interval of `requests` requests leaves out `excluded`, on the
/// side away from the truth, when the truth is `truth`; exact, by the binomial law.
///
/// 0 if the two are equal, or if there are no requests.
pub fn exact(
    requests: u64,
    truth: Probability,
    excluded: Probability,
    method: Method,
    level: Confidence,
) -> Probability {
    let interval =
        |successes| Proportion::new(successes, requests).map(|seen| seen.interval(method, level));
    let law = Binomial::new(requests, truth.get());
    let above = |x| interval(x).is_ok_and(|interval| interval.low > excluded);
    let not_below = |x| interval(x).is_ok_and(|interval| interval.high >= excluded);
    match truth.partial_cmp(&excluded) {
        Some(std::cmp::Ordering::Greater) => nearest(law.at_least(first(requests, above))),
        Some(std::cmp::Ordering::Less) => first(requests, not_below)
            .checked_sub(1)
            .map_or(Probability::ZERO, |last| nearest(law.at_most(last))),
        _ => Probability::ZERO,
    }
}

/// The standard deviation of one request.
fn deviation(p: Probability) -> f64 {
    (p.get() * p.complement().get()).sqrt()
}

/// The smallest count up to `most` for which `holds` is true, and `most` + 1 if none is.
/// Once true, it stays true for larger counts.
fn first(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most + 1);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// `count` rounded up to whole requests, at least one, if it is a number of them at all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "finite and above 0"
)]
fn whole(count: f64) -> Option<u64> {
    count.is_finite().then(|| count.ceil().max(1.0) as u64)
}
