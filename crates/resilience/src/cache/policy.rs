//! How long an answer may be used again.

use crate::policy::{InvalidPolicy, human, human_option, show};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The settings of [`CachePolicy`], not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// For so long an answer is as good as a new one, and nobody is asked.
    ///
    /// A second by default: whoever reads the same thing more often than that is spared most
    /// calls, and hardly anything that people look at changes faster.
    #[serde(with = "human")]
    pub fresh: Duration,
    /// For so long after that it still stands in for a failure; none: not at all.
    #[serde(with = "human_option", skip_serializing_if = "Option::is_none")]
    pub stale: Option<Duration>,
    /// The most answers that are kept.
    pub capacity: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(1),
            stale: None,
            capacity: 10_000,
        }
    }
}

/// How long an answer may be used again. Made from [`CacheSettings`], which says what each
/// means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "CacheSettings", into = "CacheSettings")]
pub struct CachePolicy(CacheSettings);

const MS: Duration = Duration::from_millis(1);
/// An outage that lasts longer is no reason to show what was true a week ago.
const WEEK: Duration = Duration::from_hours(7 * 24);
/// A hundred times more than fit into memory in most cases.
const MOST: u64 = 100_000_000;

impl CachePolicy {
    /// The policy with these settings.
    pub fn new(settings: CacheSettings) -> Result<Self, InvalidPolicy> {
        let CacheSettings {
            fresh,
            stale,
            capacity,
        } = settings;
        let times = [("fresh", Some(fresh)), ("stale", stale)];
        for (field, time) in times {
            if let Some(time) = time
                && !(MS..=WEEK).contains(&time)
            {
                let allowed = "a duration from 1ms to 7days";
                return Err(InvalidPolicy::new(field, show(time), allowed));
            }
        }
        if !(1..=MOST).contains(&capacity) {
            let allowed = "a whole number from 1 to 100000000; leave the policy out for no cache";
            return Err(InvalidPolicy::new("capacity", capacity, allowed));
        }
        Ok(Self(settings))
    }

    /// Its settings.
    pub const fn settings(&self) -> &CacheSettings {
        &self.0
    }
}

impl TryFrom<CacheSettings> for CachePolicy {
    type Error = InvalidPolicy;
    fn try_from(settings: CacheSettings) -> Result<Self, InvalidPolicy> {
        Self::new(settings)
    }
}

impl From<CachePolicy> for CacheSettings {
    fn from(policy: CachePolicy) -> Self {
        policy.0
    }
}
