//! The laws, fitted to what was measured.

use super::{
    Point,
    least_squares::{Parameters, bounded, free},
    universal,
};
use crate::{confidence::Confidence, linear::Matrix};
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::collections::BTreeSet;

/// A law of scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Amdahl's: a share of the work is serial.
    Amdahl,
    /// The universal law: pairs of replicas cost something as well.
    Universal,
}

impl Law {
    /// How many different numbers of replicas must have been measured: one more than the law has
    /// parameters, so that it can be seen to be wrong.
    pub const fn least_points(self) -> usize {
        match self {
            Self::Amdahl => 3,
            Self::Universal => 4,
        }
    }
}

/// An estimate and its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end; none if there is none.
    pub high: Option<f64>,
}

/// A law, as the points have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fit {
    /// Which.
    pub law: Law,
    /// λ: what one replica serves, in requests per second.
    pub single: Estimate,
    /// σ: the share of the work that is serial, from 0 to 1.
    pub contention: Estimate,
    /// κ: what each pair of replicas costs, as a share of the work; 0 by Amdahl's law.
    pub coherence: Estimate,
    /// What no number of replicas passes by Amdahl's law, λ/σ, in requests per second; none if
    /// nothing is serial, or by the universal law.
    pub ceiling: Option<Estimate>,
    /// How many replicas serve the most, √((1 − σ)/κ); none if more always serve more.
    pub peak: Option<Estimate>,
    /// Whether the points agree with it: as far from it as their errors explain, but for one
    /// time in a thousand.
    pub agrees: bool,
    /// How sure the intervals are.
    pub level: Confidence,
}

impl Fit {
    /// What `replicas` serve by it.
    pub fn at(&self, replicas: f64) -> f64 {
        let (single, contention) = (self.single.value, self.contention.value);
        universal(single, contention, self.coherence.value, replicas)
    }
}

/// Both laws, as far as the points tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fits {
    /// Amdahl's.
    pub amdahl: Fit,
    /// The universal one; none of too few points.
    pub universal: Option<Fit>,
}

impl Fits {
    /// Which of the two the points ask for: the universal law if its κ is surely above 0, and
    /// Amdahl's, which is simpler, otherwise.
    pub fn asked_for(&self) -> &Fit {
        let universal = self.universal.as_ref();
        let needed = universal.filter(|fit| fit.coherence.low > 0.0);
        needed.unwrap_or(&self.amdahl)
    }
}

/// Why there is no law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFit {
    /// Too few different numbers of replicas.
    #[error("{found} different numbers of replicas; allowed: {least} or more")]
    TooFew {
        /// So many were there.
        found: usize,
        /// So many are needed.
        least: usize,
    },
    /// Numbers so large or so small that they can't be computed with.
    #[error("the points can't be told apart; allowed: numbers of an ordinary size")]
    Degenerate,
}

/// Fits both laws to `points`; intervals are at `level`.
pub fn fits(points: &[Point], level: Confidence) -> Result<Fits, NoFit> {
    let amdahl = fit(points, Law::Amdahl, level)?;
    let universal = match fit(points, Law::Universal, level) {
        Err(NoFit::TooFew { .. }) => None,
        fit => Some(fit?),
    };
    Ok(Fits { amdahl, universal })
}

fn fit(points: &[Point], law: Law, level: Confidence) -> Result<Fit, NoFit> {
    let found: BTreeSet<_> = points.iter().map(|point| point.replicas).collect();
    let (found, least) = (found.len(), law.least_points());
    if found < least {
        return Err(NoFit::TooFew { found, least });
    }
    let ([a, b, c], distance) = bounded(points, law).ok_or(NoFit::Degenerate)?;
    let (free, covariance) = free(points, law).ok_or(NoFit::Degenerate)?;
    let spread = Spread {
        free,
        covariance,
        z: level.two_sided_z(),
    };
    let none = Estimate {
        value: 0.0,
        low: 0.0,
        high: Some(0.0),
    };
    let share = |place: usize| spread.share(place).ok_or(NoFit::Degenerate);
    Ok(Fit {
        law,
        single: inverse(a, spread.of(0)),
        contention: share(1)?.around(b / a, 1.0),
        coherence: match law {
            Law::Amdahl => none,
            Law::Universal => share(2)?.around(c / a, f64::INFINITY),
        },
        ceiling: (law == Law::Amdahl && b > 0.0).then(|| inverse(b, spread.of(1))),
        peak: (c > 0.0).then(|| spread.peak([a, b, c])),
        agrees: agrees(distance, points.len() + 1 - least),
        level,
    })
}

/// Whether so large a distance comes by chance more often than once in a thousand times.
fn agrees(distance: f64, freedom: usize) -> bool {
    const ONCE_IN_A_THOUSAND: f64 = 1e-3;
    let law = ChiSquared::new(freedom as f64);
    law.is_ok_and(|law| law.sf(distance) > ONCE_IN_A_THOUSAND)
}

/// One over a parameter that lies between two ends.
fn inverse(value: f64, (low, high): (f64, f64)) -> Estimate {
    Estimate {
        value: 1.0 / value,
        low: 1.0 / high.max(value),
        high: (low > 0.0).then(|| 1.0 / low.min(value)),
    }
}

/// The ends of an interval.
struct Ends(f64, f64);

impl Ends {
    /// Cut off at 0 and at `most`, where the estimate may lie.
    fn around(&self, value: f64, most: f64) -> Estimate {
        Estimate {
            value,
            low: self.0.clamp(0.0, value),
            high: Some(self.1.min(most).max(value)),
        }
    }
}

/// How far the parameters may be from where they would be without bounds.
struct Spread {
    free: Parameters,
    covariance: Matrix,
    z: f64,
}

impl Spread {
    /// The ends of the parameter at that place.
    fn of(&self, place: usize) -> (f64, f64) {
        let half = self.z * self.covariance[place][place].sqrt();
        (self.free[place] - half, self.free[place] + half)
    }

    /// The standard error of a sum of the parameters with these factors; none if it can't be
    /// computed.
    fn deviation(&self, factors: [f64; 3]) -> Option<f64> {
        let row = |i: usize| {
            let product = |j: usize| factors[i] * factors[j] * self.covariance[i][j];
            (0..3).map(product).sum::<f64>()
        };
        let variance = (0..3).map(row).sum::<f64>();
        variance.is_finite().then(|| variance.max(0.0).sqrt())
    }

    /// The ends of the parameter at that place as a share of the first.
    fn share(&self, place: usize) -> Option<Ends> {
        let (first, other) = (self.free[0], self.free[place]);
        let mut slopes = [-other / (first * first), 0.0, 0.0];
        slopes[place] = 1.0 / first;
        let half = self.z * self.deviation(slopes)?;
        Some(Ends(other / first - half, other / first + half))
    }

    /// √((1 − σ)/κ) = √((a − b)/c). Nobody has less than one replica.
    fn peak(&self, [a, b, c]: Parameters) -> Estimate {
        let value = ((a - b) / c).max(1.0).sqrt();
        let (low, high) = self.gain_by_coherence();
        Estimate {
            value,
            low: low.max(1.0).sqrt().min(value),
            high: high.map(|high| high.max(1.0).sqrt().max(value)),
        }
    }

    /// Between which ends (a − b)/c lies: all g for which a − b − gc may be 0 (Fieller 1954,
    /// *Some problems in interval estimation*). Exact near 0 as well; without an upper end where
    /// c may be 0, and without a lower one where a − b may be as well.
    fn gain_by_coherence(&self) -> (f64, Option<f64>) {
        let ([a, b, c], of) = (self.free, &self.covariance);
        let (gain, sure) = (a - b, self.z * self.z);
        let square = c * c - sure * of[2][2];
        let half = gain * c - sure * (of[0][2] - of[1][2]);
        let constant = gain * gain - sure * (of[0][0] - 2.0 * of[0][1] + of[1][1]);
        let root = (half * half - square * constant).max(0.0).sqrt();
        if c > 0.0 && square > 0.0 {
            let high = (half + root) / square;
            (
                (half - root) / square,
                Some(high).filter(|it| it.is_finite()),
            )
        } else if gain > 0.0 && constant > 0.0 {
            // Of two roots with different signs the one above 0.
            (constant / (half + root), None)
        } else {
            (0.0, None)
        }
    }
}
