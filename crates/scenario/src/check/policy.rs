//! `[policy]`: what is written becomes settings, and the settings check themselves.

use super::{Check, Checked};
use crate::{
    error::Problem,
    plan::Policy,
    raw::{RawBreaker, RawBudget, RawPolicy, RawRetry},
    schema,
    source::{Span, span_at},
};
use humantime::format_duration;
use resilience::{
    InvalidPolicy,
    circuit_breaker::{BreakerPolicy, BreakerSettings},
    retry::{BudgetSettings, RetryPolicy, RetrySettings},
};
use std::time::Duration;
use toml::{Spanned, de::DeTable};

const RETRY: &[&str] = &["policy", "retry"];
const BREAKER: &[&str] = &["policy", "breaker"];

impl Check<'_> {
    pub(super) fn policy(&mut self, policy: &RawPolicy) -> Checked<Policy> {
        let timeout = policy.attempt_timeout.as_ref();
        let attempt_timeout = self.optional_duration(&["policy", "attempt_timeout"], timeout);
        let deadline = self.optional_duration(&["policy", "deadline"], policy.deadline.as_ref());
        let retry = policy.retry.as_ref();
        let client_retries = retry.and_then(|retry| retry.get_ref().client) == Some(true);
        let retry = retry.map(|retry| self.retry(retry)).transpose();
        let breaker = policy.breaker.as_ref();
        let breaker = breaker.map(|breaker| self.breaker(breaker)).transpose();
        let policy = Policy {
            attempt_timeout: attempt_timeout?,
            deadline: deadline?,
            retry: retry?,
            client_retries,
            breaker: breaker?,
        };
        self.retries_fit(&policy)?;
        Ok(policy)
    }

    fn retry(&mut self, raw: &Spanned<RawRetry>) -> Checked<RetryPolicy> {
        let defaults = RetrySettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let retries = self.count(RETRY, "retries", raw.retries.as_ref(), defaults.retries);
        let backoff = self.span(RETRY, "backoff", raw.backoff.as_ref(), defaults.backoff);
        let longest = raw.max_backoff.as_ref();
        let max_backoff = self.span(RETRY, "max_backoff", longest, defaults.max_backoff);
        let budget = raw.budget.as_ref().map(|budget| self.budget(budget));
        let settings = RetrySettings {
            retries: retries?,
            backoff: backoff?,
            max_backoff: max_backoff?,
            propagated: raw.propagated.unwrap_or(defaults.propagated),
            budget: budget.transpose()?,
        };
        RetryPolicy::new(settings).or_else(|invalid| self.invalid(RETRY, table, &invalid))
    }

    fn budget(&mut self, raw: &RawBudget) -> Checked<BudgetSettings> {
        const BUDGET: &[&str] = &["policy", "retry", "budget"];
        let defaults = BudgetSettings::default();
        let capacity = raw.capacity.as_ref();
        Ok(BudgetSettings {
            ratio: raw.ratio.unwrap_or(defaults.ratio),
            floor: raw.floor.unwrap_or(defaults.floor),
            capacity: self.count(BUDGET, "capacity", capacity, defaults.capacity)?,
        })
    }

    fn breaker(&mut self, raw: &Spanned<RawBreaker>) -> Checked<BreakerPolicy> {
        let defaults = BreakerSettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let consecutive = raw.consecutive.as_ref();
        let consecutive = consecutive
            .map(|calls| self.count(BREAKER, "consecutive", Some(calls), 0))
            .transpose();
        let slow_call = raw.slow_call.as_ref();
        let slow_call = self.optional_duration(&[BREAKER, &["slow_call"]].concat(), slow_call);
        let mut count =
            |key, raw: &Option<_>, default| self.count(BREAKER, key, raw.as_ref(), default);
        let min_calls = count("min_calls", &raw.min_calls, defaults.min_calls);
        let probes = count("probes", &raw.probes, defaults.probes);
        let mut span =
            |key, raw: &Option<_>, default| self.span(BREAKER, key, raw.as_ref(), default);
        let window = span("window", &raw.window, defaults.window);
        let open = span("open", &raw.open, defaults.open);
        let max_open = span("max_open", &raw.max_open, defaults.max_open);
        let lease = span("lease", &raw.lease, defaults.lease);
        let cancelled = span(
            "cancelled_after",
            &raw.cancelled_after,
            defaults.cancelled_after,
        );
        let settings = BreakerSettings {
            failure_rate: raw.failure_rate,
            slow_rate: raw.slow_rate,
            slow_call: slow_call?,
            consecutive: consecutive?,
            window: window?,
            min_calls: min_calls?,
            open: open?,
            max_open: max_open?,
            jitter: raw.jitter.unwrap_or(defaults.jitter),
            probes: probes?,
            lease: lease?,
            cancelled_after: cancelled?,
        };
        BreakerPolicy::new(settings).or_else(|invalid| self.invalid(BREAKER, table, &invalid))
    }

    /// A policy whose attempts can't all take their time is a mistake, not a choice.
    fn retries_fit(&mut self, policy: &Policy) -> Checked<()> {
        let (Some(retry), Some(timeout), Some(deadline)) =
            (policy.retry, policy.attempt_timeout, policy.deadline)
        else {
            return Ok(());
        };
        retry
            .check_fits(Some(timeout), Some(deadline))
            .or_else(|invalid| {
                let attempts = retry.settings().retries + 1;
                let (timeout, deadline) = (format_duration(timeout), format_duration(deadline));
                let reason = format!(
                    "{attempts} attempts of {timeout} do not fit the deadline of {deadline}; allowed: {}",
                    invalid.allowed
                );
                self.disagree(RETRY, &invalid, reason)
            })
    }

    /// A whole number, or its default. Only that it can be a count is checked here.
    fn count(
        &mut self,
        table: &[&str],
        key: &str,
        stated: Option<&Spanned<i64>>,
        default: u32,
    ) -> Checked<u32> {
        let Some(stated) = stated else {
            return Ok(default);
        };
        u32::try_from(*stated.get_ref()).or_else(|_| self.refuse(&[table, &[key]].concat(), stated))
    }

    /// A duration, or its default.
    fn span(
        &mut self,
        table: &[&str],
        key: &str,
        stated: Option<&Spanned<String>>,
        default: Duration,
    ) -> Checked<Duration> {
        let duration = self.optional_duration(&[table, &[key]].concat(), stated);
        duration.map(|duration| duration.unwrap_or(default))
    }

    /// The settings refuse a value: the one that is written, or a default that does not go
    /// with what is.
    fn invalid<T>(&mut self, table: &[&str], at: Span, invalid: &InvalidPolicy) -> Checked<T> {
        let path = full(table, invalid);
        if let Some(span) = self.written(&path) {
            return self.refuse(&path, &Spanned::new(span, ()));
        }
        let (allowed, value) = (schema::allowed(&path), &invalid.value);
        let reason = format!("its default does not go with the rest; allowed: {allowed}");
        let (key, value) = (path.join("."), value.clone());
        self.report(at, Problem::Conflict { key, value, reason })
    }

    /// A value that is sound by itself does not go with others.
    fn disagree<T>(
        &mut self,
        table: &[&str],
        invalid: &InvalidPolicy,
        reason: String,
    ) -> Checked<T> {
        let path = full(table, invalid);
        let at = self.written(&path).or_else(|| self.written(table));
        let (key, value) = (path.join("."), invalid.value.clone());
        let problem = Problem::Conflict { key, value, reason };
        self.report(at.unwrap_or_default(), problem)
    }

    /// Where the value at `path` is written, if it is.
    fn written(&self, path: &[&str]) -> Option<Span> {
        let table = DeTable::parse(self.source.text()).ok()?;
        span_at(table.get_ref(), path)
    }
}

/// The path of the field that a policy refuses.
fn full<'a>(table: &[&'a str], invalid: &InvalidPolicy) -> Vec<&'a str> {
    let fields = invalid.field.split('.');
    table.iter().copied().chain(fields).collect()
}
