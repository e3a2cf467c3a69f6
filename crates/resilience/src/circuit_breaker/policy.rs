//! When a breaker opens, for how long, and what it takes to close it again.

use crate::policy::{InvalidPolicy, human, human_option};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The settings of [`BreakerPolicy`], not checked yet.
///
/// A breaker opens by any of three rules: the share of failures in a window of time, the
/// share of slow calls in it, or failures in a row. Without any of them, the share of
/// failures counts, at one half.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Opens when this share of the window's calls has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_rate: Option<f64>,
    /// Opens when this share of the window's calls was slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_rate: Option<f64>,
    /// A call that takes at least so long is slow.
    #[serde(with = "human_option", skip_serializing_if = "Option::is_none")]
    pub slow_call: Option<Duration>,
    /// Opens after so many failures in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive: Option<u32>,
    /// How far back the shares look.
    #[serde(with = "human")]
    pub window: Duration,
    /// Fewer calls in the window than these say nothing.
    pub min_calls: u32,
    /// How long it stays open at first; doubles each time a probe fails.
    #[serde(with = "human")]
    pub open: Duration,
    /// The longest it stays open.
    #[serde(with = "human")]
    pub max_open: Duration,
    /// The share of the open time that is drawn at random, so that many breakers do not
    /// probe at once.
    pub jitter: f64,
    /// How many calls probe at once when it is half-open, and must succeed to close it.
    pub probes: u32,
    /// A probe not heard of for so long has failed.
    #[serde(with = "human")]
    pub lease: Duration,
    /// A call given up by its caller after at least so long has failed; before, it says nothing.
    #[serde(with = "human")]
    pub cancelled_after: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failure_rate: None,
            slow_rate: None,
            slow_call: None,
            consecutive: None,
            window: Duration::from_secs(10),
            min_calls: 20,
            open: Duration::from_secs(1),
            max_open: Duration::from_secs(30),
            jitter: 0.2,
            probes: 3,
            lease: Duration::from_secs(10),
            cancelled_after: Duration::from_secs(1),
        }
    }
}

/// When to stop calling a failing callee. Made from [`BreakerSettings`], which says what
/// each means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BreakerSettings", into = "BreakerSettings")]
pub struct BreakerPolicy(BreakerSettings);

impl BreakerPolicy {
    /// The policy with these settings.
    pub fn new(settings: BreakerSettings) -> Result<Self, InvalidPolicy> {
        Ok(Self(settings))
    }

    /// Its settings.
    pub const fn settings(&self) -> &BreakerSettings {
        &self.0
    }
}

impl TryFrom<BreakerSettings> for BreakerPolicy {
    type Error = InvalidPolicy;
    fn try_from(settings: BreakerSettings) -> Result<Self, InvalidPolicy> {
        Self::new(settings)
    }
}

impl From<BreakerPolicy> for BreakerSettings {
    fn from(policy: BreakerPolicy) -> Self {
        policy.0
    }
}
