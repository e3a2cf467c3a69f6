//! A range of availabilities that someone has promised.

use crate::probability::{Probability, nearest};
use serde::{Deserialize, Serialize};

/// A smallest and a largest availability, at least one of them stated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Limits", into = "Limits")]
pub struct Bounds {
    min: Option<Probability>,
    max: Option<Probability>,
}

/// Why two limits are no bounds.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidBounds {
    /// Neither is stated.
    #[error("neither min nor max is stated; allowed: either, or both")]
    Unbounded,
    /// The smallest is above the largest.
    #[error("min {min} is above max {max}; allowed: min up to max")]
    Crossed {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
}

impl Bounds {
    /// The bounds `min` and `max`, if they can be.
    pub fn new(min: Option<Probability>, max: Option<Probability>) -> Result<Self, InvalidBounds> {
        match (min, max) {
            (None, None) => Err(InvalidBounds::Unbounded),
            (Some(min), Some(max)) if min > max => Err(InvalidBounds::Crossed {
                min: min.get(),
                max: max.get(),
            }),
            _ => Ok(Self { min, max }),
        }
    }

    /// Anything up to `max`.
    pub const fn at_most(max: Probability) -> Self {
        Self {
            min: None,
            max: Some(max),
        }
    }

    /// Anything within `distance` of `value`.
    pub fn around(value: Probability, distance: Probability) -> Self {
        Self {
            min: Some(nearest(value.get() - distance.get())),
            max: Some(nearest(value.get() + distance.get())),
        }
    }

    /// The smallest availability allowed; 0 if none is stated.
    pub fn min(&self) -> Probability {
        self.min.unwrap_or(Probability::ZERO)
    }

    /// The largest availability allowed; 1 if none is stated.
    pub fn max(&self) -> Probability {
        self.max.unwrap_or(Probability::ONE)
    }

    /// The value within the bounds that is nearest to `value`.
    pub fn nearest(&self, value: Probability) -> Probability {
        if value < self.min() {
            self.min()
        } else if value > self.max() {
            self.max()
        } else {
            value
        }
    }

    /// Whether they allow every availability, so that no measurement can contradict them.
    pub fn hold_everything(&self) -> bool {
        self.min() == Probability::ZERO && self.max() == Probability::ONE
    }

    /// Whether `value` is allowed.
    pub fn contain(&self, value: Probability) -> bool {
        (self.min()..=self.max()).contains(&value)
    }
}

/// Bounds as they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<Probability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<Probability>,
}

impl TryFrom<Limits> for Bounds {
    type Error = InvalidBounds;
    fn try_from(Limits { min, max }: Limits) -> Result<Self, InvalidBounds> {
        Self::new(min, max)
    }
}

impl From<Bounds> for Limits {
    fn from(Bounds { min, max }: Bounds) -> Self {
        Self { min, max }
    }
}
