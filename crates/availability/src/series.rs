//! Every hop is needed.
//!
//! A chain answers only if all of its hops do: A = Π aᵢ for independent hops (Barlow and
//! Proschan 1975, *Statistical Theory of Reliability and Life Testing*). If failures come
//! together, for instance because hops share a host, a chain does better than this product.

use crate::probability::{Probability, nearest};

/// The availability of hops in series, each needed once; 1 if there are none.
///
/// ```
/// use availability::{Probability, series};
/// let hop = Probability::new(0.99)?;
/// assert!((series::availability([hop; 4]).get() - 0.960_596_01).abs() < 1e-12);
/// # Ok::<(), availability::NotAProbability>(())
/// ```
pub fn availability(hops: impl IntoIterator<Item = Probability>) -> Probability {
    nearest(hops.into_iter().map(Probability::get).product())
}

/// The staircase down the chain: entry `i` is the availability of the first `i + 1` hops.
pub fn cumulative(hops: &[Probability]) -> Vec<Probability> {
    let step = |above: &mut f64, hop: &Probability| {
        *above *= hop.get();
        Some(nearest(*above))
    };
    hops.iter().scan(1.0, step).collect()
}
