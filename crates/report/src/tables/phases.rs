//! A row per phase.

use super::Sheet;
use crate::{
    results::{RunResult, ScenarioResult, shown_interval},
    words::{self, censored, count, interval, millis, percent, phase_name, probability, recovery},
};
use scenario::{Plan, Prediction};
use traces::analysis::Stretch;

const CAPTION: &str = "What happened in each phase";

/// A row per phase: what was answered, how fast, and what reached the deepest hop.
pub(crate) fn measured(result: &ScenarioResult, run: &RunResult) -> Option<Sheet> {
    let deepest = result.plan.topology().visits().pop()?;
    let at = format!("at {}", deepest.service);
    let header = [
        "phase",
        "requests",
        "answered",
        "99 % interval",
        "predicted",
        "p50",
        &at,
        "refused",
        "first answer",
    ];
    let mut table = Sheet::new(CAPTION, &header, 1);
    for (place, stretch) in run.timeline.phases.iter().enumerate() {
        let mut cells = row(&result.plan, place, stretch, &deepest.service);
        let predicted = result.prediction.phases.get(place);
        cells[4] =
            predicted.map_or_else(|| "-".to_owned(), |phase| probability(phase.availability));
        table.add_row(cells);
    }
    Some(table)
}

/// The phases as predicted, before anything is measured; none for a run of one phase.
pub(crate) fn predicted(plan: &Plan, prediction: &Prediction) -> Option<Sheet> {
    if prediction.phases.len() < 2 {
        return None;
    }
    let header = [
        "phase",
        "from",
        "answered",
        "wait for nothing",
        "attempts",
        "refused",
        "answers again after",
    ];
    let mut table = Sheet::new(CAPTION, &header, 1);
    for (phase, planned) in prediction.phases.iter().zip(plan.phases()) {
        let dash = || "-".to_owned();
        let outage = phase.outage.as_ref();
        let waits = phase.wait.as_ref().map(|wait| {
            format!(
                "{}, {} each",
                words::share(wait.share.get()),
                millis(wait.known_after_s * 1e3)
            )
        });
        table.add_row([
            phase_name(plan, planned),
            format!("{:.1} s", phase.start_s),
            probability(phase.availability),
            waits.unwrap_or_else(dash),
            outage.map_or_else(dash, |outage| {
                format!("{:.0} at {}", outage.reaching, outage.callee)
            }),
            outage.map_or_else(dash, |outage| words::share(outage.refused.get())),
            outage.map_or_else(dash, recovery),
        ]);
    }
    Some(table)
}

fn row(plan: &Plan, place: usize, stretch: &Stretch, deepest: &str) -> Vec<String> {
    let dash = || "-".to_owned();
    let ratio = stretch.requests.availability();
    let title = plan
        .phases()
        .get(place)
        .map(|phase| phase_name(plan, phase));
    let latency = |of: fn(&traces::analysis::Latency) -> f64| {
        let latency = stretch.latency.as_ref();
        latency.map_or_else(dash, |latency| censored(of(latency), plan))
    };
    let hop = stretch.hops.get(deepest).copied().unwrap_or_default();
    vec![
        title.unwrap_or_default(),
        count(stretch.requests.offered),
        ratio.value().map_or_else(dash, percent),
        shown_interval(ratio).as_ref().map_or_else(dash, interval),
        dash(),
        latency(|latency| latency.p50_ms),
        count(hop.attempts),
        count(hop.refused),
        stretch.first_answer.map_or_else(
            || "none".to_owned(),
            |after| format!("after {}", millis(after as f64 / 1e6)),
        ),
    ]
}
