//! The staircase: how availability drops hop by hop.

use super::Sheet;
use crate::{
    facts::hops_are_predicted,
    gain::own_caveat,
    results::{RunResult, ScenarioResult, shown_interval},
    words::{count, interval, percent, probability, times},
};
use scenario::Prediction;
use traces::HopAnalysis;

/// Predicted beside measured, hop by hop.
pub(crate) fn measured(result: &ScenarioResult, run: &RunResult) -> Sheet {
    let prediction = &result.prediction;
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
    for hop in &run.analysis.hops {
        let predicted = prediction
            .hops
            .iter()
            .find(|predicted| *predicted.service == *hop.hop);
        let predicted = predicted.filter(|_| hops_are_predicted(result));
        let predicted = predicted.map(|hop| probability(hop.cumulative));
        table.add_row(row(hop, predicted.unwrap_or_else(|| "-".into())));
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
    for hop in &prediction.hops {
        table.add_row([
            format!("{}{}", "  ".repeat(hop.depth), hop.service),
            probability(hop.own),
            probability(hop.attempt),
            probability(hop.call),
            times(hop.load),
            probability(hop.cumulative),
        ]);
    }
    table
}
