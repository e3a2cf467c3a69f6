//! When a breaker opens, for how long, and what it takes to close it again.

use crate::policy::{InvalidPolicy, human, human_option, show};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The settings of [`BreakerPolicy`], not checked yet.
///
/// A breaker opens by any of three rules: the share of failures in a window of time, the
/// share of slow calls in it, or failures in a row. Without any of them, the share of
/// failures counts, at one half. The module says why the defaults are what they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Opens when at least this share of the window's calls has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_rate: Option<f64>,
    /// Opens when at least this share of the window's calls was slow, whether they failed or
    /// not; it needs `slow_call`. A probe that is slow then counts as failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_rate: Option<f64>,
    /// A call that takes at least so long is slow.
    #[serde(with = "human_option", skip_serializing_if = "Option::is_none")]
    pub slow_call: Option<Duration>,
    /// Opens after so many failures in a row. A failure of a call that was sent before the
    /// last success came says nothing new, and does not count, so this rule notices a callee
    /// that hangs always, and not one that hangs mostly: for that there are the shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive: Option<u32>,
    /// How far back the shares look, to within a tenth.
    #[serde(with = "human")]
    pub window: Duration,
    /// Fewer calls in the window than these say nothing.
    pub min_calls: u32,
    /// How long it stays open at first; doubles each time a probe fails, up to 15 times.
    #[serde(with = "human")]
    pub open: Duration,
    /// The longest it stays open.
    #[serde(with = "human")]
    pub max_open: Duration,
    /// The share of the open time that is drawn at random, so that many breakers do not
    /// probe at once: at 0.2 it is 80 to 100 % of what the doubling says.
    pub jitter: f64,
    /// How many calls may probe when it is half-open, and must succeed to close it.
    pub probes: u32,
    /// When nothing was heard of a probe for so long, it has failed.
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
    /// The policy with these settings; without any rule, with the share of failures at one
    /// half.
    pub fn new(mut settings: BreakerSettings) -> Result<Self, InvalidPolicy> {
        settings.check_rules()?;
        settings.check_times()?;
        settings.check_numbers()?;
        let BreakerSettings {
            failure_rate,
            slow_rate,
            consecutive,
            ..
        } = &mut settings;
        if slow_rate.is_none() && consecutive.is_none() {
            failure_rate.get_or_insert(DEFAULT_FAILURE_RATE);
        }
        Ok(Self(settings))
    }

    /// Its settings.
    pub const fn settings(&self) -> &BreakerSettings {
        &self.0
    }
}

/// Half of the calls: below it, more of them are answered than not.
const DEFAULT_FAILURE_RATE: f64 = 0.5;
const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);
/// As many as the state has room to count.
const MOST_PROBES: u32 = super::state::MOST_PROBES as u32;
/// Far more than help, and few enough to be counted beside two times in one word.
const MOST_IN_A_ROW: u32 = 10_000;
const MOST_CALLS: u32 = 1_000_000;

impl BreakerSettings {
    fn check_rules(&self) -> Result<(), InvalidPolicy> {
        for (field, rate) in [
            ("failure_rate", self.failure_rate),
            ("slow_rate", self.slow_rate),
        ] {
            if let Some(rate) = rate
                && !(rate > 0.0 && rate <= 1.0)
            {
                let allowed = "a number above 0 and up to 1; leave it out for no such rule";
                return Err(InvalidPolicy::new(field, rate, allowed));
            }
        }
        match (self.slow_rate, self.slow_call) {
            (Some(rate), None) => {
                let allowed = "only together with `slow_call`, which says what is slow";
                Err(InvalidPolicy::new("slow_rate", rate, allowed))
            }
            (None, Some(slow)) => {
                let allowed = "only together with `slow_rate`, which says how many may be";
                Err(InvalidPolicy::new("slow_call", show(slow), allowed))
            }
            _ => Ok(()),
        }
    }

    fn check_times(&self) -> Result<(), InvalidPolicy> {
        check_time("slow_call", self.slow_call.unwrap_or(MS))?;
        check_time("open", self.open)?;
        check_time("lease", self.lease)?;
        check_time("cancelled_after", self.cancelled_after)?;
        if !(10 * MS..=HOUR).contains(&self.window) {
            let allowed = "a duration from 10ms to 1h";
            return Err(InvalidPolicy::new("window", show(self.window), allowed));
        }
        if !(self.open..=HOUR).contains(&self.max_open) {
            let allowed = "a duration not below `open` and up to 1h";
            return Err(InvalidPolicy::new("max_open", show(self.max_open), allowed));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), InvalidPolicy> {
        if !(0.0..=1.0).contains(&self.jitter) {
            let allowed = "a number from 0 to 1: a share of the open time";
            return Err(InvalidPolicy::new("jitter", self.jitter, allowed));
        }
        if !(1..=MOST_CALLS).contains(&self.min_calls) {
            let allowed = "a whole number from 1 to 1000000";
            return Err(InvalidPolicy::new("min_calls", self.min_calls, allowed));
        }
        if !(1..=MOST_PROBES).contains(&self.probes) {
            let allowed = "a whole number from 1 to 15";
            return Err(InvalidPolicy::new("probes", self.probes, allowed));
        }
        match self.consecutive {
            Some(failures) if !(1..=MOST_IN_A_ROW).contains(&failures) => {
                let allowed = "a whole number from 1 to 10000; leave it out for no such rule";
                Err(InvalidPolicy::new("consecutive", failures, allowed))
            }
            _ => Ok(()),
        }
    }
}

fn check_time(field: &'static str, time: Duration) -> Result<(), InvalidPolicy> {
    if (MS..=HOUR).contains(&time) {
        return Ok(());
    }
    let allowed = "a duration from 1ms to 1h";
    Err(InvalidPolicy::new(field, show(time), allowed))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut BreakerSettings)) -> String {
        let mut settings = BreakerSettings::default();
        change(&mut settings);
        BreakerPolicy::new(settings).unwrap_err().to_string()
    }

    #[test]
    fn a_bad_rule_is_refused_with_field_value_and_what_is_allowed() {
        let cases = [
            (
                refused(|s| s.failure_rate = Some(0.0)),
                "failure_rate: 0 can't be; allowed: a number above 0 and up to 1",
            ),
            (
                refused(|s| s.failure_rate = Some(f64::NAN)),
                "failure_rate: NaN",
            ),
            (refused(|s| s.failure_rate = Some(1.1)), "failure_rate: 1.1"),
            (
                refused(|s| s.slow_rate = Some(0.5)),
                "slow_rate: 0.5 can't be; allowed: only together with `slow_call`",
            ),
            (
                refused(|s| s.slow_call = Some(MS)),
                "slow_call: 1ms can't be; allowed: only together with `slow_rate`",
            ),
            (
                refused(|s| (s.slow_rate, s.slow_call) = (Some(0.5), Some(Duration::ZERO))),
                "slow_call: 0s can't be; allowed: a duration from 1ms to 1h",
            ),
            (refused(|s| s.consecutive = Some(0)), "consecutive: 0"),
            (
                refused(|s| s.consecutive = Some(10_001)),
                "consecutive: 10001",
            ),
        ];
        for (error, expected) in cases {
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_bad_time_or_number_is_refused_with_field_value_and_what_is_allowed() {
        let cases = [
            (refused(|s| s.window = 9 * MS), "window: 9ms"),
            (refused(|s| s.window = 2 * HOUR), "window: 2h"),
            (refused(|s| s.open = Duration::ZERO), "open: 0s"),
            (
                refused(|s| s.max_open = 999 * MS),
                "max_open: 999ms can't be; allowed: a duration not below `open` and up to 1h",
            ),
            (refused(|s| s.max_open = HOUR + MS), "max_open: 1h 1ms"),
            (refused(|s| s.lease = Duration::ZERO), "lease: 0s"),
            (
                refused(|s| s.cancelled_after = Duration::ZERO),
                "cancelled_after: 0s",
            ),
            (refused(|s| s.jitter = -0.1), "jitter: -0.1"),
            (refused(|s| s.jitter = f64::NAN), "jitter: NaN"),
            (refused(|s| s.min_calls = 0), "min_calls: 0"),
            (refused(|s| s.probes = 0), "probes: 0"),
            (
                refused(|s| s.probes = 16),
                "probes: 16 can't be; allowed: a whole number from 1 to 15",
            ),
        ];
        for (error, expected) in cases {
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_largest_and_smallest_settings_can_be() {
        let all = BreakerSettings {
            failure_rate: Some(1.0),
            slow_rate: Some(f64::MIN_POSITIVE),
            slow_call: Some(HOUR),
            consecutive: Some(MOST_IN_A_ROW),
            window: HOUR,
            min_calls: MOST_CALLS,
            open: HOUR,
            max_open: HOUR,
            jitter: 1.0,
            probes: MOST_PROBES,
            lease: HOUR,
            cancelled_after: HOUR,
        };
        assert!(BreakerPolicy::new(all).is_ok());
        let least = BreakerSettings {
            consecutive: Some(1),
            window: 10 * MS,
            min_calls: 1,
            open: MS,
            max_open: MS,
            jitter: 0.0,
            probes: 1,
            lease: MS,
            cancelled_after: MS,
            ..BreakerSettings::default()
        };
        assert!(BreakerPolicy::new(least).is_ok());
    }

    #[test]
    fn without_a_rule_half_of_the_calls_must_fail_and_with_one_it_is_the_only_one() {
        let policy = BreakerPolicy::new(BreakerSettings::default()).unwrap();
        assert_eq!(policy.settings().failure_rate, Some(0.5));
        let settings = BreakerSettings {
            consecutive: Some(5),
            ..BreakerSettings::default()
        };
        let policy = BreakerPolicy::new(settings).unwrap();
        assert_eq!(policy.settings().failure_rate, None);
    }

    #[test]
    fn settings_are_written_as_people_write_them_and_read_back() {
        let text = r#"{"slow_rate":0.5,"slow_call":"250ms","window":"5s"}"#;
        let policy: BreakerPolicy = serde_json::from_str(text).unwrap();
        assert_eq!(policy.settings().slow_call, Some(250 * MS));
        let again = serde_json::to_string(&policy).unwrap();
        assert_eq!(
            serde_json::from_str::<BreakerPolicy>(&again).unwrap(),
            policy
        );
        let error = serde_json::from_str::<BreakerPolicy>(r#"{"jitter":2}"#).unwrap_err();
        assert!(error.to_string().contains("jitter: 2 can't be"), "{error}");
    }
}
