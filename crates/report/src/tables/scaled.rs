//! Replicas that come and go with the load, beside numbers that stay: what they serve and cost.

use super::Sheet;
use crate::{
    facts::predicted,
    results::{RunResult, ScenarioResult},
    words::{called, percent, probability},
};

/// A row per version of the scenario; none if nothing is scaled in any of them.
pub(crate) fn sheet(group: &[&ScenarioResult]) -> Option<Sheet> {
    let scale = group.iter().find_map(|result| result.plan.scale())?;
    let header = [
        "replicas",
        "answered",
        "predicted",
        "answered a second",
        "most",
        "cost",
        "predicted",
    ];
    let mut table = Sheet::new("What replicas serve, and what they cost", &header, 1);
    for result in group {
        if let Some(run) = result.shown() {
            table.add_row(row(result, run, &scale.service));
        }
    }
    table.note = Some(format!(
        "cost: seconds of all replicas of {} together, each from its start until it is told to stop",
        scale.service
    ));
    Some(table)
}

fn row(result: &ScenarioResult, run: &RunResult, service: &str) -> [String; 7] {
    let answered = run.analysis.root.outcomes.availability();
    let end = result.plan.load().expected_duration().as_secs_f64();
    let stated = result.plan.topology().replicas(service);
    let fixed = f64::from(stated) * end;
    let (most, cost) = match &run.scaled {
        Some(scaled) => (scaled.staff.most(), scaled.replica_s),
        None => (stated, fixed),
    };
    let per_second = answered.successes() as f64 / end.max(f64::MIN_POSITIVE);
    [
        called(result),
        answered.value().map_or_else(|| "-".to_owned(), percent),
        probability(predicted(result)),
        format!("{per_second:.1}/s"),
        most.to_string(),
        seconds(cost),
        seconds(result.prediction.replica_s.unwrap_or(fixed)),
    ]
}

fn seconds(cost: f64) -> String {
    format!("{cost:.1} replica-s")
}
