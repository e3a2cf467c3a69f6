//! The keys of `[policy]` one by one, for callers that set them without a file.

use crate::{
    error::Errors,
    parse_policy,
    plan::Policy,
    schema::{Inside, Key, POLICY, Shape},
};
use toml::{Table, Value};

/// A key of `[policy]`.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where it stands below `[policy]`: `retry`, `backoff`.
    pub path: Vec<&'static str>,
    /// What is allowed for it, to end the sentence "allowed: …".
    pub allowed: &'static str,
    /// What is given with it.
    pub kind: SettingKind,
}

/// What is given with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// Nothing: it is a table, with the default of everything in it.
    Table,
    /// Nothing, `true` or `false`.
    Flag,
    /// `false`, where a table is there by default.
    Off,
    /// A number.
    Number,
    /// A duration or a word.
    Text,
}

impl Setting {
    /// The path with dashes, as flags are written: `retry-max-backoff`. The number of retries is
    /// `retries`.
    pub fn flag(&self) -> String {
        match self.path[..] {
            ["retry", "retries"] => "retries".to_owned(),
            _ => self.path.join("-").replace('_', "-"),
        }
    }

    /// The path of the key in a scenario: `policy.retry.max_backoff`.
    pub fn key(&self) -> String {
        format!("policy.{}", self.path.join("."))
    }

    /// `text` as the kind of value that is needed. What it can't be stays a text, so that it is
    /// refused as it would be in a file.
    fn value(&self, text: &str) -> Value {
        let whole = || text.parse().ok().map(Value::Integer);
        let number = || text.parse().ok().map(Value::Float);
        let value = match self.kind {
            SettingKind::Table => Some(Value::Table(Table::new())),
            SettingKind::Flag | SettingKind::Off => text.parse().ok().map(Value::Boolean),
            SettingKind::Number => whole().or_else(number),
            SettingKind::Text => None,
        };
        value.unwrap_or_else(|| Value::String(text.to_owned()))
    }
}

/// All settings of a service's policy, tables before what is in them.
pub fn policy_settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    collect(POLICY, &[], &mut settings);
    // Whether the client tries again is no setting of a service.
    settings.retain(|setting| setting.path != ["retry", "client"]);
    settings
}

fn collect(keys: &'static [Key], above: &[&'static str], settings: &mut Vec<Setting>) {
    for key in keys {
        let path = [above, &[key.name]].concat();
        let (kind, inside): (_, &[Key]) = match key.inside {
            Inside::Value(Shape::Flag) => (SettingKind::Flag, &[]),
            Inside::Value(
                Shape::Whole(..) | Shape::From(..) | Shape::Above(..) | Shape::Between(..),
            ) => (SettingKind::Number, &[]),
            Inside::OffOr(keys) => (SettingKind::Off, keys),
            Inside::Table(keys) => (SettingKind::Table, keys),
            _ => (SettingKind::Text, &[]),
        };
        settings.push(Setting {
            path: path.clone(),
            allowed: key.allowed,
            kind,
        });
        collect(inside, &path, settings);
    }
}

/// The policy with these settings and the defaults of the others, checked as that of a scenario.
/// In the errors, lines and columns say nothing: there is no file.
pub fn policy_from(settings: &[(Setting, String)]) -> Result<Policy, Errors> {
    let mut policy = Table::new();
    for (setting, text) in settings {
        insert(&mut policy, &setting.path, setting.value(text));
    }
    let mut file = Table::new();
    file.insert("policy".to_owned(), Value::Table(policy));
    parse_policy("flags", &file.to_string())
}

fn insert(table: &mut Table, path: &[&str], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if !rest.is_empty() {
        let inner = table
            .entry(*key)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(inner) = inner {
            insert(inner, rest, value);
        }
        return;
    }
    // A table that has settings already keeps them.
    if !(value.is_table() && table.contains_key(*key)) {
        table.insert((*key).to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, time::Duration};

    fn from(given: &[(&str, &str)]) -> Result<Policy, String> {
        let settings = policy_settings();
        let find = |flag: &str| settings.iter().find(|setting| setting.flag() == flag);
        let given = given.iter().map(|(flag, text)| {
            let setting = find(flag).unwrap_or_else(|| panic!("{flag}"));
            (setting.clone(), (*text).to_owned())
        });
        policy_from(&given.collect::<Vec<_>>())
            .map_err(|errors| errors.errors[0].problem.to_string())
    }

    #[test]
    fn each_setting_has_a_flag_of_its_own() {
        let settings = policy_settings();
        let flags: BTreeSet<_> = settings.iter().map(Setting::flag).collect();
        assert_eq!(flags.len(), settings.len());
        for flag in [
            "retries",
            "retry-budget-ratio",
            "attempt-timeout",
            "balance-check",
        ] {
            assert!(flags.contains(flag), "{flag}");
        }
        assert!(!flags.contains("retry-client"));
    }

    #[test]
    fn settings_make_the_policy_that_a_file_makes() {
        let given = [
            ("retries", "1"),
            ("retry", ""),
            ("retry-budget-ratio", "0.2"),
            ("retry-propagated", "true"),
            ("attempt-timeout", "250ms"),
            ("breaker", ""),
            ("balance-eject", "false"),
        ];
        let text = "[policy]\nattempt_timeout = \"250ms\"\n[policy.retry]\nretries = 1\n\
                    propagated = true\nbudget = { ratio = 0.2 }\n[policy.breaker]\n\
                    [policy.balance]\neject = false\n";
        let policy = from(&given).unwrap();
        assert_eq!(policy, parse_policy("p.toml", text).unwrap());
        assert_eq!(policy.attempt_timeout, Some(Duration::from_millis(250)));
        assert_eq!(from(&[]).unwrap(), Policy::default());
    }

    #[test]
    fn a_wrong_setting_is_refused_with_its_key_its_value_and_what_is_allowed() {
        for (flag, text, expected) in [
            (
                "retries",
                "two",
                "`policy.retry.retries` = \"two\" can't be; allowed: a whole number",
            ),
            ("retries", "99", "`policy.retry.retries` = 99 can't be"),
            (
                "deadline",
                "soon",
                "`policy.deadline` = \"soon\" can't be; allowed: a duration",
            ),
            (
                "retry-propagated",
                "x",
                "`policy.retry.propagated` = \"x\" can't be; allowed: true or false",
            ),
            (
                "balance-pick",
                "best",
                "`policy.balance.pick` = \"best\" can't be; allowed: \"less_loaded\"",
            ),
        ] {
            let error = from(&[(flag, text)]).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
