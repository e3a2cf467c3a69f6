//! One closed vocabulary for how requests, calls and attempts end, used alike in
//! spans, metrics, logs, problems and results.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// A word that is not in the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// What kind of word was expected.
    pub kind: &'static str,
    /// The word found instead.
    pub found: String,
    /// The words that are allowed.
    pub allowed: &'static [&'static str],
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            found,
            allowed,
        } = self;
        write!(
            f,
            "{kind} `{found}` is unknown; allowed: {}",
            allowed.join(", ")
        )
    }
}

impl std::error::Error for UnknownWord {}

/// Declares a closed vocabulary: an enum, its words, and the way back from a word.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident, $kind:literal { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Every word, in the order of declaration.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word used on the wire, in spans and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { kind: $kind, found: word.to_owned(), allowed: Self::WORDS }),
                }
            }
        }
    };
}

vocabulary! {
    /// How a request or a call ended, as its caller sees it.
    ///
    /// An answer that says "not found" or "not allowed" is [`Outcome::Ok`]: the
    /// service did its work.
    Outcome, "outcome" {
        /// A complete answer.
        Ok = "ok",
        /// An answer without a part that could be left out, and marked so.
        Degraded = "degraded",
        /// No usable answer.
        Failed = "failed",
    }
}

impl Outcome {
    /// Whether this counts as available: `availability = (ok + degraded) / offered`.
    pub const fn is_available(self) -> bool {
        matches!(self, Self::Ok | Self::Degraded)
    }
}

vocabulary! {
    /// The last underlying failure.
    Cause, "cause" {
        /// The callee answered with an error.
        Error = "error",
        /// No answer in the time allowed.
        Timeout = "timeout",
        /// Nobody listens there.
        Refused = "refused",
        /// The connection broke before the answer was complete.
        Reset = "reset",
        /// An answer came, and it was not what was promised.
        Corrupt = "corrupt",
        /// An answer came, older than allowed.
        Stale = "stale",
        /// The callee was too busy and said so.
        Shed = "shed",
        /// The caller left before the answer was ready.
        Cancelled = "cancelled",
        /// The answer was lost after the work was done.
        Lost = "lost",
        /// The caller itself ran out of something that the system gives it: file descriptors,
        /// local ports, threads or memory. The callee was not asked.
        Exhausted = "exhausted",
    }
}

vocabulary! {
    /// What ended the trying.
    StoppedBy, "stopped_by" {
        /// No attempt was left.
        Attempts = "attempts",
        /// The retry budget was empty.
        Budget = "budget",
        /// The deadline had passed, or left no room for another attempt.
        Deadline = "deadline",
        /// The circuit breaker refused the attempt.
        BreakerOpen = "breaker_open",
        /// The bulkhead had no room.
        BulkheadFull = "bulkhead_full",
        /// The failure is one that trying again can't help, or must not repeat.
        NotRetryable = "not_retryable",
    }
}

vocabulary! {
    /// What a circuit breaker does with the traffic; named as in electricity, so that an
    /// open one lets nothing pass.
    BreakerState, "breaker state" {
        /// Traffic flows.
        Closed = "closed",
        /// Traffic is refused.
        Open = "open",
        /// A few calls pass, to find out.
        HalfOpen = "half_open",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_value_and_serde_uses_the_same_word() {
        for cause in Cause::ALL {
            assert_eq!(cause.as_str().parse(), Ok(*cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(*outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        for stopped_by in StoppedBy::ALL {
            assert_eq!(stopped_by.as_str().parse(), Ok(*stopped_by));
            assert_eq!(
                serde_json::to_value(stopped_by).unwrap(),
                stopped_by.as_str()
            );
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_words_allowed() {
        let error = "fine".parse::<Outcome>().unwrap_err().to_string();
        assert_eq!(
            error,
            "outcome `fine` is unknown; allowed: ok, degraded, failed"
        );
    }
}
