//! What is wrong with a scenario.

use std::fmt;
use types::names::{quoted, suggestion};

/// Everything wrong with a scenario, in the order of its text. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// The file, as the caller named it.
    pub file: String,
    /// What is wrong in it.
    pub errors: Vec<Error>,
    /// The flags without which nothing would be wrong, such as `--rate 300`; none where the file
    /// itself is wrong.
    pub flags: Vec<String>,
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {error}", self.file)?;
        }
        // An error at a flag names it already.
        let elsewhere = self.errors.iter().any(|error| error.flag.is_none());
        if elsewhere && !self.flags.is_empty() {
            let (file, flags) = (&self.file, self.flags.join(" "));
            write!(f, "\n{file}: without {flags} it would be valid")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// One thing wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.with_place())]
pub struct Error {
    /// What is wrong.
    pub problem: Problem,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The flag that the value is from, such as `--rate 300`, if it is not from the file.
    pub flag: Option<String>,
}

impl Error {
    fn with_place(&self) -> String {
        let Self {
            problem,
            line,
            column,
            flag,
        } = self;
        match flag {
            Some(flag) => format!("{flag}: {problem}"),
            None => format!("{problem} (line {line}, column {column})"),
        }
    }
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is no TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// A key that no scenario has.
    #[error("unknown key `{key}` {}{}", place(table), help(nearest.as_deref(), known))]
    UnknownKey {
        /// The key.
        key: String,
        /// The table it stands in; empty at the top level.
        table: String,
        /// The known key that was probably meant.
        nearest: Option<String>,
        /// All keys of the table.
        known: Vec<&'static str>,
    },
    /// A key of a later version.
    #[error("`{key}` is not yet supported by this version; allowed: {instead}")]
    NotYetSupported {
        /// The key.
        key: String,
        /// What this version supports in its place.
        instead: &'static str,
    },
    /// A key that must be there.
    #[error("`{key}` is missing; allowed: {allowed}")]
    Missing {
        /// The key.
        key: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A value of the wrong type or out of range.
    #[error("`{key}` = {value} can't be; allowed: {allowed}")]
    Value {
        /// The key.
        key: String,
        /// The value, as it is written.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A value that does not go with the others.
    #[error("`{key}` = {value}: {reason}")]
    Conflict {
        /// The key.
        key: String,
        /// The value, as it is written.
        value: String,
        /// Why not, and what is allowed.
        reason: String,
    },
    /// What is wrong with a variant, and not with the scenario itself.
    #[error("in the variant \"{variant}\": {problem}")]
    InVariant {
        /// Its title.
        variant: String,
        /// What is wrong.
        problem: Box<Problem>,
    },
}

impl Problem {
    /// The full path of the key that is wrong, such as `policy.retry.retries`; none where the
    /// text is no TOML.
    pub fn key(&self) -> Option<String> {
        match self {
            Self::Syntax(_) => None,
            Self::UnknownKey { key, table, .. } if table.is_empty() => Some(key.clone()),
            Self::UnknownKey { key, table, .. } => Some(format!("{table}.{key}")),
            Self::NotYetSupported { key, .. }
            | Self::Missing { key, .. }
            | Self::Value { key, .. }
            | Self::Conflict { key, .. } => Some(key.clone()),
            Self::InVariant { problem, .. } => problem.key(),
        }
    }
}

/// Where a key stands.
fn place(table: &str) -> String {
    if table.is_empty() {
        "at the top level".to_owned()
    } else {
        format!("in [{table}]")
    }
}

/// The nearest key, or all of them.
fn help(nearest: Option<&str>, known: &[&'static str]) -> String {
    match nearest {
        Some(_) => suggestion(nearest),
        None => format!("; allowed: {}", quoted(known.iter().copied())),
    }
}
