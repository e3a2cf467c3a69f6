//! Some replicas are enough.
//!
//! Three ways to use replicas, with very different results for the same replicas: try all
//! of them, need some of them, or pick one and hope. Replicas are taken to fail
//! independently; if they fail together, redundancy gives less than these formulas say.

use crate::probability::{Probability, nearest};

/// The availability of replicas of which one is enough: 1 − Π (1 − aᵣ); 0 if there are none.
///
/// This holds only if the caller really tries the others before it gives up. For a load
/// balancer that does not, see [`balanced_without_retry`].
pub fn parallel(replicas: impl IntoIterator<Item = Probability>) -> Probability {
    let all_fail: f64 = replicas
        .into_iter()
        .map(|replica| replica.complement().get())
        .product();
    nearest(1.0 - all_fail)
}

/// The probability that at least `k` of the replicas work; 1 for `k` = 0.
///
/// Replicas may differ. The number that works then follows the Poisson binomial law, built
/// up here one replica at a time.
pub fn k_of_n(k: usize, replicas: &[Probability]) -> Probability {
    let mut working = vec![1.0];
    for replica in replicas {
        working = with_one_more(&working, *replica);
    }
    nearest(working.iter().skip(k).sum())
}

/// The law of the number of working replicas, after one more has joined.
fn with_one_more(working: &[f64], replica: Probability) -> Vec<f64> {
    let (up, down) = (replica.get(), replica.complement().get());
    let stay = working.iter().map(|p| p * down).chain([0.0]);
    let rise = [0.0].into_iter().chain(working.iter().map(|p| p * up));
    stay.zip(rise).map(|(stay, rise)| stay + rise).collect()
}

/// The availability behind a load balancer that picks one replica, all equally likely, and
/// does not try another: their mean; 0 if there are none.
///
/// More replicas alone therefore add no availability.
pub fn balanced_without_retry(replicas: &[Probability]) -> Probability {
    let sum: f64 = replicas.iter().map(|replica| replica.get()).sum();
    nearest(sum / replicas.len().max(1) as f64)
}
