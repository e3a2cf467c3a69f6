//! A dependency that hangs: what each policy makes of it.

use super::Sheet;
use crate::{
    results::{RunResult, ScenarioResult, shown_interval},
    words::{self, censored, count, counted, interval, millis, percent},
};
use availability::Interval;
use traces::analysis::Latency;

/// What a row shows of a run.
type CellOf = fn(&ScenarioResult, &RunResult) -> String;

/// A column per policy: success, latency, and the requests that are stuck.
pub(crate) fn sheet(results: &[&ScenarioResult]) -> Sheet {
    let names = results.iter().map(|result| words::waiting_policy(result));
    let header: Vec<String> = std::iter::once(String::new()).chain(names).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = Sheet::new("How long a client waits for nothing", &header, 1);
    let rows: [(&str, CellOf); 7] = [
        ("requests", |_, run| {
            count(run.analysis.root.outcomes.offered)
        }),
        ("answered, with 99 % interval", answered),
        ("the client knows after, p50", |result, run| {
            latency(result, run, |l| l.p50_ms)
        }),
        ("the client knows after, p99", |result, run| {
            latency(result, run, |l| l.p99_ms)
        }),
        ("the client knows after, predicted", predicted_wait),
        ("stuck in the gateway, at most", |_, run| stuck(run)),
        ("stuck, predicted (Little's law)", |result, _| {
            predicted_stuck(result)
        }),
    ];
    for (name, cell) in rows {
        let cells = results
            .iter()
            .filter_map(|result| Some(cell(result, result.shown()?)));
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    }
    let note = "≥: the client gave up; how long it would have waited is not known";
    table.note = Some(note.to_owned());
    table
}

fn answered(_: &ScenarioResult, run: &RunResult) -> String {
    let ratio = run.analysis.root.outcomes.availability();
    let interval = shown_interval(ratio).map(|seen: Interval| interval(&seen));
    let value = ratio.value().map_or_else(|| "-".to_owned(), percent);
    format!("{value} ({})", interval.unwrap_or_default())
}

fn latency(result: &ScenarioResult, run: &RunResult, of: fn(&Latency) -> f64) -> String {
    let latency = run.analysis.root.latency.as_ref();
    latency.map_or_else(
        || "-".to_owned(),
        |latency| censored(of(latency), &result.plan),
    )
}

fn predicted_wait(result: &ScenarioResult, _: &RunResult) -> String {
    let Some(wait) = result.prediction.wait else {
        return "-".to_owned();
    };
    let sign = if wait.censored { "≥ " } else { "" };
    format!("{sign}{}", millis(wait.known_after_s * 1e3))
}

fn stuck(run: &RunResult) -> String {
    let edge = run.analysis.hops.first();
    edge.map_or_else(
        || "-".to_owned(),
        |edge| counted(edge.max_concurrency, "request"),
    )
}

fn predicted_stuck(result: &ScenarioResult) -> String {
    let wait = result.prediction.wait;
    wait.map_or_else(
        || "-".to_owned(),
        |wait| format!("{} on average", count(rounded(wait.stuck_requests))),
    )
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bounded count"
)]
fn rounded(requests: f64) -> u64 {
    requests.round() as u64
}
