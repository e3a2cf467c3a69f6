//! What a fault is.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};
use types::Probability;

/// What happens to a request that a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Answered at once with an error.
    Error,
    /// Never answered: the caller can't tell it from slow.
    Hang,
    /// Handled after a pause.
    Delay(Duration),
    /// The connection is torn down without an answer.
    Reset,
}

impl FaultKind {
    /// The words a kind is written with.
    pub const WORDS: &'static [&'static str] = &["error", "hang", "delay", "reset"];

    /// The word used in scenarios, spans and the admin interface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Hang => "hang",
            Self::Delay(_) => "delay",
            Self::Reset => "reset",
        }
    }

    /// The kind written as `word`, with `delay` for the one kind that needs it.
    pub fn parse(word: &str, delay: Option<Duration>) -> Result<Self, InvalidFault> {
        let kind = match (word, delay) {
            ("delay", Some(pause)) if pause.is_zero() => return Err(InvalidFault::ZeroDelay),
            ("delay", Some(pause)) => return Ok(Self::Delay(pause)),
            ("delay", None) => return Err(InvalidFault::MissingDelay),
            ("error", _) => Self::Error,
            ("hang", _) => Self::Hang,
            ("reset", _) => Self::Reset,
            _ => return Err(InvalidFault::UnknownKind(word.to_owned())),
        };
        if delay.is_some() {
            Err(InvalidFault::NeedlessDelay(kind.as_str()))
        } else {
            Ok(kind)
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long one draw of a fault holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Transient: every attempt draws anew.
    #[default]
    Attempt,
    /// The replica is down for the whole request: every attempt on it fails, while
    /// another replica draws its own.
    Request,
}

/// A fault of a service: what happens, how often, and for how long one draw holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawFault", into = "RawFault")]
pub struct Fault {
    /// Its name, unique in a service; part of the seed of its draws.
    pub id: Arc<str>,
    /// What happens.
    pub kind: FaultKind,
    /// How often.
    pub probability: Probability,
    /// For how long one draw holds.
    pub scope: Scope,
}

/// Why a fault can't be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidFault {
    /// The kind is not one of ours.
    #[error("kind: `{0}` is unknown; allowed: error, hang, delay, reset")]
    UnknownKind(String),
    /// A delay without a duration.
    #[error("delay: missing; a fault of kind `delay` needs a duration above zero")]
    MissingDelay,
    /// A delay of nothing.
    #[error("delay: 0 is no delay; allowed: a duration above zero")]
    ZeroDelay,
    /// A duration that plays no part.
    #[error("delay: not allowed for a fault of kind `{0}`; only kind `delay` has one")]
    NeedlessDelay(&'static str),
}

/// A fault as it is written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    id: Arc<str>,
    kind: String,
    probability: Probability,
    #[serde(default)]
    scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
}

impl TryFrom<RawFault> for Fault {
    type Error = InvalidFault;
    fn try_from(raw: RawFault) -> Result<Self, InvalidFault> {
        let RawFault {
            id,
            kind,
            probability,
            scope,
            delay_ms,
        } = raw;
        let kind = FaultKind::parse(&kind, delay_ms.map(Duration::from_millis))?;
        Ok(Self {
            id,
            kind,
            probability,
            scope,
        })
    }
}

impl From<Fault> for RawFault {
    fn from(fault: Fault) -> Self {
        let delay_ms = match fault.kind {
            FaultKind::Delay(pause) => Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
            _ => None,
        };
        let Fault {
            id,
            kind,
            probability,
            scope,
        } = fault;
        Self {
            id,
            kind: kind.as_str().to_owned(),
            probability,
            scope,
            delay_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Fault, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_fault_survives_the_way_to_json_and_back() {
        let fault =
            parse(r#"{"id":"slow","kind":"delay","probability":0.25,"delay_ms":40}"#).unwrap();
        assert_eq!(fault.kind, FaultKind::Delay(Duration::from_millis(40)));
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(parse(&json), Ok(fault));
    }

    #[test]
    fn a_fault_that_can_not_be_is_refused_with_the_field_and_what_is_allowed() {
        let cases = [
            (
                r#"{"id":"x","kind":"explode","probability":1}"#,
                "kind: `explode` is unknown",
            ),
            (
                r#"{"id":"x","kind":"error","probability":2}"#,
                "2 is not a probability; allowed: 0 to 1",
            ),
            (
                r#"{"id":"x","kind":"delay","probability":1}"#,
                "delay: missing",
            ),
            (
                r#"{"id":"x","kind":"delay","probability":1,"delay_ms":0}"#,
                "delay: 0 is no delay",
            ),
            (
                r#"{"id":"x","kind":"hang","probability":1,"delay_ms":5}"#,
                "not allowed for a fault of kind `hang`",
            ),
            (
                r#"{"id":"x","kind":"hang","probabilty":1}"#,
                "unknown field `probabilty`",
            ),
        ];
        for (json, expected) in cases {
            let error = parse(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
