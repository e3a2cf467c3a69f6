//! The load on each hop: what retries cost.

use super::Sheet;
use crate::{
    facts,
    results::{RunResult, ScenarioResult},
    words::{count, percent, probability, times, times_about},
};
use scenario::Prediction;
use traces::HopAnalysis;

/// A row per hop: attempts beside calls, availability of both, and the load per request.
pub(crate) fn sheet(result: &ScenarioResult, run: &RunResult) -> Sheet {
    let header = [
        "hop",
        "calls",
        "refused",
        "attempts",
        "per attempt",
        "per call",
        "predicted",
        "load per request",
        "predicted",
    ];
    let mut table = Sheet::new(
        "Attempts beside calls: what retries buy and cost",
        &header,
        1,
    );
    for hop in &run.analysis.hops {
        table.add_row(row(hop, run, &result.prediction));
    }
    table
}

fn row(hop: &HopAnalysis, run: &RunResult, prediction: &Prediction) -> Vec<String> {
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    vec![
        hop.hop.clone(),
        count(hop.calls.outcomes.offered),
        count(hop.calls.not_tried),
        count(hop.attempts.outcomes.offered),
        share(hop.actual.value()),
        share(hop.effective.value()),
        predicted_call(prediction, &hop.hop),
        measured(hop, run),
        predicted(prediction, &hop.hop),
    ]
}

/// The availability of a call to the hop `name`, as predicted: that of its first visit.
fn predicted_call(prediction: &Prediction, name: &str) -> String {
    let hop = prediction.hops.iter().find(|hop| &*hop.service == name);
    let hop = hop.filter(|_| prediction.value().is_some());
    hop.map_or_else(|| "-".to_owned(), |hop| probability(hop.call))
}

/// Attempts at the hop `name` for one request, as predicted.
pub(super) fn predicted(prediction: &Prediction, name: &str) -> String {
    facts::predicted_load(prediction, name).map_or_else(|| "-".to_owned(), times)
}

/// Attempts per request with the half-width of their 99 % interval.
pub(super) fn measured(hop: &HopAnalysis, run: &RunResult) -> String {
    facts::load(hop, run).map_or_else(|| "-".to_owned(), |(load, half)| times_about(load, half))
}
