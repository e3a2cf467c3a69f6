//! When a second request is sent, and how much load that may add.

use crate::{
    policy::{InvalidPolicy, human, show},
    retry::BudgetSettings,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The settings of [`HedgePolicy`], not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HedgeSettings {
    /// How long the first answer may take before the request is sent once more. With a
    /// `quantile`, the shortest that this time becomes.
    #[serde(with = "human")]
    pub delay: Duration,
    /// Waits as long as this share of the answers took, as 0.95 for the slowest twentieth;
    /// none: `delay`, whatever they take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// The load that hedges may add. Where retries have a budget, they share theirs.
    pub budget: BudgetSettings,
}

impl Default for HedgeSettings {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(50),
            quantile: None,
            budget: BudgetSettings::default(),
        }
    }
}

/// When to send a request a second time. Made from [`HedgeSettings`], which says what each
/// means.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "HedgeSettings", into = "HedgeSettings")]
pub struct HedgePolicy(HedgeSettings);

const HOUR: Duration = Duration::from_hours(1);
const MS: Duration = Duration::from_millis(1);

impl HedgePolicy {
    /// The policy with these settings.
    pub fn new(settings: HedgeSettings) -> Result<Self, InvalidPolicy> {
        if !(MS..=HOUR).contains(&settings.delay) {
            let allowed = "a duration from 1ms to 1h: sooner, every request would be sent twice";
            return Err(InvalidPolicy::new("delay", show(settings.delay), allowed));
        }
        if let Some(quantile) = settings.quantile
            && !(quantile > 0.0 && quantile < 1.0)
        {
            let allowed = "a number above 0 and below 1; leave it out for a fixed delay";
            return Err(InvalidPolicy::new("quantile", quantile, allowed));
        }
        settings.budget.check()?;
        Ok(Self(settings))
    }

    /// Its settings.
    pub const fn settings(&self) -> &HedgeSettings {
        &self.0
    }
}

impl TryFrom<HedgeSettings> for HedgePolicy {
    type Error = InvalidPolicy;
    fn try_from(settings: HedgeSettings) -> Result<Self, InvalidPolicy> {
        Self::new(settings)
    }
}

impl From<HedgePolicy> for HedgeSettings {
    fn from(policy: HedgePolicy) -> Self {
        policy.0
    }
}
