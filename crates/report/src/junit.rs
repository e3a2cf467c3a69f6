//! Results as JUnit XML, which build servers show: a suite of tests per command, a test per
//! scenario or variant.
//!
//! There is no standard; this is what the common readers agree on. A verdict that could not
//! be reached is a skipped test with its reason: neither green nor red.

use crate::facts::predicted;
use crate::{
    results::{Line, Results, RunResult, ScenarioResult, shown_interval},
    tables::expected,
    words,
};
use availability::Verdict;
use std::{borrow::Cow, fmt::Write};

/// The document.
pub fn document(results: &Results) -> String {
    let scenarios = &results.scenarios;
    let count = |wanted: fn(&Ending) -> bool| {
        scenarios
            .iter()
            .filter(|result| wanted(&Ending::of(result)))
            .count()
    };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to memory can't fail.
    let _ = writeln!(
        text,
        "<testsuite name=\"nines\" tests=\"{}\" failures=\"{}\" errors=\"0\" \
         skipped=\"{}\" time=\"{:.3}\">",
        scenarios.len(),
        count(|ending| matches!(ending, Ending::Failed(_))),
        count(|ending| matches!(ending, Ending::Skipped(_))),
        scenarios.iter().map(seconds).sum::<f64>(),
    );
    for result in scenarios {
        text.push_str(&case(result));
    }
    text.push_str("</testsuite>\n");
    text
}

fn case(result: &ScenarioResult) -> String {
    let variant = result.variant.as_ref();
    let scenario = variant.map_or(&result.name, |variant| &variant.scenario);
    let title = variant.and_then(|variant| variant.title.as_deref());
    let name = title.unwrap_or_else(|| result.plan.title());
    let inside = match Ending::of(result) {
        Ending::Passed => String::new(),
        Ending::Failed(why) => format!("    <failure message=\"{}\"/>\n", escaped(&why)),
        Ending::Skipped(why) => format!("    <skipped message=\"{}\"/>\n", escaped(&why)),
    };
    format!(
        "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">\n{inside}    \
         <system-out>{}</system-out>\n  </testcase>\n",
        escaped(scenario),
        escaped(name),
        seconds(result),
        escaped(&measured(result)),
    )
}

/// How a test ended.
enum Ending {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Ending {
    fn of(result: &ScenarioResult) -> Self {
        let doubts = &result.judgement.doubts;
        let disagreement = result.disagreement().map(disagreement);
        match (result.judgement.verdict, disagreement) {
            (Verdict::Fails, _) => Self::Failed(measured(result)),
            (_, Some(disagreement)) => Self::Failed(disagreement),
            (Verdict::Inconclusive, None) => {
                let doubts: Vec<_> = doubts.iter().map(ToString::to_string).collect();
                Self::Skipped(doubts.join("; "))
            }
            (Verdict::Holds, None) => Self::Passed,
        }
    }
}

/// What two observers of a run counted differently.
fn disagreement(line: &Line) -> String {
    let (left, right) = (&line.left, &line.right);
    format!(
        "{}: {} counted {}, {} counted {}",
        line.what, left.by, left.count, right.by, right.count
    )
}

/// What was measured, beside what was predicted.
fn measured(result: &ScenarioResult) -> String {
    let expected_of_run = predicted(result).map_or_else(
        || words::expected(&result.prediction),
        |value| format!("predicted {}", words::probability(value)),
    );
    let seen = |run: &RunResult| {
        let availability = run.analysis.root.outcomes.availability();
        let (value, interval) = (availability.value()?, shown_interval(availability)?);
        let (value, interval) = (words::percent(value), words::interval(&interval));
        Some(format!("measured {value} (99 %: {interval})"))
    };
    let runs = result.shown().and_then(seen);
    let others = result.others().map(words::other_run);
    let bounds = result.bounds.iter().map(expected::told);
    let all = std::iter::once(expected_of_run);
    let promise = result.fix.as_ref().map(words::promise);
    let told: Vec<_> = all
        .chain(runs)
        .chain(others)
        .chain(bounds)
        .chain(promise)
        .collect();
    told.join("; ")
}

/// How long the load of all its runs took.
fn seconds(result: &ScenarioResult) -> f64 {
    result.runs.iter().map(|run| run.load_s).sum()
}

/// The text inside XML: marks as entities, and without what XML 1.0 can't hold.
fn escaped(text: &str) -> Cow<'_, str> {
    let is_plain = |char| !matches!(char, '<' | '>' | '&' | '"' | '\'') && is_allowed(char);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            char if is_allowed(char) => safe.push(char),
            _ => safe.push('\u{fffd}'),
        }
    }
    Cow::Owned(safe)
}

/// Whether XML 1.0 allows it (section 2.2). A line break in an attribute would be read as a
/// space; titles have none.
const fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_break_out_of_its_element() {
        let hostile = "\"/><failure a='b'>&amp;\u{0}\u{1b}[31m\u{ffff}</testsuite>";
        let text = format!("<t a=\"{}\">{}</t>", escaped(hostile), escaped(hostile));
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(
            root.children().filter(roxmltree::Node::is_element).count(),
            0
        );
        let read = hostile.replace(['\u{0}', '\u{1b}', '\u{ffff}'], "\u{fffd}");
        assert_eq!(root.attribute("a"), Some(&*read));
        assert_eq!(root.text(), Some(&*read));
    }

    #[test]
    fn a_command_without_scenarios_is_a_suite_without_tests() {
        let text = document(&Results::new(Vec::new()));
        let document = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(document.root_element().attribute("tests"), Some("0"));
    }
}
