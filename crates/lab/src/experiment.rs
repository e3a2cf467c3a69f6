//! A run, its rerun if need be, and the verdict.

use crate::{LabError, Progress, Setup, Step, bounds, repeat::repeat, run::run};
use availability::{
    Bounds, Doubt, Interval, Judgement, Probability, Proportion,
    verdict::{FirstLook, Miss, against_bounds, first_look, too_few, within_bounds},
};
use report::results::{RunResult, ScenarioResult};
use scenario::{
    Class, Expected, Model, Plan, Prediction, predict,
    simulate::{GivenSchedule, given_schedule},
};
use traces::HopAnalysis;

/// The share of requests that may leave late before the load is no longer the one stated.
const LATE_ALLOWED: f64 = 0.01;
/// The share of the host's processor time above which failures may be its own.
const BUSY_ALLOWED: f64 = 0.98;
/// What is added to a seed for a rerun: the golden ratio in 64 bits, so that the seeds of
/// reruns do not collide with those that people choose.
pub(crate) const FRESH: u64 = 0x9E37_79B9_7F4A_7C15;
/// Seeds that are derived are such as can be written in a scenario, to run it again.
pub(crate) const LARGEST_SEED: u64 = u64::MAX >> 1;

/// Predicts, runs, and judges `plan`. The prediction is made before anything runs.
///
/// If the first run misses the prediction there is one rerun of the same size with a fresh
/// seed, and the prediction fails only if both miss it on the same side. Then come the further
/// runs that are asked for.
pub async fn experiment(
    name: &str,
    plan: Plan,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<ScenarioResult, LabError> {
    progress.begin(name, 1);
    if plan.depends_on_time() {
        progress.step(Step::Predicting);
    }
    let prediction = aside(setup, &plan, predict).await?;
    let first = trial(name, &plan, setup, progress).await?;
    let (rerun, judgement) = match look(&plan, &prediction, &first) {
        Look::Judged(judgement) => (None, judgement),
        Look::Rerun(miss) => {
            progress.begin(name, 2);
            let again = plan
                .clone()
                .with_seed(plan.seed().wrapping_add(FRESH) & LARGEST_SEED);
            let rerun = trial(&format!("{name}.rerun"), &again, setup, progress).await?;
            let judgement = second_look(&plan, &prediction, miss, &rerun);
            (Some(rerun), judgement)
        }
    };
    let bounds = plan.expectation().bounds.iter();
    let bounds: Vec<_> = bounds.map(|bound| bounds::judge(*bound, &first)).collect();
    let judgement = bounds.iter().fold(judgement, |judgement, met| {
        judgement.and(met.judgement.clone())
    });
    let runs: Vec<_> = [first].into_iter().chain(rerun).collect();
    let judgement = judgement.doubted(runs.iter().flat_map(doubts));
    let around = (setup, progress);
    let repeats = repeat(name, &plan, &prediction, setup.repeat, around).await?;
    progress.end();
    Ok(ScenarioResult {
        name: name.to_owned(),
        plan,
        variant: None,
        prediction,
        runs,
        bounds,
        repeats,
        fix: None,
        judgement,
    })
}

/// One run. Where time plays a part, what it must come to is played before it.
pub(crate) async fn trial(
    name: &str,
    plan: &Plan,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<RunResult, LabError> {
    let given = aside(setup, plan, given_schedule).await?;
    let run = run(name, plan, setup, progress).await?;
    Ok(RunResult { given, ..run })
}

/// Computes something of `plan` that takes a while, and can be interrupted.
async fn aside<T: Send + 'static>(
    setup: &Setup,
    plan: &Plan,
    compute: fn(&Plan) -> T,
) -> Result<T, LabError> {
    let plan = plan.clone();
    let computed = tokio::task::spawn_blocking(move || compute(&plan));
    tokio::select! {
        computed = computed => computed.map_err(|error| LabError::Broken(error.to_string())),
        () = setup.stop.cancelled() => Err(LabError::Interrupted),
    }
}

enum Look {
    Judged(Judgement),
    Rerun(Miss),
}

fn look(plan: &Plan, prediction: &Prediction, run: &RunResult) -> Look {
    let Some(seen) = run.availability() else {
        return Look::Judged(nothing_measured());
    };
    let expectation = plan.expectation();
    match expectation.availability {
        Expected::Within(bounds) => Look::Judged(match report::long_run(plan, run) {
            Some(interval) => within_bounds(&bounds, &interval, seen.trials()),
            None => against_bounds(&bounds, seen),
        }),
        Expected::Predicted => {
            let value = nearest_predicted(plan, prediction, run, seen);
            against_prediction(value, expectation.distance, seen)
        }
    }
}

fn second_look(plan: &Plan, prediction: &Prediction, miss: Miss, rerun: &RunResult) -> Judgement {
    let Some(seen) = rerun.availability() else {
        return nothing_measured();
    };
    let value = nearest_predicted(plan, prediction, rerun, seen);
    let doubt = too_few(value, plan.expectation().distance, seen.trials());
    Judgement::from(miss.against(value).judge(seen)).doubted(doubt)
}

/// The predicted availability of `run`; of a range, the value that is nearest to what was seen.
pub(crate) fn nearest_predicted(
    plan: &Plan,
    prediction: &Prediction,
    run: &RunResult,
    seen: Proportion,
) -> Probability {
    if let Some(given) = &run.given {
        return played_range(plan, given).nearest(seen.estimate());
    }
    let value = prediction.availability;
    let range = match prediction.class {
        Class::Exact => return value,
        // Near is as near as matters.
        Class::Approximate => Bounds::around(value, plan.expectation().distance),
        Class::Bound => prediction.range.unwrap_or(Bounds::at_most(value)),
    };
    range.nearest(seen.estimate())
}

/// What agrees with a run that was played: its interval; of a closed model, whose workers ask
/// as fast as this machine answers, what is as near as matters.
fn played_range(plan: &Plan, GivenSchedule { availability, .. }: &GivenSchedule) -> Bounds {
    let Interval { low, high, .. } = *availability;
    match plan.load().model {
        Model::Open => Bounds::new(Some(low), Some(high)).unwrap_or(Bounds::at_most(high)),
        Model::Closed { .. } => {
            let middle = f64::midpoint(low.get(), high.get());
            let middle = Probability::new(middle).unwrap_or(low);
            Bounds::around(middle, plan.expectation().distance)
        }
    }
}

fn against_prediction(prediction: Probability, distance: Probability, seen: Proportion) -> Look {
    match first_look(prediction, seen) {
        FirstLook::NeedsRerun(miss) => Look::Rerun(miss),
        FirstLook::Holds => {
            let doubt = too_few(prediction, distance, seen.trials());
            let holds = Judgement::from(availability::Verdict::Holds);
            Look::Judged(holds.doubted(doubt))
        }
    }
}

fn nothing_measured() -> Judgement {
    let doubt = Doubt::TooFewRequests {
        requests: 0,
        enough: Some(1),
    };
    Judgement::from(availability::Verdict::Inconclusive).doubted([doubt])
}

/// What about the run itself speaks against judging it.
pub(crate) fn doubts(run: &RunResult) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let requests = run.generator.counts.offered;
    let late = run.generator.late;
    if late as f64 > requests as f64 * LATE_ALLOWED {
        doubts.push(Doubt::LateGenerator { late, requests });
    }
    // A busy host does no harm as long as every failure is one that was injected.
    let busy = run
        .host_busy
        .filter(|busy| *busy > BUSY_ALLOWED && unexplained(run) > 0);
    if let Some(busy) = busy {
        let busy = Probability::new(busy.min(1.0)).unwrap_or(Probability::ONE);
        doubts.push(Doubt::SaturatedHost { busy });
    }
    let completeness = &run.analysis.completeness;
    let lost = completeness.missing();
    let unseen = requests.saturating_sub(run.analysis.root.outcomes.offered);
    if lost + unseen > 0 {
        let expected = completeness.spans + lost + unseen;
        doubts.push(Doubt::SpansLost {
            lost: lost + unseen,
            expected,
        });
    }
    doubts
}

/// Requests that were lost without an injected fault.
fn unexplained(run: &RunResult) -> u64 {
    let hops = &run.analysis.hops;
    let injected = |hop: &HopAnalysis| hop.lost_by_fault.values().sum::<u64>();
    hops.iter()
        .map(|hop| hop.lost_here.saturating_sub(injected(hop)))
        .sum()
}
