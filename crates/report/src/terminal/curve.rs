//! The curve: availability over the depth of a nested chain, every depth from one run.

use crate::{
    results::{RunResult, proportion},
    words::{count, interval, percent, probability},
};
use availability::Confidence;
use scenario::{Depth, Prediction};
use traces::Ratio;

/// The width of a bar that stands for 100 %, in characters.
const BAR: f64 = 40.0;

/// A row per depth. The intervals of all rows together have 99 % (Bonferroni), so that a
/// dozen rows do not cry wolf more often than one.
pub(super) fn table(prediction: &Prediction, run: &RunResult) -> String {
    let depths = &prediction.depths;
    let level = Confidence::new(1.0 - 0.01 / depths.len().max(1) as f64).unwrap_or(Confidence::P99);
    let header = [
        "hops",
        "calls",
        "predicted",
        "measured",
        "interval",
        "inside",
        "80 % to 100 %",
    ];
    let mut table = super::table(&header, 0);
    let measured = run.analysis.depth_curve();
    for depth in depths {
        let ratio = measured
            .iter()
            .find(|(hop, _)| *hop == &*depth.service)
            .map(|(_, ratio)| *ratio);
        table.add_row(row(depth, ratio, level));
    }
    if let Some(column) = table.column_mut(6) {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    format!(
        "{table}\n{} intervals that together have 99 % confidence\n",
        depths.len()
    )
}

fn row(depth: &Depth, ratio: Option<Ratio>, level: Confidence) -> Vec<String> {
    let seen = ratio.and_then(proportion);
    let interval_seen = seen.map(|seen| seen.clopper_pearson(level));
    let inside = interval_seen.map(|interval| interval.contains(depth.availability));
    let dash = || "-".to_owned();
    vec![
        depth.hops.to_string(),
        seen.map_or_else(dash, |seen| count(seen.trials())),
        probability(depth.availability),
        seen.map_or_else(dash, |seen| percent(seen.estimate().get())),
        interval_seen.as_ref().map_or_else(dash, interval),
        inside.map_or_else(dash, |inside| if inside { "yes" } else { "NO" }.to_owned()),
        seen.map_or_else(dash, |seen| bar(seen.estimate().get())),
    ]
}

/// A bar from 80 % to 100 %: below that the chain has other problems.
fn bar(value: f64) -> String {
    const FROM: f64 = 0.8;
    let share = ((value - FROM) / (1.0 - FROM)).clamp(0.0, 1.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 40"
    )]
    let width = (share * BAR).round() as usize;
    "█".repeat(width)
}
