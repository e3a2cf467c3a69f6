//! Why a run could not have told.

use crate::{format::rate, probability::Probability};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A reason not to judge a run, with what would remove it.
///
/// The code that measures decides when those apply that are about the load, the host, the spans
/// and what was predicted; this crate only writes them down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// The run is too small to tell the distance that matters, or to settle a bound.
    TooFewRequests {
        /// How many there were.
        requests: u64,
        /// How many would be enough; none if no number is.
        enough: Option<u64>,
    },
    /// Nothing is predicted, so there is nothing to compare the run with.
    NotPredicted,
    /// The interval of a measurement lies across a bound.
    AcrossBound {
        /// How many requests it is from.
        requests: u64,
    },
    /// The load generator fell behind its own schedule: the load was not the one stated.
    LateGenerator {
        /// Requests that left too late.
        late: u64,
        /// All requests.
        requests: u64,
    },
    /// The host had no processor time left: failures may be its own.
    SaturatedHost {
        /// The share of processor time in use.
        busy: Probability,
    },
    /// The host carries less than the load needs: known before the load, which was not sent.
    SlowHost {
        /// What the host carries, in requests per second.
        carries_per_s: f64,
        /// What the load needs, in requests per second.
        needs_per_s: f64,
    },
    /// Answers had a status from 400 to 499 that was not expected: they count as answered, and
    /// say that the requests were wrong.
    UnexpectedAnswers {
        /// How many there were.
        answers: u64,
        /// All requests.
        requests: u64,
        /// The most frequent status of them.
        status: u16,
    },
    /// Every result agrees with what is expected.
    NothingContradicts,
    /// Spans are missing, and the missing ones need not be like the others.
    SpansLost {
        /// How many are missing.
        lost: u64,
        /// How many there should be.
        expected: u64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewRequests {
                requests,
                enough: Some(enough),
            } => {
                write!(
                    f,
                    "{requests} requests are too few to tell; {enough} would be enough"
                )
            }
            Self::TooFewRequests {
                requests,
                enough: None,
            } => {
                write!(
                    f,
                    "{requests} requests can't tell, and no number can: the measurement lies on the bound"
                )
            }
            Self::NotPredicted => f.write_str("nothing is predicted of this scenario"),
            Self::AcrossBound { requests } => {
                write!(
                    f,
                    "the interval of {requests} requests lies across a bound; more would make it shorter"
                )
            }
            Self::LateGenerator { late, requests } => {
                write!(
                    f,
                    "{late} of {requests} requests left late; a lower rate would help"
                )
            }
            Self::SaturatedHost { busy } => {
                let percent = busy.get() * 100.0;
                write!(
                    f,
                    "the host was {percent:.0} % busy; a lower rate would help"
                )
            }
            Self::SlowHost {
                carries_per_s,
                needs_per_s,
            } => {
                write!(
                    f,
                    "not run: this machine carries about {} of this chain's requests now, and {} \
                     are needed; an idle or larger machine would help",
                    rate(carries_per_s.round()),
                    rate(*needs_per_s)
                )
            }
            Self::UnexpectedAnswers {
                answers,
                requests,
                status,
            } => {
                write!(
                    f,
                    "{answers} of {requests} answers had an unexpected status from 400 to 499, \
                     most of them {status} ({}); they count as answered, but were not served",
                    meaning(*status)
                )
            }
            Self::NothingContradicts => {
                f.write_str("no run could contradict it: what is expected holds every result")
            }
            Self::SpansLost { lost, expected } => {
                write!(
                    f,
                    "{lost} of {expected} spans were lost; a lower rate or a longer drain would help"
                )
            }
        }
    }
}

/// What an answer with this status, from 400 to 499, says of the requests.
const fn meaning(status: u16) -> &'static str {
    match status {
        401 => "the token is missing or has expired",
        403 => "the token does not allow it",
        404 => "there is nothing at this path",
        429 => "one client asks for more than it may",
        _ => "the requests are wrong",
    }
}
