//! The one type of probability, and the way back to it after arithmetic.

pub use types::{NotAProbability, Probability};

/// The probability nearest to `value`.
///
/// Rounding can carry a result a hair beyond 0 or 1; it is still a probability.
pub(crate) fn nearest(value: f64) -> Probability {
    Probability::new(value.clamp(0.0, 1.0)).unwrap_or(Probability::ZERO)
}
