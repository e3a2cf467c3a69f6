//! What a service does about time and about callees that fail, and how that is replaced while
//! it runs.

use resilience::{
    InvalidPolicy, balance::BalancePolicy, bulkhead::LimitPolicy, cache::CachePolicy,
    circuit_breaker::BreakerPolicy, hedge::HedgePolicy, retry::RetryPolicy,
};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// What a service does about time, and about callees that fail or do not answer.
///
/// As JSON, limits are milliseconds, and what is absent or null is not done:
/// `{"attempt_timeout_ms":250,"retry":{"retries":1}}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawPolicy", into = "RawPolicy")]
pub struct Policy {
    /// How long one attempt may take; `None`: as long as it likes.
    pub attempt_timeout: Option<Duration>,
    /// The most time a request received may take; `None`: what its caller allows.
    pub deadline: Option<Duration>,
    /// Whether to try again; `None`: never.
    pub retry: Option<RetryPolicy>,
    /// When to stop calling for a while; `None`: never.
    pub breaker: Option<BreakerPolicy>,
    /// Which replica to call; `None`: any of them.
    pub balance: Option<BalancePolicy>,
    /// When to ask a second replica as well; `None`: never.
    pub hedge: Option<HedgePolicy>,
    /// How many calls of a replica may be under way at once; `None`: any number.
    pub bulkhead: Option<LimitPolicy>,
    /// How many requests received may be under way at once; `None`: what the service was
    /// started with.
    pub shed: Option<LimitPolicy>,
    /// How long to remember answers; `None`: not at all.
    pub cache: Option<CachePolicy>,
}

impl Policy {
    /// Refuses parts that can't be carried out together.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        let fits = |retry: RetryPolicy| retry.check_fits(self.attempt_timeout, self.deadline);
        self.retry.map_or(Ok(()), fits)
    }

    /// How calls are spread over replicas.
    pub(crate) fn balance(&self) -> BalancePolicy {
        self.balance.unwrap_or(BalancePolicy::PLAIN)
    }

    /// The breaker before each replica of a callee, unless one stands before all of them.
    pub(crate) fn own_breaker(&self) -> Option<BreakerPolicy> {
        self.breaker
            .filter(|_| !self.balance().settings().shared_breaker)
    }

    /// The breaker before all replicas of a callee, where that is wanted.
    pub(crate) fn shared_breaker(&self) -> Option<BreakerPolicy> {
        self.breaker
            .filter(|_| self.balance().settings().shared_breaker)
    }
}

/// The policy of a running service, shared by all its layers and by whoever changes it.
///
/// A call keeps the policy it began with; the next one has the new. What did not change keeps
/// its state: a circuit breaker its window, a retry budget its level. Whatever did change
/// begins anew.
#[derive(Debug, Clone, Default)]
pub struct PolicyControl(Arc<RwLock<Arc<Policy>>>);

impl PolicyControl {
    /// The policy in force.
    pub fn get(&self) -> Arc<Policy> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces it, for requests and calls that begin from now on.
    pub fn set(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

impl From<Policy> for PolicyControl {
    fn from(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }
}

/// A policy as it is written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct RawPolicy {
    attempt_timeout_ms: Value,
    deadline_ms: Value,
    retry: Option<RetryPolicy>,
    breaker: Option<BreakerPolicy>,
    balance: Option<BalancePolicy>,
    hedge: Option<HedgePolicy>,
    bulkhead: Option<LimitPolicy>,
    shed: Option<LimitPolicy>,
    cache: Option<CachePolicy>,
}

impl TryFrom<RawPolicy> for Policy {
    type Error = String;

    fn try_from(raw: RawPolicy) -> Result<Self, String> {
        let policy = Self {
            attempt_timeout: duration("attempt_timeout_ms", &raw.attempt_timeout_ms)?,
            deadline: duration("deadline_ms", &raw.deadline_ms)?,
            retry: raw.retry,
            breaker: raw.breaker,
            balance: raw.balance,
            hedge: raw.hedge,
            bulkhead: raw.bulkhead,
            shed: raw.shed,
            cache: raw.cache,
        };
        policy.check().map_err(|wrong| format!("retry.{wrong}"))?;
        Ok(policy)
    }
}

impl From<Policy> for RawPolicy {
    fn from(policy: Policy) -> Self {
        Self {
            attempt_timeout_ms: millis(policy.attempt_timeout),
            deadline_ms: millis(policy.deadline),
            retry: policy.retry,
            breaker: policy.breaker,
            balance: policy.balance,
            hedge: policy.hedge,
            bulkhead: policy.bulkhead,
            shed: policy.shed,
            cache: policy.cache,
        }
    }
}

/// The longest limit that can be set while a service runs.
const LONGEST_MS: f64 = 3_600_000.0;

fn duration(field: &str, value: &Value) -> Result<Option<Duration>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let fits = |ms: &f64| *ms > 0.0 && *ms <= LONGEST_MS;
    let limit = value.as_f64().filter(fits);
    let limit = limit.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
    match limit.filter(|limit| !limit.is_zero()) {
        Some(limit) => Ok(Some(limit)),
        None => Err(format!(
            "{field}: {value} can't be; allowed: a number of milliseconds above 0 and up to \
             {LONGEST_MS}, or null for none"
        )),
    }
}

/// Whole milliseconds without a fraction.
fn millis(limit: Option<Duration>) -> Value {
    let Some(limit) = limit else {
        return Value::Null;
    };
    let whole = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    if Duration::from_millis(whole) == limit {
        return whole.into();
    }
    Number::from_f64(limit.as_secs_f64() * 1e3).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_the_way_to_json_and_back() {
        for limits in [
            r#""attempt_timeout_ms":250,"deadline_ms":1000"#,
            r#""attempt_timeout_ms":0.5,"deadline_ms":null"#,
        ] {
            let parts = [
                "retry", "breaker", "balance", "hedge", "bulkhead", "shed", "cache",
            ];
            let parts = parts.map(|part| format!(r#""{part}":null"#)).join(",");
            let text = format!("{{{limits},{parts}}}");
            let policy: Policy = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&policy).unwrap(), text);
        }
        let text = r#"{"retry":{"retries":1,"budget":{"ratio":0.2}},"breaker":{"consecutive":5},
            "balance":{"pick":"random"},"hedge":{"delay":"20ms"},"bulkhead":{"max":8},
            "shed":{"max":64,"adaptive":true},"cache":{"fresh":"1s","stale":"10s"}}"#;
        let policy: Policy = serde_json::from_str(text).unwrap();
        let again = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&again).unwrap(), policy);
    }

    #[test]
    fn what_is_absent_or_null_is_not_done() {
        for text in ["{}", r#"{"retry":null,"deadline_ms":null}"#] {
            let policy: Policy = serde_json::from_str(text).unwrap();
            assert_eq!(policy, Policy::default());
        }
    }
}
