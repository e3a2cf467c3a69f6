//! The configuration file: its keys are settings, and its errors have line and column.

use super::{setting, settings, takes_json};
use clap::{Arg, Command};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};
use types::{names, read::position};

/// A configuration file that is TOML.
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
    table: Table,
}

impl ConfigFile {
    /// Reads the file at `path`; or what is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let bad = |what: String| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| bad(syntax(&text, &error)))?;
        Ok(Self {
            path: path.to_owned(),
            text,
            table,
        })
    }

    /// The settings that are not `already` given, as flags of `command`; or which is none, or
    /// can't be one.
    pub(super) fn flags(
        &self,
        command: &Command,
        already: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<OsString>, String> {
        let mut flags = Vec::new();
        for (key, value) in &self.table {
            let Some(arg) = setting(command, key) else {
                return Err(self.bad(key, &format!("unknown key `{key}`{}", help(command, key))));
            };
            let Some(text) = as_text(value, takes_json(arg)) else {
                let table = if takes_json(arg) { "a table, " } else { "" };
                let allowed = "a text, a number, true or false, or a list of texts";
                return Err(self.bad(key, &format!("key `{key}`: allowed: {table}{allowed}")));
            };
            if !already(arg.get_id().as_str()) {
                flags.push(format!("--{key}={text}").into());
            }
        }
        Ok(flags)
    }

    /// Where the part `inner` of the setting `key` is written, such as
    /// "the key `retry.retries` in nines.toml (line 3, column 1)".
    pub(super) fn place(&self, key: &str, inner: &str) -> String {
        let full = if inner.is_empty() {
            key.to_owned()
        } else {
            format!("{key}.{inner}")
        };
        let at = self.position(&full);
        format!("the key `{full}` in {}{at}", self.path.display())
    }

    fn bad(&self, key: &str, what: &str) -> String {
        let at = self.position(key);
        format!("{}: {what}{at}", self.path.display())
    }

    /// Line and column of the innermost key of `path` that is written: " (line 3, column 1)".
    fn position(&self, path: &str) -> String {
        let Ok(table) = DeTable::parse(&self.text) else {
            return String::new();
        };
        let Some(offset) = offset(table.get_ref(), path) else {
            return String::new();
        };
        let (line, column) = position(&self.text, offset);
        format!(" (line {line}, column {column})")
    }
}

/// Where the innermost key of `path` that is written starts, in bytes.
fn offset(table: &DeTable<'_>, path: &str) -> Option<usize> {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = match step.trim_end_matches(']').split_once('[') {
        Some((name, index)) => (name, index.parse().ok()),
        None => (step, None),
    };
    let (key, value) = table.get_key_value(name)?;
    let inner = match (value.get_ref(), index) {
        (DeValue::Array(items), Some(index)) => items.get::<usize>(index)?.get_ref(),
        (value, _) => value,
    };
    let deeper = inner.as_table().and_then(|table| offset(table, rest));
    deeper.or(Some(key.span().start))
}

/// What is wrong, and where; not what stands there, which may be a secret.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let (line, column) = position(text, start);
    format!("{} (line {line}, column {column})", error.message())
}

/// The setting that was probably meant by `key`, or all of them.
fn help(command: &Command, key: &str) -> String {
    let keys = || settings(command).filter_map(Arg::get_long);
    match names::nearest(key, keys()) {
        Some(name) => names::suggestion(Some(name)),
        None => format!("; allowed: {}", keys().collect::<Vec<_>>().join(", ")),
    }
}

/// A value as it is written in a flag.
fn as_text(value: &Value, takes_json: bool) -> Option<String> {
    match value {
        Value::Table(table) if takes_json => serde_json::to_string(table).ok(),
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Table(_) | Value::Datetime(_) => None,
    }
}
