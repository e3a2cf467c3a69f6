//! How sure an interval is.

use crate::probability::Probability;
use serde::{Deserialize, Serialize};
use statrs::function::erf::{erfc, erfc_inv};
use std::{f64::consts::SQRT_2, fmt};

/// A level of confidence: a probability that is neither 0 nor 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

/// A number that is no level of confidence.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a level of confidence; allowed: above 0 and below 1")]
pub struct NotAConfidence(pub f64);

impl Confidence {
    /// 90 %.
    pub const P90: Self = Self(0.9);
    /// 95 %.
    pub const P95: Self = Self(0.95);
    /// 99 %: the level of the intervals that are shown, and of a first look.
    pub const P99: Self = Self(0.99);
    /// 99.9 %: the level at which a rerun is judged.
    pub const P999: Self = Self(0.999);

    /// The level `value`, if it is one.
    pub fn new(value: f64) -> Result<Self, NotAConfidence> {
        if value > 0.0 && value < 1.0 {
            Ok(Self(value))
        } else {
            Err(NotAConfidence(value))
        }
    }

    /// The level as a number between 0 and 1.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The level of two intervals that hold together at this one (Bonferroni).
    pub(crate) fn halved(self) -> Self {
        Self(f64::midpoint(self.0, 1.0))
    }

    /// The probability left on each side of a two-sided interval.
    pub(crate) const fn tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }

    /// How many standard errors a two-sided normal interval extends to each side.
    pub fn two_sided_z(self) -> f64 {
        quantile_above(self.tail())
    }

    /// The normal quantile of this level.
    pub(crate) fn one_sided_z(self) -> f64 {
        quantile_above(1.0 - self.0)
    }
}

/// The point that a standard normal variable exceeds with probability `tail`.
fn quantile_above(tail: f64) -> f64 {
    SQRT_2 * erfc_inv(2.0 * tail)
}

/// The probability that a standard normal variable stays below `z`.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

impl TryFrom<f64> for Confidence {
    type Error = NotAConfidence;
    fn try_from(value: f64) -> Result<Self, NotAConfidence> {
        Self::new(value)
    }
}

impl From<Confidence> for f64 {
    fn from(level: Confidence) -> f64 {
        level.0
    }
}

impl From<Confidence> for Probability {
    fn from(level: Confidence) -> Self {
        crate::probability::nearest(level.0)
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ten digits hide the binary rounding of 99.9, and no level needs more.
        let percent = (self.0 * 1e10).round() / 1e8;
        f.pad(&format!("{percent} %"))
    }
}
