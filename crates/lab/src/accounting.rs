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
use types::{Cause, StoppedBy};

const GENERATOR: &str = "generator";
const METRICS: &str = "metrics";
const SPANS: &str = "spans";

/// Compares what the three observers counted; `metrics` are those of each service since the
/// load began, the client's among them; none if they do not hold all, because services were
/// restarted and began to count anew, or were stopped in the middle of something.
pub fn compare(
    generator: &Counts,
    metrics: Option<&BTreeMap<String, Metrics>>,
    analysis: &Analysis,
) -> Accounting {
    let mut lines = user_view(generator, &analysis.root.outcomes);
    for (hop, metrics) in analysis.hops.iter().zip(metrics.into_iter().cycle()) {
        lines.extend(at_hop(hop, metrics));
        lines.extend(called(hop, metrics));
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

/// What one service received, by its metrics and its spans.
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
    lines
}

/// The calls and attempts made on one service, by the metrics of its callers and their spans.
fn called(hop: &HopAnalysis, metrics: &BTreeMap<String, Metrics>) -> Vec<Line> {
    let name = &hop.hop;
    let sum = |of: fn(&Metrics) -> &BTreeMap<String, Counts>, count: fn(&Counts) -> u64| {
        let counts = metrics.values().filter_map(|caller| of(caller).get(name));
        (METRICS, counts.map(count).sum())
    };
    let (calls, attempts) = (&hop.calls.outcomes, &hop.attempts.outcomes);
    let mut lines: Vec<_> = [
        ("calls", sum(|m| &m.calls, |c| c.offered), calls.offered),
        ("calls ok", sum(|m| &m.calls, |c| c.ok), calls.ok),
        (
            "attempts",
            sum(|m| &m.attempts, |c| c.offered),
            attempts.offered,
        ),
        ("attempts ok", sum(|m| &m.attempts, |c| c.ok), attempts.ok),
    ]
    .map(|(what, counted, spans)| line(format!("{name}: {what}"), counted, (SPANS, spans)))
    .into();
    for stopped_by in StoppedBy::ALL {
        let callers = metrics
            .values()
            .filter_map(|caller| caller.stopped_by.get(name));
        let counted: u64 = callers.filter_map(|ended| ended.get(stopped_by)).sum();
        let spans = hop
            .calls
            .stopped_by
            .get(stopped_by)
            .copied()
            .unwrap_or_default();
        if counted + spans > 0 {
            let what = format!("{name}: calls stopped by {stopped_by}");
            lines.push(line(what, (METRICS, counted), (SPANS, spans)));
        }
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
