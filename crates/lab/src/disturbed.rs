//! How the host disturbed a run: then it says more of the host than of the chain.

use crate::bounds;
use availability::{Doubt, Probability, Verdict};
use report::results::RunResult;
use scenario::{Expectation, Measure, Plan};
use traces::HopAnalysis;

/// The share of requests that may leave late before the load is no longer the one stated.
const LATE_ALLOWED: f64 = 0.01;
/// The share of the host's processor time above which failures and delays may be its own.
const BUSY_ALLOWED: f64 = 0.9;
/// So large a part of the distance that matters does no harm.
const HARMLESS: f64 = 0.1;

/// What speaks against judging the run.
pub(crate) fn doubts(plan: &Plan, run: &RunResult) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let requests = run.generator.counts.offered;
    let late = run.generator.late;
    if late as f64 > requests as f64 * LATE_ALLOWED {
        doubts.push(Doubt::LateGenerator { late, requests });
    }
    let busy = run.host_busy.filter(|busy| *busy > BUSY_ALLOWED);
    // A busy host does no harm as long as every failure is one that was injected.
    if let Some(busy) = busy.filter(|_| loses(plan, run) || is_slow(plan, run)) {
        let busy = Probability::new(busy.min(1.0)).unwrap_or(Probability::ONE);
        doubts.push(Doubt::SaturatedHost { busy });
    }
    doubts.extend(spans_lost(run));
    doubts
}

fn spans_lost(run: &RunResult) -> Option<Doubt> {
    let completeness = &run.analysis.completeness;
    let seen = run.analysis.root.outcomes.offered;
    let unseen = run.generator.counts.offered.saturating_sub(seen);
    let lost = completeness.missing() + unseen;
    (lost > 0).then(|| Doubt::SpansLost {
        lost,
        expected: completeness.spans + lost,
    })
}

/// Whether more requests than do no harm were lost without an injected fault.
fn loses(plan: &Plan, run: &RunResult) -> bool {
    unexplained(run) as f64 > allowed(plan.expectation(), run)
}

/// Where something else is expected as well, such as no lost request, a single one may matter.
fn allowed(expectation: &Expectation, run: &RunResult) -> f64 {
    let requests = run.generator.counts.offered as f64;
    if expectation.bounds.is_empty() {
        requests * expectation.distance.get() * HARMLESS
    } else {
        0.0
    }
}

/// Requests that were lost without an injected fault, and that no breaker or limit refused.
fn unexplained(run: &RunResult) -> u64 {
    let hops = &run.analysis.hops;
    let injected = |hop: &HopAnalysis| hop.lost_by_fault.values().sum::<u64>();
    let explained = |hop: &HopAnalysis| injected(hop) + hop.calls.not_tried;
    hops.iter()
        .map(|hop| hop.lost_here.saturating_sub(explained(hop)))
        .sum()
}

/// Whether a latency is longer than expected.
fn is_slow(plan: &Plan, run: &RunResult) -> bool {
    let is_time = |of: Measure| matches!(of, Measure::P50 | Measure::P99 | Measure::P999);
    let mut times = plan.expectation().bounds.iter().filter(|it| is_time(it.of));
    times.any(|bound| bounds::judge(*bound, run).judgement.verdict == Verdict::Fails)
}
