//! Which replica a call goes to, and which ones are left out for a while.

use crate::policy::{InvalidPolicy, human, show, switch};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How a replica is picked from those that can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// Of two drawn at random, the one that is less loaded.
    #[default]
    LessLoaded,
    /// Any, all alike.
    Random,
    /// The active one, and no other until it is down: active-passive. Needs
    /// [`BalanceSettings::check`].
    First,
}

/// Where the second attempt of a call goes, be it a retry or a hedge, and any after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryTo {
    /// To a replica that this call has not tried yet, as long as there is one.
    #[default]
    Another,
    /// To any, wherever it has been before.
    Random,
    /// To the one it tried first.
    Same,
}

/// The settings of [`BalancePolicy`], not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BalanceSettings {
    /// How a replica is picked.
    pub pick: Pick,
    /// Where a call goes that has failed once.
    pub retry: RetryTo,
    /// When a replica that keeps failing is left out; none (`false`, where it is written):
    /// never.
    #[serde(with = "switch")]
    pub eject: Option<EjectSettings>,
    /// With a smaller share of usable replicas than this, all of them are used, for then
    /// those left would drown in the load of the others. 0: never.
    ///
    /// Envoy's panic threshold, and its default.
    pub panic_below: f64,
    /// Heartbeats; none (or `false`): a replica is never asked whether it is up.
    #[serde(with = "switch")]
    pub check: Option<CheckSettings>,
    /// One circuit breaker before all replicas instead of one for each, to show what that
    /// costs: it cuts off the healthy with the sick.
    pub shared_breaker: bool,
}

impl Default for BalanceSettings {
    fn default() -> Self {
        Self {
            eject: Some(EjectSettings::DEFAULT),
            pick: Pick::LessLoaded,
            retry: RetryTo::Another,
            ..Self::PLAIN
        }
    }
}

impl BalanceSettings {
    /// What a callee with several replicas gets if nobody says otherwise: chance alone
    /// decides, and nothing is learnt.
    pub const PLAIN: Self = Self {
        pick: Pick::Random,
        retry: RetryTo::Random,
        eject: None,
        panic_below: 0.5,
        check: None,
        shared_breaker: false,
    };
}

/// When a replica is left out because it keeps failing, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EjectSettings {
    /// After so many failures in a row. Five, as Envoy has it.
    pub consecutive: u32,
    /// For how long the first time; doubles with each further time.
    ///
    /// Ten seconds, not Envoy's thirty: most outages of a replica are restarts.
    #[serde(with = "human")]
    pub time: Duration,
    /// The longest time. After as long without an ejection, earlier ones are forgotten.
    #[serde(with = "human")]
    pub max_time: Duration,
    /// The largest share of the replicas that is left out at once, rounded down: of two
    /// replicas one, of three one. Never all of them. Half by default; the [module's
    /// docs](super) say why. A larger share needs a lower [`BalanceSettings::panic_below`].
    pub max_share: f64,
}

impl EjectSettings {
    const DEFAULT: Self = Self {
        consecutive: 5,
        time: Duration::from_secs(10),
        max_time: Duration::from_mins(5),
        max_share: 0.5,
    };
}

impl Default for EjectSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Heartbeats: how often a replica is asked whether it is up, and what its answers mean.
///
/// A replica that goes down at a random moment is known to be down after `misses` − ½
/// periods and one time-out, on average; with the defaults after 3 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckSettings {
    /// The period.
    #[serde(with = "human")]
    pub every: Duration,
    /// No answer within so long is a miss.
    #[serde(with = "human")]
    pub timeout: Duration,
    /// After so many misses in a row it is down.
    ///
    /// Three: of heartbeats that are lost one time in a hundred, three in a row are once in
    /// a million.
    pub misses: u32,
    /// After so many answers in a row it is up again.
    pub hits: u32,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            misses: 3,
            hits: 1,
        }
    }
}

/// How calls are spread over replicas. Made from [`BalanceSettings`], which says what each
/// means.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "BalanceSettings", into = "BalanceSettings")]
pub struct BalancePolicy(BalanceSettings);

impl BalancePolicy {
    /// [`BalanceSettings::PLAIN`].
    pub const PLAIN: Self = Self(BalanceSettings::PLAIN);

    /// The policy with these settings.
    pub fn new(settings: BalanceSettings) -> Result<Self, InvalidPolicy> {
        if !(0.0..=1.0).contains(&settings.panic_below) {
            let allowed = "a number from 0 to 1: a share of the replicas";
            return Err(InvalidPolicy::new(
                "panic_below",
                settings.panic_below,
                allowed,
            ));
        }
        if settings.pick == Pick::First && settings.check.is_none() {
            let allowed = "heartbeats, for `pick = first` must learn when the active one is down";
            return Err(InvalidPolicy::new("check", "none", allowed));
        }
        settings
            .eject
            .as_ref()
            .map_or(Ok(()), EjectSettings::check)?;
        settings
            .check
            .as_ref()
            .map_or(Ok(()), CheckSettings::check)?;
        Ok(Self(settings))
    }

    /// Its settings.
    pub const fn settings(&self) -> &BalanceSettings {
        &self.0
    }

    /// The same for a caller that sends no heartbeats, as clients of a chain do: it can't know
    /// which replica is active, and chooses between them.
    #[must_use]
    pub fn unasked(self) -> Self {
        let pick = match self.0.pick {
            Pick::First => Pick::default(),
            pick => pick,
        };
        Self(BalanceSettings {
            check: None,
            pick,
            ..self.0
        })
    }
}

const HOUR: Duration = Duration::from_hours(1);
const MS: Duration = Duration::from_millis(1);
/// Far more than help.
const MOST_IN_A_ROW: u32 = 10_000;

impl EjectSettings {
    fn check(&self) -> Result<(), InvalidPolicy> {
        in_a_row("eject.consecutive", self.consecutive)?;
        if !(MS..=HOUR).contains(&self.time) {
            let allowed = "a duration from 1ms to 1h";
            return Err(InvalidPolicy::new("eject.time", show(self.time), allowed));
        }
        if !(self.time..=HOUR).contains(&self.max_time) {
            let allowed = "a duration not below `eject.time` and up to 1h";
            let value = show(self.max_time);
            return Err(InvalidPolicy::new("eject.max_time", value, allowed));
        }
        if !(self.max_share > 0.0 && self.max_share < 1.0) {
            let allowed = "a number above 0 and below 1: never all replicas";
            return Err(InvalidPolicy::new(
                "eject.max_share",
                self.max_share,
                allowed,
            ));
        }
        Ok(())
    }
}

impl CheckSettings {
    fn check(&self) -> Result<(), InvalidPolicy> {
        for (field, time) in [("check.every", self.every), ("check.timeout", self.timeout)] {
            if !(MS..=HOUR).contains(&time) {
                let allowed = "a duration from 1ms to 1h";
                return Err(InvalidPolicy::new(field, show(time), allowed));
            }
        }
        in_a_row("check.misses", self.misses)?;
        in_a_row("check.hits", self.hits)
    }
}

fn in_a_row(field: &'static str, number: u32) -> Result<(), InvalidPolicy> {
    if (1..=MOST_IN_A_ROW).contains(&number) {
        return Ok(());
    }
    let allowed = "a whole number from 1 to 10000";
    Err(InvalidPolicy::new(field, number, allowed))
}

impl TryFrom<BalanceSettings> for BalancePolicy {
    type Error = InvalidPolicy;
    fn try_from(settings: BalanceSettings) -> Result<Self, InvalidPolicy> {
        Self::new(settings)
    }
}

impl From<BalancePolicy> for BalanceSettings {
    fn from(policy: BalancePolicy) -> Self {
        policy.0
    }
}
