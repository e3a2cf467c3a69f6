//! When a fault acts: always, in outages that come and go, or in windows that are stated.

use crate::InvalidFault;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a fault acts. While it does not, no request is hit.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum When {
    /// At any time.
    #[default]
    Always,
    /// In outages that come and go.
    Renewal(Renewal),
    /// In these windows, in the order of time and apart from each other.
    Windows(Vec<Window>),
}

impl When {
    /// The windows as a schedule, if they can be one.
    pub fn windows(windows: Vec<Window>) -> Result<Self, InvalidFault> {
        if windows.is_empty() {
            return Err(InvalidFault::NoWindow);
        }
        if windows.iter().any(|window| window.length.is_zero()) {
            return Err(InvalidFault::EmptyWindow);
        }
        let meet = |pair: &&[Window]| pair[0].end() > pair[1].at;
        match windows.windows(2).find(meet) {
            Some(pair) => Err(InvalidFault::WindowsMeet {
                at: pair[1].at,
                end: pair[0].end(),
            }),
            None => Ok(Self::Windows(windows)),
        }
    }
}

/// Outages that come and go: an alternating renewal process, whose up and down times are all
/// independent of each other (Barlow, Proschan 1965, *Mathematical Theory of Reliability*).
/// At time zero it has been going on forever: it is down with probability down / (up + down).
/// After ten thousand cycles it begins so again, with draws of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// The mean time from the end of an outage to the next (MTTF).
    pub up: Duration,
    /// The mean length of an outage (MTTR).
    pub down: Duration,
    /// How these times vary.
    pub law: Law,
}

impl Renewal {
    /// The share of time that outages take in the long run.
    pub fn share(&self) -> f64 {
        let whole = self.down.saturating_add(self.up).as_secs_f64();
        if whole > 0.0 {
            self.down.as_secs_f64() / whole
        } else {
            0.0
        }
    }
}

/// How times vary around their mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Exponentially: how long it has lasted says nothing about how long it will.
    #[default]
    Exponential,
    /// Not at all: only where in its cycle it is at time zero is drawn.
    Fixed,
}

/// A stretch of time, from the time zero of its set of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// When it begins.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How long it lasts.
    #[serde(rename = "for_ms", with = "millis")]
    pub length: Duration,
}

impl Window {
    /// When it is over.
    pub const fn end(&self) -> Duration {
        self.at.saturating_add(self.length)
    }

    /// Whether `instant` lies in it.
    pub fn holds(&self, instant: Duration) -> bool {
        (self.at..self.end()).contains(&instant)
    }
}

/// Durations as milliseconds, with what there is behind the point.
pub(crate) mod millis {
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{Error, Unexpected},
    };
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        from(*time).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        to(millis).ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Float(millis), &"milliseconds from 0")
        })
    }

    /// Milliseconds of a duration.
    pub(crate) fn from(time: Duration) -> f64 {
        time.as_secs_f64() * 1e3
    }

    /// The duration of so many milliseconds, if there is one.
    pub(crate) fn to(millis: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(millis / 1e3).ok()
    }
}
