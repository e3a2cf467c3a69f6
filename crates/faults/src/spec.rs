//! What a fault is.

use crate::when::{Law, Renewal, When, Window, millis};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};
use types::{Probability, names};

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

/// A fault of a service: what happens, when, how often, and for how long one draw holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawFault", into = "RawFault")]
pub struct Fault {
    /// Its name, unique in a service; part of the seed of its draws.
    pub id: Arc<str>,
    /// What happens.
    pub kind: FaultKind,
    /// How often, of what arrives while it acts.
    pub probability: Probability,
    /// For how long one draw holds.
    pub scope: Scope,
    /// When it acts.
    pub when: When,
    /// The group whose members it strikes together; none: each replica draws for itself.
    pub shared: Option<Arc<str>>,
}

impl Fault {
    /// Whose draws and times it has at `replica` of `service`: theirs, or those of its group.
    /// No service is called nothing, so no group ever draws as a replica does.
    pub(crate) fn drawn_for<'a>(&'a self, service: &'a str, replica: &'a str) -> [&'a str; 2] {
        match &self.shared {
            Some(group) => ["", group],
            None => [service, replica],
        }
    }
}

/// Why a fault can't be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidFault {
    /// The kind is not one of ours.
    #[error("kind: invalid value \"{0}\", expected {words}{nearest}", words = names::quoted(FaultKind::WORDS.iter().copied()), nearest = names::suggestion(names::nearest(_0, FaultKind::WORDS.iter().copied())))]
    UnknownKind(String),
    /// A delay without a duration.
    #[error("delay_ms: missing; a fault of kind `delay` needs a duration above zero")]
    MissingDelay,
    /// A delay of nothing.
    #[error("delay_ms: 0 is no delay; allowed: a duration above zero")]
    ZeroDelay,
    /// A duration that plays no part.
    #[error("delay_ms: not allowed for a fault of kind `{0}`; only kind `delay` has one")]
    NeedlessDelay(&'static str),
    /// A fault that always acts, and no probability.
    #[error(
        "probability: missing; only a fault with up_ms and down_ms, or with windows, needs none"
    )]
    MissingProbability,
    /// Times of outages that are no times.
    #[error("{field}: {millis} can't be; allowed: milliseconds from 1 to 86400000")]
    NoTime {
        /// Which of the two.
        field: &'static str,
        /// Its value.
        millis: f64,
    },
    /// One of the two times without the other, or a law without them.
    #[error("{0}: stands alone; allowed: up_ms and down_ms together, and law only with them")]
    Alone(&'static str),
    /// Outages that come and go and stated windows at once.
    #[error("windows: up_ms, down_ms or law stand there as well; allowed: one of the two")]
    TwoSchedules,
    /// A group without a name.
    #[error("shared: \"\" names no group; allowed: a name, or leave it out")]
    NoGroup,
    /// An empty list of windows.
    #[error("windows: an empty list; allowed: at least one window")]
    NoWindow,
    /// A window of no length.
    #[error("windows: a window lasts 0 ms; allowed: above zero")]
    EmptyWindow,
    /// Windows that overlap or are not in order.
    #[error(
        "windows: one begins at {at:?}, before the one before it ends at {end:?}; allowed: each \
         after the end of the one before"
    )]
    WindowsMeet {
        /// Where the later one begins.
        at: Duration,
        /// Where the earlier one ends.
        end: Duration,
    },
}

/// A fault as it is written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    id: Arc<str>,
    kind: String,
    #[serde(default)]
    probability: Option<Probability>,
    #[serde(default)]
    scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    down_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    law: Option<Law>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    windows: Option<Vec<Window>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shared: Option<Arc<str>>,
}

impl TryFrom<RawFault> for Fault {
    type Error = InvalidFault;
    fn try_from(raw: RawFault) -> Result<Self, InvalidFault> {
        let when = raw.when()?;
        let probability = match (raw.probability, &when) {
            (Some(probability), _) => probability,
            (None, When::Always) => return Err(InvalidFault::MissingProbability),
            (None, _) => Probability::ONE,
        };
        if raw.shared.as_ref().is_some_and(|group| group.is_empty()) {
            return Err(InvalidFault::NoGroup);
        }
        Ok(Self {
            id: raw.id,
            kind: FaultKind::parse(&raw.kind, raw.delay_ms.map(Duration::from_millis))?,
            probability,
            scope: raw.scope,
            when,
            shared: raw.shared,
        })
    }
}

impl RawFault {
    fn when(&self) -> Result<When, InvalidFault> {
        let law = self.law.unwrap_or_default();
        match (self.up_ms, self.down_ms, &self.windows) {
            (None, None, None) if self.law.is_some() => Err(InvalidFault::Alone("law")),
            (None, None, None) => Ok(When::Always),
            (Some(up), Some(down), None) => Ok(When::Renewal(Renewal {
                up: mean("up_ms", up)?,
                down: mean("down_ms", down)?,
                law,
            })),
            (Some(_), None, None) => Err(InvalidFault::Alone("up_ms")),
            (None, Some(_), None) => Err(InvalidFault::Alone("down_ms")),
            (None, None, Some(windows)) if self.law.is_none() => When::windows(windows.clone()),
            (_, _, Some(_)) => Err(InvalidFault::TwoSchedules),
        }
    }
}

/// A mean time: long enough for a day of outages to be counted, and no longer than that day.
fn mean(field: &'static str, value: f64) -> Result<Duration, InvalidFault> {
    let is_allowed = (1.0..=86_400_000.0).contains(&value);
    let time = millis::to(value).filter(|_| is_allowed);
    time.ok_or(InvalidFault::NoTime {
        field,
        millis: value,
    })
}

impl From<Fault> for RawFault {
    fn from(fault: Fault) -> Self {
        let delay_ms = match fault.kind {
            FaultKind::Delay(pause) => Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
            _ => None,
        };
        let (renewal, windows) = match fault.when {
            When::Always => (None, None),
            When::Renewal(renewal) => (Some(renewal), None),
            When::Windows(windows) => (None, Some(windows)),
        };
        Self {
            id: fault.id,
            kind: fault.kind.as_str().to_owned(),
            probability: Some(fault.probability),
            scope: fault.scope,
            delay_ms,
            up_ms: renewal.map(|renewal| millis::from(renewal.up)),
            down_ms: renewal.map(|renewal| millis::from(renewal.down)),
            law: renewal.map(|renewal| renewal.law),
            windows,
            shared: fault.shared,
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
    fn a_fault_in_time_survives_the_way_too_and_then_needs_no_probability() {
        let renewal =
            parse(r#"{"id":"f","kind":"error","up_ms":190.0,"down_ms":10.0,"law":"fixed"}"#);
        let windows =
            parse(r#"{"id":"f","kind":"error","windows":[{"at_ms":0,"for_ms":500},{"at_ms":500,"for_ms":1}]}"#).unwrap();
        let renewal = renewal.unwrap();
        let expected = Renewal {
            up: Duration::from_millis(190),
            down: Duration::from_millis(10),
            law: Law::Fixed,
        };
        assert_eq!(renewal.when, When::Renewal(expected));
        assert_eq!(renewal.probability, Probability::ONE);
        for fault in [renewal, windows] {
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(parse(&json), Ok(fault));
        }
    }

    #[test]
    fn a_group_survives_the_way_to_json_and_back_and_has_a_name() {
        let fault = r#"{"id":"f","kind":"error","probability":1.0,"shared":"zone-a"}"#;
        let fault = parse(fault).unwrap();
        assert_eq!(fault.shared.as_deref(), Some("zone-a"));
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(parse(&json), Ok(fault));
        let error = parse(r#"{"id":"f","kind":"error","probability":1.0,"shared":""}"#);
        assert!(error.unwrap_err().contains("shared: \"\" names no group"));
    }

    #[test]
    fn a_time_that_can_not_be_is_refused_with_the_field_and_what_is_allowed() {
        let cases = [
            ("", "probability: missing"),
            (r#","up_ms":5"#, "up_ms: stands alone"),
            (r#","down_ms":5"#, "down_ms: stands alone"),
            (r#","law":"fixed""#, "law: stands alone"),
            (
                r#","up_ms":0.5,"down_ms":5"#,
                "up_ms: 0.5 can't be; allowed: milliseconds from 1",
            ),
            (r#","up_ms":5,"down_ms":-1"#, "down_ms: -1 can't be"),
            (
                r#","up_ms":5,"down_ms":1e9"#,
                "down_ms: 1000000000 can't be",
            ),
            (
                r#","up_ms":5,"down_ms":5,"law":"normal""#,
                "unknown variant `normal`",
            ),
            (r#","windows":[]"#, "windows: an empty list"),
            (
                r#","windows":[{"at_ms":1,"for_ms":0}]"#,
                "a window lasts 0 ms",
            ),
            (
                r#","windows":[{"at_ms":-1,"for_ms":1}]"#,
                "`-1.0`, expected milliseconds from 0",
            ),
            (
                r#","windows":[{"at_ms":0,"for_ms":9},{"at_ms":5,"for_ms":9}]"#,
                "begins at 5ms, before the one before it ends at 9ms",
            ),
            (
                r#","law":"fixed","windows":[{"at_ms":0,"for_ms":9}]"#,
                "up_ms, down_ms or law stand there as well",
            ),
        ];
        for (rest, expected) in cases {
            let error = parse(&format!(r#"{{"id":"x","kind":"error"{rest}}}"#)).unwrap_err();
            assert!(error.contains(expected), "{rest}: {error}");
        }
    }

    #[test]
    fn a_fault_that_can_not_be_is_refused_with_the_field_and_what_is_allowed() {
        let cases = [
            (
                r#"{"id":"x","kind":"explode","probability":1}"#,
                "kind: invalid value \"explode\", expected `error`, `hang`",
            ),
            (
                r#"{"id":"x","kind":"error","probability":2}"#,
                "2 is not a probability; allowed: 0 to 1",
            ),
            (
                r#"{"id":"x","kind":"delay","probability":1}"#,
                "delay_ms: missing",
            ),
            (
                r#"{"id":"x","kind":"delay","probability":1,"delay_ms":0}"#,
                "delay_ms: 0 is no delay",
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
