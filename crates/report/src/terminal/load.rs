//! The load on each hop: what retries cost.

use crate::{
    results::RunResult,
    words::{count, percent, probability},
};
use availability::Confidence;
use scenario::Prediction;
use traces::HopAnalysis;

/// A row per hop: attempts beside calls, availability of both, and the load per request.
pub(super) fn table(prediction: &Prediction, run: &RunResult) -> String {
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
    let mut table = super::table(&header, 1);
    for hop in &run.analysis.hops {
        table.add_row(row(hop, run, prediction));
    }
    format!("{table}\n")
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
    hop.map_or_else(|| "-".to_owned(), |hop| probability(hop.call))
}

/// Attempts at the hop `name` for one request, as predicted: those of all its visits.
pub(super) fn predicted(prediction: &Prediction, name: &str) -> String {
    let visits = prediction.hops.iter().filter(|hop| &*hop.service == name);
    let loads: Vec<f64> = visits.map(|hop| hop.load).collect();
    if loads.is_empty() {
        return "-".to_owned();
    }
    times(loads.iter().sum())
}

/// Attempts per request with the half-width of their 99 % interval (the central limit
/// theorem, over requests).
pub(super) fn measured(hop: &HopAnalysis, run: &RunResult) -> String {
    let Some(load) = hop.load_amplification else {
        return "-".to_owned();
    };
    let requests = run.analysis.root.outcomes.offered as f64;
    let half = hop
        .load_deviation
        .map(|deviation| Confidence::P99.two_sided_z() * deviation / requests.sqrt());
    let half = half.map_or_else(String::new, |half| format!(" ± {half:.3}"));
    format!("{load:.3}{half} ×")
}

/// Attempts per request as predicted.
pub(super) fn times(load: f64) -> String {
    format!("{load:.3} ×")
}
