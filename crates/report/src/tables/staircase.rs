//! The staircase: how availability drops hop by hop.

use super::Sheet;
use crate::{
    facts::predicted_stairs,
    gain::own_caveat,
    results::{RunResult, ScenarioResult, shown_interval},
    words::{count, interval, percent, probability, times},
};
use availability::Probability;
use scenario::Prediction;
use traces::HopAnalysis;

/// Predicted beside measured, hop by hop.
pub(crate) fn measured(result: &ScenarioResult, run: &RunResult) -> Sheet {
    let of_what = if result.plan.depends_on_time() {
        "in the long run"
    } else {
        "predicted"
    };
    let header = [
        "hop",
        "calls",
        "lost here",
        "own",
        "effective",
        "down to here",
        "99 % interval",
        of_what,
    ];
    let mut table = Sheet::new("What was lost at which hop", &header, 1);
    let stairs = predicted_stairs(&result.prediction, &run.analysis.hops);
    for (hop, predicted) in run.analysis.hops.iter().zip(stairs) {
        let predicted = predicted.map_or_else(|| "-".to_owned(), percent);
        table.add_row(row(hop, predicted));
    }
    // Two lines, for a terminal.
    table.note = own_caveat(&result.plan).map(|text| text.replacen(", so", ",\nso", 1));
    table
}

fn row(hop: &HopAnalysis, predicted: String) -> Vec<String> {
    let cumulative = hop.cumulative;
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    vec![
        hop.hop.clone(),
        count(hop.calls.outcomes.offered),
        count(hop.lost_here),
        share(hop.own.value()),
        share(hop.effective.value()),
        share(cumulative.value()),
        shown_interval(cumulative)
            .as_ref()
            .map_or_else(|| "-".to_owned(), interval),
        predicted,
    ]
}

/// The prediction alone.
pub(crate) fn predicted(prediction: &Prediction) -> Sheet {
    let header = [
        "hop",
        "own",
        "per attempt",
        "per call",
        "load per request",
        "down to here",
    ];
    let mut table = Sheet::new("What is predicted of each hop", &header, 1);
    let is_predicted = prediction.value().is_some();
    let share = |share: Probability| is_predicted.then(|| probability(share));
    for hop in &prediction.hops {
        let cells = [
            Some(format!("{}{}", "  ".repeat(hop.depth), hop.service)),
            share(hop.own),
            share(hop.attempt),
            share(hop.call),
            is_predicted.then(|| times(hop.load)),
            hop.cumulative.and_then(share),
        ];
        table.add_row(cells.map(|cell| cell.unwrap_or_else(|| "–".to_owned())));
    }
    table
}
