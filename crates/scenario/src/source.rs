//! The text of a scenario, and what lies where in it.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where something lies, in bytes.
pub(crate) type Span = Range<usize>;

/// A scenario's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The scenario, and behind it a line for each flag.
    text: &'a str,
    /// Where the scenario ends.
    end: usize,
}

impl<'a> Source<'a> {
    /// The scenario is `text` up to `end`; behind it stands a line for each flag.
    pub(crate) const fn with_flags(text: &'a str, end: usize) -> Self {
        Self { text, end }
    }

    /// The scenario.
    pub(crate) fn text(self) -> &'a str {
        self.text.get(..self.end).unwrap_or(self.text)
    }

    /// The flag, with its value, that the byte lies in, if it is not in the scenario.
    pub(crate) fn flag(self, byte: usize) -> Option<&'a str> {
        let flags = self.text.get(self.end..byte)?;
        let start = self.end + flags.rfind('\n')? + 1;
        self.text.get(start..)?.lines().next()
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub(crate) fn position(self, byte: usize) -> (usize, usize) {
        types::read::position(self.text, byte)
    }

    /// The text of a value on one line, shortened if it is long.
    pub(crate) fn value(self, span: &Span) -> String {
        const LONGEST: usize = 60;
        let text = self.text.get(span.clone()).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let line = lines.join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// The keys that lead to the innermost value around `byte`.
pub(crate) fn path_to(table: &DeTable<'_>, byte: usize) -> Vec<String> {
    let around = |value: &&Spanned<DeValue<'_>>| holds(value, byte);
    let inner = table.iter().find(|(_, value)| around(value));
    let Some((key, value)) = inner else {
        return Vec::new();
    };
    let mut path = vec![key.get_ref().to_string()];
    match value.get_ref() {
        DeValue::Table(table) => path.extend(path_to(table, byte)),
        DeValue::Array(values) => {
            let inner = values.iter().find(|value| holds(value, byte));
            let table = inner.and_then(|value| value.get_ref().as_table());
            path.extend(table.map(|table| path_to(table, byte)).unwrap_or_default());
        }
        _ => {}
    }
    path
}

/// Where the value at `path` lies, if it is there. Of a list, in the table that has `byte`.
pub(crate) fn span_at(table: &DeTable<'_>, path: &[&str], byte: usize) -> Option<Span> {
    let (key, rest) = path.split_first()?;
    let value = table.get(*key)?;
    if rest.is_empty() {
        return Some(value.span());
    }
    let table = match value.get_ref() {
        DeValue::Array(values) => values.iter().find(|value| holds(value, byte))?,
        _ => value,
    };
    span_at(table.get_ref().as_table()?, rest, byte)
}

/// Whether `byte` lies in the value, or in a part of it. Parts of a table may lie outside
/// of it: its own span is that of its header.
fn holds(value: &Spanned<DeValue<'_>>, byte: usize) -> bool {
    let inside = match value.get_ref() {
        DeValue::Table(table) => table.values().any(|value| holds(value, byte)),
        DeValue::Array(values) => values.iter().any(|value| holds(value, byte)),
        _ => false,
    };
    inside || value.span().contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::with_flags("a\nüb = 1\n", 9);
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(4), (2, 2));
        assert_eq!(source.position(99), (3, 1));
    }

    #[test]
    fn long_values_are_shortened() {
        let text = "x".repeat(80);
        let shown = Source::with_flags(&text, text.len()).value(&(0..80));
        assert_eq!(shown.chars().count(), 61);
        assert!(shown.ends_with('…'));
    }

    #[test]
    fn a_value_knows_the_way_to_itself() {
        let text = "a = 1\n[b]\nc = { d = 2 }\n[b.e]\nf = [3]\n";
        let table = DeTable::parse(text).unwrap();
        let path = |byte| path_to(table.get_ref(), byte).join(".");
        assert_eq!(path(text.find('1').unwrap()), "a");
        assert_eq!(path(text.find('2').unwrap()), "b.c.d");
        assert_eq!(path(text.find('3').unwrap()), "b.e.f");
        assert_eq!(path(text.len()), "");
    }
}
