//! The curve: availability over the depth of a nested chain, every depth from one run.

use super::Sheet;
use crate::{
    facts::{self, SeenDepth},
    results::RunResult,
    words::{count, interval, percent, probability},
};
use scenario::Prediction;

/// A row per depth.
pub(crate) fn sheet(prediction: &Prediction, run: &RunResult) -> Sheet {
    let depths = facts::depths(prediction, run);
    let header = [
        "hops",
        "calls",
        "predicted",
        "measured",
        "interval",
        "inside",
    ];
    let mut table = Sheet::new("The availability of the last hops of the chain", &header, 0);
    for depth in &depths {
        table.add_row(row(depth));
    }
    table.note = Some(format!(
        "{} intervals that together have 99 % confidence",
        depths.len()
    ));
    table
}

fn row(SeenDepth { predicted, seen }: &SeenDepth<'_>) -> Vec<String> {
    let inside = seen.map(|(_, interval)| interval.contains(predicted.availability));
    let interval_seen = seen.map(|(_, interval)| interval);
    let seen = seen.map(|(seen, _)| seen);
    let dash = || "-".to_owned();
    vec![
        predicted.hops.to_string(),
        seen.map_or_else(dash, |seen| count(seen.trials())),
        probability(predicted.availability),
        seen.map_or_else(dash, |seen| percent(seen.estimate().get())),
        interval_seen.as_ref().map_or_else(dash, interval),
        inside.map_or_else(dash, |inside| if inside { "yes" } else { "NO" }.to_owned()),
    ]
}
