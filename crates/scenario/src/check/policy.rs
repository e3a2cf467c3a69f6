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

/// A table of settings: the way to it, and a byte in the table of its list, if it stands in one.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    table: &'static [&'static str],
    byte: usize,
}

impl At {
    /// `[policy]`, for the whole run.
    pub(super) const RUN: Self = Self {
        table: &["policy"],
        byte: 0,
    };

    /// `[phase.policy]` of the phase at `byte`.
    pub(super) const fn phase(byte: usize) -> Self {
        Self {
            table: &["phase", "policy"],
            byte,
        }
    }

    pub(super) fn path(self, rest: &[&'static str]) -> Vec<&'static str> {
        [self.table, rest].concat()
    }
}

impl Check<'_> {
    pub(super) fn policy(&mut self, at: At, policy: &RawPolicy) -> Checked<Policy> {
        let timeout = policy.attempt_timeout.as_ref();
        let attempt_timeout = self.optional_duration(&at.path(&["attempt_timeout"]), timeout);
        let deadline = policy.deadline.as_ref();
        let deadline = self.optional_duration(&at.path(&["deadline"]), deadline);
        let retry = policy.retry.as_ref();
        let client_retries = retry.and_then(|retry| retry.get_ref().client) == Some(true);
        let retry = retry.map(|retry| self.retry(at, retry)).transpose();
        let breaker = policy.breaker.as_ref();
        let breaker = breaker.map(|breaker| self.breaker(at, breaker)).transpose();
        let balance = policy.balance.as_ref();
        let balance = balance.map(|balance| self.balance(at, balance)).transpose();
        let hedge = policy.hedge.as_ref();
        let hedge = hedge.map(|hedge| self.hedge(at, hedge)).transpose();
        let mut limit = |key, raw: &Option<_>| {
            let raw = raw.as_ref();
            raw.map(|raw| self.limit(at, key, raw)).transpose()
        };
        let bulkhead = limit("bulkhead", &policy.bulkhead);
        let shed = limit("shed", &policy.shed);
        let cache = policy.cache.as_ref();
        let cache = cache.map(|cache| self.cache(at, cache)).transpose();
        let policy = Policy {
            attempt_timeout: attempt_timeout?,
            deadline: deadline?,
            retry: retry?,
            client_retries,
            breaker: breaker?,
            balance: balance?,
            hedge: hedge?,
            bulkhead: bulkhead?,
            shed: shed?,
            cache: cache?,
        };
        self.retries_fit(at, &policy)?;
        Ok(policy)
    }

    fn retry(&mut self, at: At, raw: &Spanned<RawRetry>) -> Checked<RetryPolicy> {
        let path = &at.path(&["retry"]);
        let defaults = RetrySettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let retries = self.count(path, "retries", raw.retries.as_ref(), defaults.retries);
        let backoff = self.span(path, "backoff", raw.backoff.as_ref(), defaults.backoff);
        let longest = raw.max_backoff.as_ref();
        let max_backoff = self.span(path, "max_backoff", longest, defaults.max_backoff);
        let budget = raw.budget.as_ref();
        let budget = budget.map(|budget| self.budget(at, "retry", budget));
        let settings = RetrySettings {
            retries: retries?,
            backoff: backoff?,
            max_backoff: max_backoff?,
            propagated: raw.propagated.unwrap_or(defaults.propagated),
            budget: budget.transpose()?,
        };
        RetryPolicy::new(settings).or_else(|invalid| self.invalid(at, path, table, &invalid))
    }

    /// The budget of retries, or of hedges.
    pub(super) fn budget(
        &mut self,
        at: At,
        of: &'static str,
        raw: &RawBudget,
    ) -> Checked<BudgetSettings> {
        let path = &at.path(&[of, "budget"]);
        let defaults = BudgetSettings::default();
        let capacity = raw.capacity.as_ref();
        Ok(BudgetSettings {
            ratio: raw.ratio.unwrap_or(defaults.ratio),
            floor: raw.floor.unwrap_or(defaults.floor),
            capacity: self.count(path, "capacity", capacity, defaults.capacity)?,
        })
    }

    fn breaker(&mut self, at: At, raw: &Spanned<RawBreaker>) -> Checked<BreakerPolicy> {
        let path = &at.path(&["breaker"]);
        let defaults = BreakerSettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let consecutive = raw.consecutive.as_ref();
        let consecutive = consecutive
            .map(|calls| self.count(path, "consecutive", Some(calls), 0))
            .transpose();
        let slow_call = raw.slow_call.as_ref();
        let slow_call = self.optional_duration(&at.path(&["breaker", "slow_call"]), slow_call);
        let mut count =
            |key, raw: &Option<_>, default| self.count(path, key, raw.as_ref(), default);
        let min_calls = count("min_calls", &raw.min_calls, defaults.min_calls);
        let probes = count("probes", &raw.probes, defaults.probes);
        let mut span = |key, raw: &Option<_>, default| self.span(path, key, raw.as_ref(), default);
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
        BreakerPolicy::new(settings).or_else(|invalid| self.invalid(at, path, table, &invalid))
    }

    /// A policy whose attempts can't all take their time is a mistake, not a choice.
    fn retries_fit(&mut self, at: At, policy: &Policy) -> Checked<()> {
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
                self.disagree(at, &invalid, reason)
            })
    }

    /// A whole number, or its default. Only that it can be a count is checked here.
    pub(super) fn count(
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
    pub(super) fn span(
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
    pub(super) fn invalid<T>(
        &mut self,
        at: At,
        table: &[&str],
        place: Span,
        invalid: &InvalidPolicy,
    ) -> Checked<T> {
        let path = full(table, invalid);
        if let Some(span) = self.written(&path, at.byte) {
            return self.refuse(&path, &Spanned::new(span, ()));
        }
        let (allowed, value) = (schema::allowed(&path), &invalid.value);
        let reason = format!("its default does not go with the rest; allowed: {allowed}");
        let (key, value) = (path.join("."), value.clone());
        self.report(place, Problem::Conflict { key, value, reason })
    }

    /// A retry setting that is sound by itself does not go with others.
    fn disagree<T>(&mut self, at: At, invalid: &InvalidPolicy, reason: String) -> Checked<T> {
        let table = at.path(&["retry"]);
        let path = full(&table, invalid);
        let stated = self.written(&path, at.byte);
        let place = stated.or_else(|| self.written(&table, at.byte));
        let (key, value) = (path.join("."), invalid.value.clone());
        let problem = Problem::Conflict { key, value, reason };
        self.report(place.unwrap_or_default(), problem)
    }

    /// Where the value at `path` is written, if it is. Of a list, in the table that has `byte`.
    fn written(&self, path: &[&str], byte: usize) -> Option<Span> {
        let table = DeTable::parse(self.source.text()).ok()?;
        match &self.variant {
            Some(variant) if path.first().is_some_and(|table| variant.has(table)) => {
                let path = [&["compare"], path].concat();
                span_at(table.get_ref(), &path, variant.byte)
            }
            _ => span_at(table.get_ref(), path, byte),
        }
    }
}

/// The path of the field that a policy refuses.
fn full<'a>(table: &[&'a str], invalid: &InvalidPolicy) -> Vec<&'a str> {
    let fields = invalid.field.split('.');
    table.iter().copied().chain(fields).collect()
}
