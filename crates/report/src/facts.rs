//! What is told of results, however it is shown.

use crate::{
    results::{Generator, RunResult, ScenarioResult, proportion, shown_interval},
    words::played,
};
use availability::{Confidence, Interval, Probability, Proportion, batches};
use faults::When;
use scenario::{Load, Phase, Plan, Prediction};
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

/// What was predicted of the run that is shown: of that run alone, if it was simulated. None
/// where nothing is predicted.
pub(crate) fn predicted(result: &ScenarioResult) -> Option<Probability> {
    let given = result.shown().and_then(|run| run.given);
    let value = result.prediction.value()?;
    Some(given.map_or(value, |given| played(&given)))
}

/// The predicted staircase over the `hops`, which stand in the order of the run: the share of
/// requests that is lost at none of those so far. A service that is called twice loses in its one
/// step what it loses in both calls. None where that is not predicted.
pub(crate) fn predicted_stairs(prediction: &Prediction, hops: &[HopAnalysis]) -> Vec<Option<f64>> {
    let names: Vec<&str> = hops.iter().map(|hop| hop.hop.as_str()).collect();
    stairs_over(prediction, &names)
}

fn stairs_over(prediction: &Prediction, all: &[&str]) -> Vec<Option<f64>> {
    let losses = predicted_losses(prediction);
    let step = |nth: usize| {
        let seen = &all[..=nth];
        let mut kept = prediction.value().map(|_| 1.0)?;
        for loss in &losses {
            let here = loss.services.iter().filter(|name| seen.contains(name));
            let present = loss.services.iter().filter(|name| all.contains(name));
            match (here.count(), present.count()) {
                (0, _) => {}
                (here, present) if here == present => kept -= loss.share,
                _ => return None,
            }
        }
        Some(kept.clamp(0.0, 1.0))
    };
    (0..all.len()).map(step).collect()
}

/// What one visit loses, or several whose order is not known.
struct PredictedLoss<'a> {
    services: Vec<&'a str>,
    share: f64,
}

fn predicted_losses(prediction: &Prediction) -> Vec<PredictedLoss<'_>> {
    let (mut losses, mut services, mut before) = (Vec::new(), Vec::new(), 1.0);
    for hop in &prediction.hops {
        if !services.contains(&&*hop.service) {
            services.push(&*hop.service);
        }
        if let Some(kept) = hop.cumulative {
            let share = before - kept.get();
            before = kept.get();
            let services = std::mem::take(&mut services);
            losses.push(PredictedLoss { services, share });
        }
    }
    losses
}

/// Attempts per request, and the half-width of their 99 % interval: by the central limit theorem
/// over requests, or by batch means where that is wider because requests affect each other.
pub fn load(hop: &HopAnalysis, run: &RunResult) -> Option<(f64, Option<f64>)> {
    let requests = run.analysis.root.outcomes.offered as f64;
    let half = hop
        .load_deviation
        .map(|deviation| Confidence::P99.two_sided_z() * deviation / requests.sqrt());
    let half = half.map(|half| clustered_half(hop, run).map_or(half, |wide| wide.max(half)));
    Some((hop.load_amplification?, half))
}

/// The same half-width by batch means, where a breaker or an outage made attempts of different
/// requests depend on each other.
fn clustered_half(hop: &HopAnalysis, run: &RunResult) -> Option<f64> {
    if run.timeline.transitions.is_empty() && run.schedule.is_empty() {
        return None;
    }
    let attempts = |slice: &Stretch| slice.hops.get(&hop.hop).map_or(0, |hop| hop.attempts);
    let batch = |slices: &[Stretch]| {
        let attempts: u64 = slices.iter().map(attempts).sum();
        let requests: u64 = slices.iter().map(|slice| slice.requests.offered).sum();
        (attempts as f64, requests as f64)
    };
    let each: Vec<_> = in_batches(run).map(batch).collect();
    batches::half_width(&each, Confidence::P99)
}

/// The slices of a run in the batches that batch means need.
fn in_batches(run: &RunResult) -> impl Iterator<Item = &[Stretch]> {
    let slices = &run.timeline.slices;
    slices.chunks(slices.len().div_ceil(batches::BATCHES).max(1))
}

/// The interval of what was measured. Where requests affect each other it is by batch means. The
/// times of outages are another matter: this run's own are known, and [`long_run`] says what it
/// tells of others.
pub(crate) fn measured_interval(plan: &Plan, run: &RunResult) -> Option<Interval> {
    let independent = shown_interval(run.analysis.root.outcomes.availability())?;
    let is_clustered = plan.requests_affect_each_other() && !plan.depends_on_time();
    let batched = is_clustered.then(|| batch_means(run)).flatten();
    Some(batched.unwrap_or(independent))
}

fn batch_means(run: &RunResult) -> Option<Interval> {
    let batch = |slices: &[Stretch]| {
        let shares = slices.iter().map(|slice| slice.requests.availability());
        let (answered, offered) = shares.fold((0, 0), |(answered, offered), share| {
            (answered + share.successes(), offered + share.trials())
        });
        Proportion::new(answered, offered).ok()
    };
    let batches: Vec<_> = in_batches(run).filter_map(batch).collect();
    batches::wilson(&batches, Confidence::P99)
}

/// Attempts per request at the hop `name`, as predicted: those of all its visits. None where
/// nothing is predicted.
pub(crate) fn predicted_load(prediction: &Prediction, name: &str) -> Option<f64> {
    prediction.value()?;
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
    batch_means(run)
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

#[cfg(test)]
mod tests {
    use super::stairs_over;
    use scenario::{Prediction, parse, predict};

    fn of(services: &str, faults: &str) -> Prediction {
        let text = format!("title = \"t\"\n[load]\nrate = 10\nrequests = 100\n{services}{faults}");
        predict(&parse("t", &text).unwrap_or_else(|errors| panic!("{errors}")))
    }

    fn fails(on: &str, probability: f64, rest: &str) -> String {
        format!(
            "[faults.{on}]\nkind = \"error\"\non = [\"{on}\"]\nprobability = {probability}\n{rest}"
        )
    }

    fn rounded(stairs: &[Option<f64>]) -> Vec<Option<f64>> {
        let round = |share: f64| (share * 1e9).round() / 1e9;
        stairs.iter().map(|step| step.map(round)).collect()
    }

    #[test]
    fn a_service_that_is_called_twice_has_one_step_of_the_staircase_with_both_losses() {
        let diamond = "[service.a]\ncalls = [\"b\", \"c\"]\nsoft = [\"b\"]\n[service.b]\n\
                       calls = [\"d\"]\n[service.c]\ncalls = [\"d\"]\n[service.d]\n";
        let faults = fails("d", 0.2, "scope = \"request\"\n") + &fails("c", 0.2, "");
        let prediction = of(diamond, &faults);
        let in_order = |hops: &[&str]| rounded(&stairs_over(&prediction, hops));
        // c loses 20 %, and d a fifth of the rest.
        let expected = [1.0, 1.0, 0.84, 0.64].map(Some);
        assert_eq!(in_order(&["a", "b", "d", "c"]), expected);
        let expected = [1.0, 1.0, 0.8, 0.64].map(Some);
        assert_eq!(in_order(&["a", "b", "c", "d"]), expected);
    }

    #[test]
    fn of_calls_at_once_that_may_all_fail_no_single_step_is_predicted() {
        let both = "[service.a]\ncalls = [\"b\", \"c\"]\norder = \"parallel\"\n\
                    [service.b]\n[service.c]\n";
        let prediction = of(both, &(fails("b", 0.2, "") + &fails("c", 0.3, "")));
        for hops in [["a", "b", "c"], ["a", "c", "b"]] {
            let stairs = rounded(&stairs_over(&prediction, &hops));
            assert_eq!(stairs, [Some(1.0), None, Some(0.56)]);
        }
        let one = of(both, &fails("b", 0.2, ""));
        let stairs = rounded(&stairs_over(&one, &["a", "b", "c"]));
        assert_eq!(stairs, [1.0, 0.8, 0.8].map(Some));
    }
}
