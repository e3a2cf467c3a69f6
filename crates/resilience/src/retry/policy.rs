//! How often to try again, how long to pause, and how much load that may add.

use crate::policy::{InvalidPolicy, human, show};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The settings of [`RetryPolicy`], not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How often a failed call is tried again at most.
    ///
    /// Two by default: three attempts turn 10 % transient failures into 0.1 %, and each
    /// layer of retries multiplies the load of the one above, so more is seldom worth it
    /// (Google SRE and the AWS SDKs make three attempts as well).
    pub retries: u32,
    /// The longest pause before the first retry; it doubles for each further one.
    #[serde(with = "human")]
    pub backoff: Duration,
    /// The longest pause of all.
    #[serde(with = "human")]
    pub max_backoff: Duration,
    /// Whether failures that came from further down are tried again too.
    pub propagated: bool,
    /// The load that retries may add; none: as much as they like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSettings>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            retries: 2,
            backoff: Duration::from_millis(25),
            max_backoff: Duration::from_secs(1),
            propagated: false,
            budget: None,
        }
    }
}

/// The settings of a retry budget, not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// Retries earned by each request that is sent.
    ///
    /// A tenth by default: retries then add at most 10 % to the load of each layer
    /// (Google SRE: 10 %; Envoy and linkerd: 20 %).
    pub ratio: f64,
    /// Retries earned each second, whatever the load: without a floor, a service that is
    /// seldom called could never try again.
    pub floor: f64,
    /// The most retries that can be saved up, which is also how many there are at first. A
    /// retry of a call that an overloaded callee refused costs
    /// [two](super::PRICE_OF_OVERLOAD): with a capacity of 1 there are none of those.
    pub capacity: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            ratio: 0.1,
            floor: 1.0,
            capacity: 100,
        }
    }
}

/// When to try a failed call again. Made from [`RetrySettings`], which says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RetrySettings", into = "RetrySettings")]
pub struct RetryPolicy(RetrySettings);

impl RetryPolicy {
    /// The policy with these settings.
    pub fn new(settings: RetrySettings) -> Result<Self, InvalidPolicy> {
        let RetrySettings {
            retries,
            backoff,
            max_backoff,
            budget,
            ..
        } = settings;
        if !(1..=MOST_RETRIES).contains(&retries) {
            let allowed = "a whole number from 1 to 10; leave the policy out for none";
            return Err(InvalidPolicy::new("retries", retries, allowed));
        }
        if backoff.is_zero() || backoff > HOUR {
            let allowed = "a duration above zero and up to 1h";
            return Err(InvalidPolicy::new("backoff", show(backoff), allowed));
        }
        if max_backoff < backoff || max_backoff > HOUR {
            let allowed = "a duration not below `backoff` and up to 1h";
            return Err(InvalidPolicy::new(
                "max_backoff",
                show(max_backoff),
                allowed,
            ));
        }
        budget.as_ref().map_or(Ok(()), BudgetSettings::check)?;
        Ok(Self(settings))
    }

    /// Its settings.
    pub const fn settings(&self) -> &RetrySettings {
        &self.0
    }

    /// Refuses a policy whose attempts can't all take their time before the deadline, even
    /// without a pause between them.
    pub fn check_fits(
        &self,
        attempt_timeout: Option<Duration>,
        deadline: Option<Duration>,
    ) -> Result<(), InvalidPolicy> {
        let (Some(timeout), Some(deadline)) = (attempt_timeout, deadline) else {
            return Ok(());
        };
        if timeout.saturating_mul(self.0.retries + 1) > deadline {
            let allowed = "so many that (retries + 1) × attempt time-out fits the deadline";
            return Err(InvalidPolicy::new("retries", self.0.retries, allowed));
        }
        Ok(())
    }
}

const HOUR: Duration = Duration::from_hours(1);
/// More layers of this would multiply a failure's load by 11 each.
const MOST_RETRIES: u32 = 10;
/// Far above any use, and small enough to be counted in thousandths.
const MOST_TOKENS: f64 = 1_000_000.0;

impl BudgetSettings {
    pub(crate) fn check(&self) -> Result<(), InvalidPolicy> {
        if !(0.0..=1.0).contains(&self.ratio) {
            let allowed = "a number from 0 to 1: retries per request";
            return Err(InvalidPolicy::new("budget.ratio", self.ratio, allowed));
        }
        if !(0.0..=MOST_TOKENS).contains(&self.floor) {
            let allowed = "a number from 0 to 1000000: retries per second";
            return Err(InvalidPolicy::new("budget.floor", self.floor, allowed));
        }
        if !(1.0..=MOST_TOKENS).contains(&f64::from(self.capacity)) {
            let allowed = "a whole number from 1 to 1000000: retries";
            return Err(InvalidPolicy::new(
                "budget.capacity",
                self.capacity,
                allowed,
            ));
        }
        Ok(())
    }
}

impl TryFrom<RetrySettings> for RetryPolicy {
    type Error = InvalidPolicy;
    fn try_from(settings: RetrySettings) -> Result<Self, InvalidPolicy> {
        Self::new(settings)
    }
}

impl From<RetryPolicy> for RetrySettings {
    fn from(policy: RetryPolicy) -> Self {
        policy.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn refused(change: impl FnOnce(&mut RetrySettings)) -> String {
        let mut settings = RetrySettings {
            budget: Some(BudgetSettings::default()),
            ..RetrySettings::default()
        };
        assert!(RetryPolicy::new(settings).is_ok());
        change(&mut settings);
        RetryPolicy::new(settings).unwrap_err().to_string()
    }

    fn budget(settings: &mut RetrySettings) -> &mut BudgetSettings {
        settings.budget.as_mut().unwrap()
    }

    #[test]
    fn a_bad_policy_is_refused_with_field_value_and_what_is_allowed() {
        let cases = [
            (
                refused(|s| s.retries = 0),
                "retries: 0 can't be; allowed: a whole number from 1 to 10",
            ),
            (refused(|s| s.retries = 11), "retries: 11"),
            (
                refused(|s| s.backoff = Duration::ZERO),
                "backoff: 0s can't be; allowed: a duration above zero",
            ),
            (
                refused(|s| s.max_backoff = MS),
                "max_backoff: 1ms can't be; allowed: a duration not below `backoff`",
            ),
            (refused(|s| s.max_backoff = 2 * HOUR), "max_backoff: 2h"),
            (
                refused(|s| budget(s).ratio = 1.5),
                "budget.ratio: 1.5 can't be; allowed: a number from 0 to 1",
            ),
            (refused(|s| budget(s).ratio = f64::NAN), "budget.ratio: NaN"),
            (refused(|s| budget(s).floor = -1.0), "budget.floor: -1"),
            (refused(|s| budget(s).capacity = 0), "budget.capacity: 0"),
        ];
        for (error, expected) in cases {
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_retry_count_that_can_not_fit_the_deadline_is_refused() {
        let policy = RetryPolicy::new(RetrySettings::default()).unwrap();
        let fits = |timeout, deadline| policy.check_fits(timeout, deadline).is_ok();
        assert!(fits(Some(100 * MS), Some(300 * MS)));
        assert!(!fits(Some(101 * MS), Some(300 * MS)));
        assert!(fits(None, Some(MS)), "an attempt may be quick");
        assert!(fits(Some(HOUR), None));
        assert!(!fits(Some(Duration::MAX), Some(HOUR)));
    }

    #[test]
    fn settings_are_written_as_people_write_them_and_read_back() {
        let text = r#"{"retries":1,"backoff":"5ms","budget":{"ratio":0.2}}"#;
        let policy: RetryPolicy = serde_json::from_str(text).unwrap();
        assert_eq!(policy.settings().backoff, 5 * MS);
        assert_eq!(policy.settings().budget.unwrap().capacity, 100);
        let again = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<RetryPolicy>(&again).unwrap(), policy);
    }

    #[test]
    fn what_can_not_be_read_says_why() {
        for (text, expected) in [
            (r#"{"retries":99}"#, "retries: 99 can't be"),
            (r#"{"retry":1}"#, "unknown field `retry`"),
            (r#"{"backoff":"soon"}"#, "\"soon\", expected a duration"),
        ] {
            let error = serde_json::from_str::<RetryPolicy>(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
