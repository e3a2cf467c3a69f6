//! How often systems of several dependencies go down, and for how long.
//!
//! Independent units, each up and down for exponential times (Barlow and Proschan 1975,
//! *Statistical Theory of Reliability and Life Testing*).

use crate::{dependency::Dependency, probability::Probability, series};

/// The outages of a system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outages {
    /// The share of time up.
    pub availability: Probability,
    /// The mean time between two outages, in seconds.
    pub mean_up_s: f64,
    /// The mean length of an outage, in seconds.
    pub mean_down_s: f64,
}

/// A system that needs all of its units: up for 1/Σλ on average, down for
/// (1 − A)/(A·Σλ). None without units.
pub fn in_series(units: &[Dependency]) -> Option<Outages> {
    let availability = series::availability(units.iter().map(Dependency::availability));
    let failures: f64 = units.iter().map(|unit| 1.0 / unit.mttf_s()).sum();
    let (up, down) = (availability.get(), availability.complement().get());
    (!units.is_empty()).then(|| Outages {
        availability,
        mean_up_s: 1.0 / failures,
        mean_down_s: down / (up * failures),
    })
}

/// A system that needs either of two units of a kind: both are down for MTTR/2 on average,
/// `2μ·π_d²` times per second.
pub fn of_a_pair(unit: Dependency) -> Outages {
    let down = unit.availability().complement().get();
    let availability = crate::redundancy::parallel([unit.availability(); 2]);
    let frequency = 2.0 * down * down / unit.mttr_s();
    Outages {
        availability,
        mean_up_s: availability.get() / frequency,
        mean_down_s: unit.mttr_s() / 2.0,
    }
}
