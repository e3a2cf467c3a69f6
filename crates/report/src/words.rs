//! Numbers in words: every one with its unit, every estimate with its interval.

use availability::{Interval, Probability};
use resilience::circuit_breaker::BreakerSettings;
use scenario::Policy;
use std::time::Duration;

/// A share in percent with two decimals: `96.06 %`.
pub fn percent(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

/// A probability in percent.
pub fn probability(value: Probability) -> String {
    percent(value.get())
}

/// An interval in percent: `95.70 – 96.38 %`.
pub fn interval(interval: &Interval) -> String {
    let (low, high) = (interval.low.get() * 100.0, interval.high.get() * 100.0);
    format!("{low:.2} – {high:.2} %")
}

/// A count with its thousands apart: `20,000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups = groups.map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// A time in milliseconds, in the unit that suits it: `3.2 ms`, `5.00 s`.
pub fn millis(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

/// A duration without needless digits: `250 ms`, `1 s`.
pub fn duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{} s", duration.as_secs_f64())
    }
}

/// What is done about failures, in a few words; each part on a line of its own if need be.
pub fn policy(policy: &Policy) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(timeout) = policy.attempt_timeout {
        parts.push(format!("time-out {}", duration(timeout)));
    }
    if let Some(deadline) = policy.deadline {
        parts.push(format!("deadline {}", duration(deadline)));
    }
    if let Some(retry) = &policy.retry {
        let settings = retry.settings();
        let what = if settings.propagated {
            "of all failures"
        } else {
            "where it failed"
        };
        let plural = if settings.retries == 1 { "y" } else { "ies" };
        parts.push(format!("{} retr{plural} {what}", settings.retries));
        if policy.client_retries {
            parts.push("by the client too".to_owned());
        }
        if let Some(budget) = &settings.budget {
            let (share, saved) = (budget.ratio * 100.0, budget.capacity);
            parts.push(format!("budget {share} % and {saved}"));
        }
    }
    if let Some(breaker) = &policy.breaker {
        parts.push(format!("circuit breaker ({})", rules(breaker.settings())));
    }
    if parts.is_empty() {
        parts.push("nothing".to_owned());
    }
    parts
}

/// What opens a breaker.
fn rules(settings: &BreakerSettings) -> String {
    let in_a_row = settings.consecutive.map(|most| format!("{most} in a row"));
    let share = |rate: Option<f64>, of: &str| rate.map(|rate| format!("{} % {of}", rate * 100.0));
    let rules = [
        in_a_row,
        share(settings.failure_rate, "failed"),
        share(settings.slow_rate, "slow"),
    ];
    let rules: Vec<_> = rules.into_iter().flatten().collect();
    rules.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_units_and_thousands_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.960_596_01), "96.06 %");
        assert_eq!(millis(3.21), "3.2 ms");
        assert_eq!(millis(5000.0), "5.00 s");
    }
}
