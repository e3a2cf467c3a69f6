//! Reads JSON into a type. Errors name the field, its value and what is expected.
//!
//! serde's own errors speak of Rust's types ("expected u32") and seldom name the field. So a
//! text that does not fit is read a second time, as a [`Value`], by a deserializer with an error
//! type of its own ([`Misfit`]): serde reports to it what is wrong as data, and nothing has to be
//! taken from the words of an error. Texts that fit pay nothing for that.
//!
//! ```
//! # #[derive(Debug, serde::Deserialize)]
//! # struct Retry { retries: u32 }
//! let error = types::read::from_str::<Retry>(r#"{"retries":"two"}"#).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "retries: invalid value \"two\", expected a whole number from 0 to 4294967295"
//! );
//! ```

mod misfit;
mod reader;
#[cfg(test)]
mod tests;

pub use misfit::Misfit;

use reader::Reader;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Why a text can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    what: What,
    /// Line and column of the text, from 1; none of a value that was no text.
    position: Option<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Syntax(String),
    // Boxed: most results that carry this error are good ones, and stay small.
    Shape(Box<Misfit>),
}

impl ReadError {
    /// Whether the text is no JSON at all, rather than JSON of another shape.
    pub const fn is_syntax(&self) -> bool {
        matches!(self.what, What::Syntax(_))
    }

    /// The path of the field that is wrong, such as `retry.budget.ratio`; empty where the whole
    /// value is.
    pub fn path(&self) -> String {
        match &self.what {
            What::Syntax(_) => String::new(),
            What::Shape(misfit) => misfit.path(),
        }
    }

    /// The error with line and column, for texts that come from a file.
    pub fn in_file(&self) -> String {
        match self.position.filter(|_| !self.is_syntax()) {
            Some((line, column)) => format!("{self} (line {line}, column {column})"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.what, self.position) {
            (What::Shape(misfit), _) => misfit.fmt(f),
            (What::Syntax(why), Some((line, column))) => {
                write!(f, "not valid JSON: {why} (line {line}, column {column})")
            }
            (What::Syntax(why), None) => write!(f, "not valid JSON: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<Misfit> for ReadError {
    fn from(misfit: Misfit) -> Self {
        Self {
            what: What::Shape(Box::new(misfit)),
            position: None,
        }
    }
}

/// Reads `text`.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    from_slice(text.as_bytes())
}

/// Reads the text in `bytes`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(bytes).map_err(|error| explain::<T>(bytes, &error))
}

/// Reads a value that has been parsed already.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ReadError> {
    T::deserialize(Reader(value)).map_err(ReadError::from)
}

/// Line and column of the byte at `offset`, both from 1; columns count characters.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

/// What is wrong with `bytes`, which `error` refused.
fn explain<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> ReadError {
    // What is wrong with the shape of a text is of interest only if all of it is JSON. The
    // error's own category does not tell: a number in place of a word counts as syntax there.
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return syntax(&error),
    };
    let misfit = match T::deserialize(Reader(&value)) {
        Err(misfit) => misfit,
        // A parsed object has each key once: what else is wrong has just been looked for.
        Ok(_) => serde::de::Error::custom("the same field is given twice"),
    };
    ReadError {
        what: What::Shape(Box::new(misfit)),
        position: Some((error.line(), error.column())),
    }
}

fn syntax(error: &serde_json::Error) -> ReadError {
    let why = if error.is_eof() {
        "it ends too early".to_owned()
    } else {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        text.strip_suffix(&place).unwrap_or(&text).to_owned()
    };
    ReadError {
        what: What::Syntax(why),
        position: Some((error.line(), error.column())),
    }
}
