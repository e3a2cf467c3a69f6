//! How many calls may be under way at once.

use crate::policy::{InvalidPolicy, human_option, show};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The settings of [`LimitPolicy`], not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// The most calls that are under way at once.
    ///
    /// A hundred by default: by Little's law enough for 10,000 calls a second of 10 ms each.
    pub max: u32,
    /// Whether the limit looks for the callee's capacity itself, between `min` and `max`.
    pub adaptive: bool,
    /// The lowest that an adaptive limit falls to; none: 4, or `max` if that is less.
    ///
    /// Below 4 there is no room for a queue, and a callee that works on one call at a time is
    /// idle between two. Lower values are for callees that fail with four calls at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// How long a call waits for room; none: not at all.
    #[serde(with = "human_option", skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max: 100,
            adaptive: false,
            min: None,
            wait: None,
        }
    }
}

impl LimitSettings {
    /// The lowest that an adaptive limit falls to.
    pub fn lowest(&self) -> u32 {
        self.min.unwrap_or(LOWEST.min(self.max))
    }
}

/// The lowest adaptive limit where none is stated. Its queue of √limit calls keeps the limit
/// from falling below 4 as long as a call takes at most twice as long as without a queue.
pub(super) const LOWEST: u32 = 4;

/// How many calls may be under way at once. Made from [`LimitSettings`], which says what
/// each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "LimitSettings", into = "LimitSettings")]
pub struct LimitPolicy(LimitSettings);

const HOUR: Duration = Duration::from_hours(1);
/// More than a process has sockets.
const MOST: u32 = 1_000_000;

impl LimitPolicy {
    /// The policy with these settings.
    pub fn new(settings: LimitSettings) -> Result<Self, InvalidPolicy> {
        let LimitSettings {
            max,
            adaptive,
            min,
            wait,
        } = settings;
        if !(1..=MOST).contains(&max) {
            let allowed = "a whole number from 1 to 1000000; leave the policy out for no limit";
            return Err(InvalidPolicy::new("max", max, allowed));
        }
        if let Some(min) = min.filter(|min| !(1..=max).contains(min)) {
            let allowed = "a whole number from 1 to `max`";
            return Err(InvalidPolicy::new("min", min, allowed));
        }
        if let Some(min) = min.filter(|_| !adaptive) {
            let allowed = "only with `adaptive`, for a fixed limit is `max`";
            return Err(InvalidPolicy::new("min", min, allowed));
        }
        match wait {
            Some(wait) if wait.is_zero() || wait > HOUR => {
                let allowed = "a duration above zero and up to 1h; leave it out for no waiting";
                Err(InvalidPolicy::new("wait", show(wait), allowed))
            }
            _ => Ok(Self(settings)),
        }
    }

    /// Its settings.
    pub const fn settings(&self) -> &LimitSettings {
        &self.0
    }
}

impl TryFrom<LimitSettings> for LimitPolicy {
    type Error = InvalidPolicy;
    fn try_from(settings: LimitSettings) -> Result<Self, InvalidPolicy> {
        Self::new(settings)
    }
}

impl From<LimitPolicy> for LimitSettings {
    fn from(policy: LimitPolicy) -> Self {
        policy.0
    }
}
