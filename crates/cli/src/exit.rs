//! Exit codes.

use crate::say;
use availability::Verdict;
use chassis::{EXIT_BAD_INPUT, EXIT_ENVIRONMENT};
use lab::{LabError, remote::RemoteError};
use report::results::ScenarioResult;
use std::{error::Error, io, process::ExitCode};

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The input is wrong; the text says which part, and what is allowed.
    #[error("{0}")]
    BadInput(String),
    /// The environment does not allow it.
    #[error("{0}")]
    Environment(String),
    /// A run could not be made.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A running service did not do what it was asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A change of several services stopped before all were changed.
    #[error("only these were changed: {}", changed.join(", "))]
    HalfWay {
        /// The services that were.
        changed: Vec<String>,
        /// Why the next one was not.
        source: RemoteError,
    },
}

impl Failure {
    /// Its exit code.
    fn code(&self) -> u8 {
        match self {
            Self::BadInput(_) => EXIT_BAD_INPUT,
            Self::Remote(error) | Self::HalfWay { source: error, .. } if error.is_bad_input() => {
                EXIT_BAD_INPUT
            }
            Self::Lab(LabError::Interrupted) => 130,
            Self::Environment(_) | Self::Lab(_) | Self::Remote(_) | Self::HalfWay { .. } => {
                EXIT_ENVIRONMENT
            }
        }
    }
}

/// How a command ended that could do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All is fine.
    Fine,
    /// An expectation failed.
    Failed,
    /// No expectation failed, and one could not be judged.
    Inconclusive,
}

impl Done {
    /// What the verdicts come to.
    pub fn of(results: &[ScenarioResult]) -> Self {
        let any = |verdict| {
            results
                .iter()
                .any(|result| result.judgement.verdict == verdict)
        };
        let agree = results.iter().all(|it| it.disagreement().is_none());
        if any(Verdict::Fails) || !agree {
            Self::Failed
        } else if any(Verdict::Inconclusive) {
            Self::Inconclusive
        } else {
            Self::Fine
        }
    }
}

/// The exit code; a failure is said on standard error.
pub fn code(done: Result<Done, Failure>) -> ExitCode {
    if let Some(error) = say::unwritten()
        && done.is_ok()
    {
        return unwritable(error);
    }
    match done {
        Ok(Done::Fine) => ExitCode::SUCCESS,
        Ok(Done::Failed) => ExitCode::from(1),
        Ok(Done::Inconclusive) => ExitCode::from(4),
        Err(failure) => {
            say(&failure);
            ExitCode::from(failure.code())
        }
    }
}

/// The exit code of wrong arguments, which are explained, and of `--help`, which is an answer.
pub fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() {
        return ExitCode::from(EXIT_BAD_INPUT);
    }
    say::remember(printed);
    say::unwritten().map_or(ExitCode::SUCCESS, unwritable)
}

fn unwritable(error: &io::Error) -> ExitCode {
    say::err(format!("error: standard output can't be written: {error}"));
    ExitCode::from(EXIT_ENVIRONMENT)
}

fn say(failure: &Failure) {
    say::err(format!("error: {failure}"));
    let mut source = failure.source();
    while let Some(error) = source {
        say::err(format!("  because: {error}"));
        source = error.source();
    }
}
