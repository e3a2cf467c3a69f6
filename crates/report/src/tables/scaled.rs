//! Replicas that come and go with the load, beside numbers that stay: what they serve and cost.

use super::Sheet;
use crate::{
    facts::predicted,
    results::{RunResult, ScenarioResult, shown_interval},
    words::{called, interval, percent, probability},
};
use availability::format::{rate, rate_interval};
use traces::Ratio;

/// A row per version of the scenario; none if nothing is scaled in any of them.
pub(crate) fn sheet(group: &[&ScenarioResult]) -> Option<Sheet> {
    let scale = group.iter().find_map(|result| result.plan.scale())?;
    let header = [
        "replicas",
        "answered, with 99 % interval",
        "predicted",
        "answered a second, with 99 % interval",
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
    [
        called(result),
        share(answered),
        predicted(result).map_or_else(|| "-".to_owned(), probability),
        per_second(answered, end),
        most.to_string(),
        seconds(cost),
        seconds(result.prediction.replica_s.unwrap_or(fixed)),
    ]
}

fn share(answered: Ratio) -> String {
    let seen = answered.value().zip(shown_interval(answered));
    seen.map_or_else(
        || "-".to_owned(),
        |(value, seen)| format!("{} ({})", percent(value), interval(&seen)),
    )
}

/// Of all that are offered in a second, as many as were answered of all.
fn per_second(answered: Ratio, end: f64) -> String {
    let offered = answered.trials() as f64 / end.max(f64::MIN_POSITIVE);
    let seen = answered.value().zip(shown_interval(answered));
    seen.map_or_else(
        || "-".to_owned(),
        |(value, seen)| {
            let [value, low, high] =
                [value, seen.low.get(), seen.high.get()].map(|share| share * offered);
            format!("{} ({})", rate(value), rate_interval(low, high))
        },
    )
}

fn seconds(cost: f64) -> String {
    format!("{cost:.1} replica-s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rates_stand_beside_their_intervals() {
        let answered = Ratio::new(900, 100);
        assert_eq!(share(answered), "90.00 % (87.29 – 92.19 %)");
        assert_eq!(per_second(answered, 10.0), "90/s (87.29 – 92.19/s)");
        assert_eq!(share(Ratio::new(0, 0)), "-");
    }
}
