//! What does not fit, and where: serde's errors as data.

use crate::names;
use serde::de::{self, Expected, Unexpected};
use serde_json::Value;
use std::fmt;

/// A value that does not fit the type that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// From the innermost step to the outermost.
    steps: Vec<Step>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A value of another type or out of range; the reader of the error knows the value.
    Value {
        value: Option<String>,
        expected: String,
    },
    /// A word that is none of those allowed.
    Word {
        word: String,
        allowed: &'static [&'static str],
    },
    Unknown {
        known: &'static [&'static str],
    },
    Missing,
    /// What a type says that checks itself.
    Said(String),
}

impl Misfit {
    fn new(kind: Kind) -> Self {
        let steps = Vec::new();
        Self { steps, kind }
    }

    fn of_field(field: &str, kind: Kind) -> Self {
        Self::new(kind).in_key(field)
    }

    /// The same, seen from the object that has it under `key`.
    pub(super) fn in_key(mut self, key: &str) -> Self {
        self.steps.push(Step::Key(key.to_owned()));
        self
    }

    /// The same, seen from the list that has it at `index`.
    pub(super) fn in_list(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    /// The same, where `value` was read, unless the value is known already.
    pub(super) fn of_value(mut self, read: &Value) -> Self {
        if let Kind::Value { value, .. } = &mut self.kind
            && self.steps.is_empty()
        {
            value.get_or_insert_with(|| shown(read));
        }
        self
    }

    /// The same, where one of `words` was expected.
    pub(super) fn of_words(mut self, words: &'static [&'static str]) -> Self {
        if let Kind::Value { expected, .. } = &mut self.kind
            && self.steps.is_empty()
        {
            *expected = one_of(words);
        }
        self
    }

    /// Where it is, such as `faults[0].kind`; empty where the whole value is wrong.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Key(key) => append(&mut path, key),
                Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            }
        }
        if let Kind::Said(text) = &self.kind
            && let Some((field, _)) = own_field(text)
        {
            append(&mut path, field);
        }
        path
    }
}

fn append(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// A type that checks itself names the field first, if it has fields: "retries: 11 can't be".
/// The field and the rest of the text.
fn own_field(text: &str) -> Option<(&str, &str)> {
    let (field, rest) = text.split_once(": ")?;
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.[]".contains(c);
    (field.starts_with(|c: char| c.is_ascii_lowercase()) && field.chars().all(is_part))
        .then_some((field, rest))
}

/// A value on one line. Of what may be long, only what it is.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::Array(_) => "(a list)".to_owned(),
        Value::Object(_) => "(an object)".to_owned(),
        Value::String(text) if text.chars().count() > LONGEST => {
            let start: String = text.chars().take(LONGEST).collect();
            format!("\"{start}…\"")
        }
        other => other.to_string(),
    }
}

/// What serde calls a type, in the words of JSON.
fn plain(expected: &str) -> String {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a borrowed string" => "a string",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if expected.starts_with("struct ") => "an object",
        other => other,
    };
    plain.to_owned()
}

/// Words to choose from: "`a`, `b` or `c`".
fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        match &self.kind {
            Kind::Value { value, expected } => {
                let value = value.as_deref().unwrap_or("(of another type)");
                write!(f, "invalid value {value}, expected {expected}")
            }
            Kind::Word { word, allowed } => {
                write!(f, "invalid value \"{word}\", expected {}", one_of(allowed))?;
                let nearest = names::nearest(word, allowed.iter().copied());
                f.write_str(&names::suggestion(nearest))
            }
            Kind::Unknown { known } => {
                let Some(Step::Key(field)) = self.steps.first() else {
                    return f.write_str("unknown field");
                };
                match names::nearest(field, known.iter().copied()) {
                    Some(name) => write!(f, "unknown field: did you mean `{name}`?"),
                    None => write!(f, "unknown field, expected {}", one_of(known)),
                }
            }
            Kind::Missing => f.write_str("missing; this field is needed"),
            Kind::Said(text) => f.write_str(own_field(text).map_or(text, |(_, rest)| rest)),
        }
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(Kind::Said(text.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = plain(&expected.to_string());
        let value = match unexpected {
            Unexpected::Bool(flag) => Some(flag.to_string()),
            Unexpected::Unsigned(number) => Some(number.to_string()),
            Unexpected::Signed(number) => Some(number.to_string()),
            Unexpected::Float(number) => Some(number.to_string()),
            Unexpected::Str(text) => Some(shown(&text.into())),
            // The reader of the error knows the value.
            _ => None,
        };
        Self::new(Kind::Value { value, expected })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::invalid_type(Unexpected::Other(""), expected)
    }

    fn unknown_variant(word: &str, allowed: &'static [&'static str]) -> Self {
        let word = word.to_owned();
        Self::new(Kind::Word { word, allowed })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::of_field(field, Kind::Unknown { known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of_field(field, Kind::Missing)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of_field(field, Kind::Said("it is given twice".to_owned()))
    }
}
