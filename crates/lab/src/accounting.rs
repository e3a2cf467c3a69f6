//! Do generator, metrics and spans agree, to the request?
//!
//! Three observers count the same requests and know nothing of each other: the load
//! generator by the answers it gets, each service by its metrics, and the receiver by the
//! spans that arrive. When no process is killed and all queues are drained they must agree
//! to the request; where they do not, one of them is wrong and no number of the run is safe.

use crate::control::Metrics;
use report::results::{Accounting, Count, Counts, Line};
use std::collections::BTreeMap;
use traces::{Analysis, HopAnalysis, analysis::Outcomes};
use types::Cause;

const GENERATOR: &str = "generator";
const METRICS: &str = "metrics";
const SPANS: &str = "spans";

/// Compares what the three observers counted; `metrics` are those of each service since the
/// load began, and `edge` is the service that the generator calls.
pub fn compare(
    generator: &Counts,
    metrics: &BTreeMap<String, Metrics>,
    analysis: &Analysis,
    edge: &str,
) -> Accounting {
    let mut lines = user_view(generator, &analysis.root.outcomes);
    let received = metrics
        .get(edge)
        .map(|edge| edge.requests.offered)
        .unwrap_or_default();
    lines.push(line(
        format!("requests at {edge}"),
        (GENERATOR, generator.offered),
        (METRICS, received),
    ));
    for hop in &analysis.hops {
        lines.extend(at_hop(hop, metrics));
    }
    Accounting { lines }
}

/// What the user saw, by generator and spans.
fn user_view(generator: &Counts, spans: &Outcomes) -> Vec<Line> {
    let mut lines = vec![
        line(
            "requests offered".into(),
            (GENERATOR, generator.offered),
            (SPANS, spans.offered),
        ),
        line(
            "answered in full".into(),
            (GENERATOR, generator.ok),
            (SPANS, spans.ok),
        ),
        line(
            "degraded".into(),
            (GENERATOR, generator.degraded),
            (SPANS, spans.degraded),
        ),
    ];
    lines.extend(by_cause(
        "failed",
        (GENERATOR, &generator.failed_by_cause),
        &spans.failed.by_cause,
    ));
    lines
}

/// What one service received, by its metrics and its spans; and what was called of it, by
/// the metrics of its callers and their spans.
fn at_hop(hop: &HopAnalysis, metrics: &BTreeMap<String, Metrics>) -> Vec<Line> {
    let name = &hop.hop;
    let none = Metrics::default();
    let own = &metrics.get(name).unwrap_or(&none).requests;
    let seen = &hop.requests.outcomes;
    let mut lines = vec![
        line(
            format!("{name}: received"),
            (METRICS, own.offered),
            (SPANS, seen.offered),
        ),
        line(format!("{name}: ok"), (METRICS, own.ok), (SPANS, seen.ok)),
    ];
    let what = format!("{name}: failed");
    lines.extend(by_cause(
        &what,
        (METRICS, &own.failed_by_cause),
        &seen.failed.by_cause,
    ));
    let called: Vec<&Counts> = metrics
        .values()
        .filter_map(|caller| caller.calls.get(name))
        .collect();
    if !called.is_empty() {
        let sum = |of: fn(&Counts) -> u64| called.iter().map(|counts| of(counts)).sum();
        let calls = &hop.calls.outcomes;
        lines.push(line(
            format!("{name}: calls"),
            (METRICS, sum(|c| c.offered)),
            (SPANS, calls.offered),
        ));
        lines.push(line(
            format!("{name}: calls ok"),
            (METRICS, sum(|c| c.ok)),
            (SPANS, calls.ok),
        ));
    }
    lines
}

fn by_cause(
    what: &str,
    (by, left): (&'static str, &BTreeMap<Cause, u64>),
    right: &BTreeMap<Cause, u64>,
) -> Vec<Line> {
    let count =
        |counts: &BTreeMap<Cause, u64>, cause| counts.get(cause).copied().unwrap_or_default();
    let seen = Cause::ALL
        .iter()
        .filter(|cause| count(left, cause) + count(right, cause) > 0);
    let lines = seen.map(|cause| {
        line(
            format!("{what}: {cause}"),
            (by, count(left, cause)),
            (SPANS, count(right, cause)),
        )
    });
    lines.collect()
}

fn line(what: String, left: (&'static str, u64), right: (&'static str, u64)) -> Line {
    let count = |(by, count)| Count { by, count };
    Line {
        what,
        left: count(left),
        right: count(right),
    }
}
