//! `[policy.balance]`: which replica a call goes to.

use super::{Check, Checked, policy::At};
use crate::raw::{RawBalance, RawCheck, RawEject, RawEjection};
use resilience::balance::{
    BalancePolicy, BalanceSettings, CheckSettings, EjectSettings, Pick, RetryTo,
};
use toml::Spanned;

impl Check<'_> {
    pub(super) fn balance(&mut self, at: At, raw: &Spanned<RawBalance>) -> Checked<BalancePolicy> {
        let path = &at.path(&["balance"]);
        let defaults = BalanceSettings::default();
        let (table, raw) = (raw.span(), raw.get_ref());
        let pick = self.pick(at, raw.pick.as_ref());
        let retry = self.retry_to(at, raw.retry.as_ref());
        let eject = match &raw.eject {
            None | Some(RawEjection::Switch(true)) => Ok(defaults.eject),
            Some(RawEjection::Switch(false)) => Ok(None),
            Some(RawEjection::Settings(eject)) => self.eject(at, eject).map(Some),
        };
        let check = raw.check.as_ref();
        let check = check.map(|check| self.heartbeats(at, check.get_ref()));
        let settings = BalanceSettings {
            pick: pick?,
            retry: retry?,
            eject: eject?,
            panic_below: raw.panic_below.unwrap_or(defaults.panic_below),
            check: check.transpose()?,
            shared_breaker: raw.shared_breaker.unwrap_or(defaults.shared_breaker),
        };
        BalancePolicy::new(settings).or_else(|invalid| self.invalid(at, path, table, &invalid))
    }

    fn pick(&mut self, at: At, word: Option<&Spanned<String>>) -> Checked<Pick> {
        let Some(word) = word else {
            return Ok(Pick::default());
        };
        match word.get_ref().as_str() {
            "less_loaded" => Ok(Pick::LessLoaded),
            "random" => Ok(Pick::Random),
            "first" => Ok(Pick::First),
            _ => self.refuse(&at.path(&["balance", "pick"]), word),
        }
    }

    fn retry_to(&mut self, at: At, word: Option<&Spanned<String>>) -> Checked<RetryTo> {
        let Some(word) = word else {
            return Ok(RetryTo::default());
        };
        match word.get_ref().as_str() {
            "another" => Ok(RetryTo::Another),
            "random" => Ok(RetryTo::Random),
            "same" => Ok(RetryTo::Same),
            _ => self.refuse(&at.path(&["balance", "retry"]), word),
        }
    }

    fn eject(&mut self, at: At, raw: &RawEject) -> Checked<EjectSettings> {
        let path = &at.path(&["balance", "eject"]);
        let defaults = EjectSettings::default();
        let consecutive = raw.consecutive.as_ref();
        let consecutive = self.count(path, "consecutive", consecutive, defaults.consecutive);
        let time = self.span(path, "time", raw.time.as_ref(), defaults.time);
        let max_time = self.span(path, "max_time", raw.max_time.as_ref(), defaults.max_time);
        Ok(EjectSettings {
            consecutive: consecutive?,
            time: time?,
            max_time: max_time?,
            max_share: raw.max_share.unwrap_or(defaults.max_share),
        })
    }

    fn heartbeats(&mut self, at: At, raw: &RawCheck) -> Checked<CheckSettings> {
        let path = &at.path(&["balance", "check"]);
        let defaults = CheckSettings::default();
        let every = self.span(path, "every", raw.every.as_ref(), defaults.every);
        let timeout = self.span(path, "timeout", raw.timeout.as_ref(), defaults.timeout);
        let misses = self.count(path, "misses", raw.misses.as_ref(), defaults.misses);
        let hits = self.count(path, "hits", raw.hits.as_ref(), defaults.hits);
        Ok(CheckSettings {
            every: every?,
            timeout: timeout?,
            misses: misses?,
            hits: hits?,
        })
    }
}
