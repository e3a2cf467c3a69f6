//! What is told of results, however it is shown.

use crate::results::{Generator, RunResult, ScenarioResult, proportion};
use availability::{Confidence, Interval, Proportion};
use scenario::{Load, Phase, Plan, Prediction};
use traces::{HopAnalysis, Ratio};

/// Scenarios that differ in nothing but their policy, in the order of their runs.
pub(crate) fn groups(results: &[ScenarioResult]) -> Vec<Vec<&ScenarioResult>> {
    let mut groups: Vec<Vec<&ScenarioResult>> = Vec::new();
    for result in results {
        let same = |group: &&mut Vec<&ScenarioResult>| {
            group
                .first()
                .is_some_and(|first| only_policies_differ(&first.plan, &result.plan))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(result),
            None => groups.push(vec![result]),
        }
    }
    groups
}

fn only_policies_differ(one: &Plan, other: &Plan) -> bool {
    let same = |(one, other): (&Phase, &Phase)| {
        one.start == other.start && same_load(&one.load, &other.load) && one.faults == other.faults
    };
    one.topology() == other.topology()
        && one.phases().len() == other.phases().len()
        && one.phases().iter().zip(other.phases()).all(same)
}

/// The same rate and the same patience; how many requests there are decides only how narrow
/// the intervals are.
fn same_load(one: &Load, other: &Load) -> bool {
    one.rate.to_bits() == other.rate.to_bits() && one.patience == other.patience
}

/// Whether requests wait for nothing in a run without phases: then waiting is what matters.
pub(crate) fn waits(result: &ScenarioResult) -> bool {
    result.prediction.wait.is_some() && result.plan.phases().len() == 1
}

/// Whether the scenario's picture is the curve over the depth of a nested chain.
pub(crate) fn is_curve(result: &ScenarioResult) -> bool {
    !result.tries_again() && !result.prediction.depths.is_empty()
}

/// Attempts per request, and the half-width of their 99 % interval (the central limit
/// theorem, over requests).
pub(crate) fn load(hop: &HopAnalysis, run: &RunResult) -> Option<(f64, Option<f64>)> {
    let requests = run.analysis.root.outcomes.offered as f64;
    let half = hop
        .load_deviation
        .map(|deviation| Confidence::P99.two_sided_z() * deviation / requests.sqrt());
    Some((hop.load_amplification?, half))
}

/// Attempts per request at the hop `name`, as predicted: those of all its visits.
pub(crate) fn predicted_load(prediction: &Prediction, name: &str) -> Option<f64> {
    let visits = || prediction.hops.iter().filter(|hop| &*hop.service == name);
    visits().next()?;
    Some(visits().map(|hop| hop.load).sum())
}

/// One depth of a nested chain: what was seen, and the interval at its share of 99 %.
pub(crate) struct SeenDepth<'a> {
    /// What was predicted.
    pub(crate) predicted: &'a scenario::Depth,
    /// What was seen, if anything.
    pub(crate) seen: Option<(Proportion, Interval)>,
}

/// Every depth. The intervals of all together have 99 % (Bonferroni), so that a dozen of them
/// do not cry wolf more often than one.
pub(crate) fn depths<'a>(prediction: &'a Prediction, run: &RunResult) -> Vec<SeenDepth<'a>> {
    let depths = &prediction.depths;
    let level = Confidence::new(1.0 - 0.01 / depths.len().max(1) as f64).unwrap_or(Confidence::P99);
    let measured = run.analysis.depth_curve();
    let ratio = |name: &str| -> Option<Ratio> {
        let found = measured.iter().find(|(hop, _)| *hop == name);
        found.map(|(_, ratio)| *ratio)
    };
    let seen = |depth: &'a scenario::Depth| {
        let seen = ratio(&depth.service).and_then(proportion);
        SeenDepth {
            predicted: depth,
            seen: seen.map(|seen| (seen, seen.clopper_pearson(level))),
        }
    };
    depths.iter().map(seen).collect()
}

/// Requests that the client gave up on are known to have taken at least its patience.
pub(crate) fn is_censored(generator: &Generator) -> bool {
    generator.gave_up > 0
}
