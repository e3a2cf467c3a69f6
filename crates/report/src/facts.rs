//! What is told of results, however it is shown.

use crate::{
    results::{Generator, RunResult, ScenarioResult, proportion},
    words::played,
};
use availability::{Confidence, Interval, Probability, Proportion, batches};
use faults::When;
use scenario::{Load, Model, Phase, Plan, Prediction};
use std::time::Duration;
use traces::{HopAnalysis, Ratio, analysis::Stretch};

/// Scenarios that belong side by side, in the order of their runs: variants of one, and those
/// that differ in nothing but their policy.
pub(crate) fn groups(results: &[ScenarioResult]) -> Vec<Vec<&ScenarioResult>> {
    let mut groups: Vec<Vec<&ScenarioResult>> = Vec::new();
    for result in results {
        let same = |group: &&mut Vec<&ScenarioResult>| {
            group
                .first()
                .is_some_and(|first| belong_together(first, result))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(result),
            None => groups.push(vec![result]),
        }
    }
    groups
}

fn belong_together(one: &ScenarioResult, other: &ScenarioResult) -> bool {
    match (&one.variant, &other.variant) {
        (Some(one), Some(other)) => one.scenario == other.scenario,
        (None, None) => only_policies_differ(&one.plan, &other.plan),
        _ => false,
    }
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
    one.rate.to_bits() == other.rate.to_bits()
        && one.model == other.model
        && one.patience == other.patience
}

/// Whether requests wait for nothing in a run without phases: then waiting is what matters.
pub(crate) fn waits(result: &ScenarioResult) -> bool {
    result.prediction.wait.is_some() && result.plan.phases().len() == 1
}

/// Whether the scenario's picture is the curve over the depth of a nested chain: one that is
/// deep enough, and whose failures do not come in clusters.
pub(crate) fn is_curve(result: &ScenarioResult) -> bool {
    let deep = result.prediction.depths.len() > 2;
    deep && !result.tries_again() && !result.plan.depends_on_time()
}

/// Whether each hop has a prediction of its own. Where outages meet retries, breakers or
/// workers who wait, only the whole is played.
pub(crate) fn hops_are_predicted(result: &ScenarioResult) -> bool {
    let closed = result.plan.load().model != Model::Open;
    !(result.plan.depends_on_time() && (closed || result.tries_again()))
}

/// What was predicted of the run that is shown: of that run alone, if it was played.
pub(crate) fn predicted(result: &ScenarioResult) -> Probability {
    let given = result.shown().and_then(|run| run.given);
    given.map_or(result.prediction.availability, |given| played(&given))
}

/// Attempts per request, and the half-width of their 99 % interval (the central limit
/// theorem, over requests).
pub fn load(hop: &HopAnalysis, run: &RunResult) -> Option<(f64, Option<f64>)> {
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

/// What the run says of the long run, where outages come and go: by batch means. None where
/// they do not, or where there were too few of them for batches that are much longer.
pub fn long_run(plan: &Plan, run: &RunResult) -> Option<Interval> {
    let down = mean_outage(plan)?;
    let outages: u64 = run.schedule.iter().map(|fault| fault.outages).sum();
    let slices = &run.timeline.slices;
    let length = slices.len().div_ceil(batches::BATCHES).max(1);
    let seconds = run.load_s / slices.len().max(1) as f64 * length as f64;
    if outages < LEAST_OUTAGES || seconds < LEAST_BATCH * down.as_secs_f64() {
        return None;
    }
    let batch = |slices: &[Stretch]| {
        let shares = slices.iter().map(|slice| slice.requests.availability());
        let (answered, offered) = shares.fold((0, 0), |(answered, offered), share| {
            (answered + share.successes(), offered + share.trials())
        });
        Proportion::new(answered, offered).ok()
    };
    let batches: Vec<_> = slices.chunks(length).filter_map(batch).collect();
    batches::wilson(&batches, Confidence::P99)
}

/// Fewer outages say nothing about how they vary.
const LEAST_OUTAGES: u64 = 10;
/// A batch must be so many times as long as an outage.
const LEAST_BATCH: f64 = 10.0;

/// The mean length of the longest outages that come and go; none if there are none.
fn mean_outage(plan: &Plan) -> Option<Duration> {
    let faults = plan.phases().iter().flat_map(|phase| &phase.faults);
    let down = faults.filter_map(|planned| match planned.fault.when {
        When::Renewal(renewal) => Some(renewal.down),
        _ => None,
    });
    down.max()
}

/// Attempts at all hops for one request, and the half-width of their 99 % interval; none
/// without requests.
///
/// Loads of different hops go together, so their half-widths are added, which is the most that
/// the sum can vary.
pub(crate) fn attempts_per_request(run: &RunResult) -> Option<(f64, Option<f64>)> {
    let each: Option<Vec<_>> = run.analysis.hops.iter().map(|hop| load(hop, run)).collect();
    let each = each?;
    let half = each.iter().map(|(_, half)| *half).sum();
    Some((each.iter().map(|(load, _)| load).sum(), half))
}

/// Processor time of all services for one request, in microseconds; none if it is not known.
pub(crate) fn cpu_per_request_us(run: &RunResult) -> Option<f64> {
    let requests = run.generator.counts.offered as f64;
    let all: f64 = run.cpu_s.values().sum();
    (requests > 0.0 && all > 0.0).then(|| all * 1e6 / requests)
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
