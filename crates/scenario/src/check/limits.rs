//! `[policy.hedge]`, `[policy.bulkhead]`, `[policy.shed]` and `[policy.cache]`.

use super::{Check, Checked, policy::At};
use crate::raw::{RawCache, RawHedge, RawLimit};
use resilience::{
    bulkhead::{LimitPolicy, LimitSettings},
    cache::{CachePolicy, CacheSettings},
    hedge::{HedgePolicy, HedgeSettings},
};
use toml::Spanned;

impl Check<'_> {
    pub(super) fn hedge(&mut self, at: At, raw: &Spanned<RawHedge>) -> Checked<HedgePolicy> {
        let path = &at.path(&["hedge"]);
        let defaults = HedgeSettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let delay = self.span(path, "delay", raw.delay.as_ref(), defaults.delay);
        let budget = raw.budget.as_ref();
        let budget = budget.map_or(Ok(defaults.budget), |raw| self.budget(at, "hedge", raw));
        let settings = HedgeSettings {
            delay: delay?,
            quantile: raw.quantile,
            budget: budget?,
        };
        HedgePolicy::new(settings).or_else(|invalid| self.invalid(at, path, table, &invalid))
    }

    /// The limit on calls to one replica, or on requests that come in.
    pub(super) fn limit(
        &mut self,
        at: At,
        key: &'static str,
        raw: &Spanned<RawLimit>,
    ) -> Checked<LimitPolicy> {
        let path = &at.path(&[key]);
        let defaults = LimitSettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let max = self.count(path, "max", raw.max.as_ref(), defaults.max);
        let min = raw.min.as_ref();
        let min = min
            .map(|min| self.count(path, "min", Some(min), 0))
            .transpose();
        let wait = self.optional_duration(&at.path(&[key, "wait"]), raw.wait.as_ref());
        let settings = LimitSettings {
            max: max?,
            adaptive: raw.adaptive.unwrap_or(defaults.adaptive),
            min: min?,
            wait: wait?,
        };
        LimitPolicy::new(settings).or_else(|invalid| self.invalid(at, path, table, &invalid))
    }

    pub(super) fn cache(&mut self, at: At, raw: &Spanned<RawCache>) -> Checked<CachePolicy> {
        let path = &at.path(&["cache"]);
        let defaults = CacheSettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let fresh = self.span(path, "fresh", raw.fresh.as_ref(), defaults.fresh);
        let stale = self.optional_duration(&at.path(&["cache", "stale"]), raw.stale.as_ref());
        let capacity = raw.capacity.as_ref();
        let capacity = capacity.map_or(Ok(defaults.capacity), |stated| {
            let number = u64::try_from(*stated.get_ref());
            number.or_else(|_| self.refuse(&at.path(&["cache", "capacity"]), stated))
        });
        let settings = CacheSettings {
            fresh: fresh?,
            stale: stale?,
            capacity: capacity?,
        };
        CachePolicy::new(settings).or_else(|invalid| self.invalid(at, path, table, &invalid))
    }
}
