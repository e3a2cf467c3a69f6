//! What else was expected, beside availability.

use super::Sheet;
use crate::{
    results::{Met, ScenarioResult},
    words::{count, millis, percent, times},
};
use scenario::Measure;

/// A row per bound; none if there are no bounds.
pub(crate) fn sheet(result: &ScenarioResult) -> Option<Sheet> {
    if result.bounds.is_empty() {
        return None;
    }
    let header = [
        "expected",
        "at least",
        "at most",
        "measured",
        "99 % interval",
        "verdict",
    ];
    let mut table = Sheet::new("What else was expected", &header, 1);
    for met in &result.bounds {
        table.add_row(row(met));
    }
    Some(table)
}

fn row(met: &Met) -> [String; 6] {
    let of = met.bound.of;
    let say =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| in_words(of, value));
    let interval = match (of, met.low, met.high) {
        (Measure::Lost, ..) => "a count".to_owned(),
        (_, None, None) => "-".to_owned(),
        (_, low, high) => format!("{} – {}", say(low), say(high)),
    };
    [
        name(of).to_owned(),
        say(met.bound.min),
        say(met.bound.max),
        say(met.seen),
        interval,
        met.judgement.verdict.to_string(),
    ]
}

/// A bound and what was measured in a few words: `latency p99 31.0 ms: holds`.
pub(crate) fn told(met: &Met) -> String {
    let of = met.bound.of;
    let seen = met
        .seen
        .map_or_else(|| "-".to_owned(), |seen| in_words(of, seen));
    format!("{} {seen}: {}", name(of), met.judgement.verdict)
}

/// What is measured, as it is called.
pub(crate) const fn name(of: Measure) -> &'static str {
    match of {
        Measure::FullQuality => "full quality",
        Measure::P50 => "latency p50",
        Measure::P99 => "latency p99",
        Measure::P999 => "latency p99.9",
        Measure::Amplification => "attempts for one request, at the busiest hop",
        Measure::Lost => "requests lost",
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests"
)]
fn in_words(of: Measure, value: f64) -> String {
    match of {
        Measure::FullQuality => percent(value),
        Measure::P50 | Measure::P99 | Measure::P999 => millis(value),
        Measure::Amplification => times(value),
        Measure::Lost => count(value as u64),
    }
}
