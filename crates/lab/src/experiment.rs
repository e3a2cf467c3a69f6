//! A run, its rerun if need be, and the verdict.

use crate::{LabError, Progress, Setup, run::run};
use availability::{
    Bounds, Doubt, Judgement, Probability, Proportion,
    verdict::{FirstLook, against_bounds, first_look, too_few},
};
use report::results::{RunResult, ScenarioResult};
use scenario::{Class, Expected, Plan, Prediction, predict};
use traces::HopAnalysis;

/// The share of requests that may leave late before the load is no longer the one stated.
const LATE_ALLOWED: f64 = 0.01;
/// The share of the host's processor time above which failures may be its own.
const BUSY_ALLOWED: f64 = 0.98;
/// What is added to a seed for a rerun: the golden ratio in 64 bits, so that the seeds of
/// reruns do not collide with those that people choose.
const FRESH: u64 = 0x9E37_79B9_7F4A_7C15;

/// Predicts, runs, and judges `plan`. The prediction is made before anything runs.
///
/// If the first run misses the prediction there is one rerun of the same size with a fresh
/// seed, and the prediction fails only if both miss it on the same side.
pub async fn experiment(
    name: &str,
    plan: Plan,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<ScenarioResult, LabError> {
    let prediction = predict(&plan);
    progress.begin(name, 1);
    let first = run(name, &plan, setup, progress).await?;
    let mut runs = vec![first];
    let judgement = match look(&plan, &prediction, &runs[0]) {
        Look::Judged(judgement) => judgement,
        Look::Rerun(miss) => {
            progress.begin(name, 2);
            let again = plan.clone().with_seed(plan.seed().wrapping_add(FRESH));
            let rerun = run(&format!("{name}.rerun"), &again, setup, progress).await?;
            let seen = rerun.availability();
            runs.push(rerun);
            seen.map_or_else(nothing_measured, |seen| {
                let distance = plan.expectation().distance;
                let value = nearest_predicted(&plan, &prediction, seen);
                let doubt = too_few(value, distance, seen.trials());
                Judgement::from(miss.judge(seen)).doubted(doubt)
            })
        }
    };
    progress.end();
    let doubts = runs.iter().flat_map(doubts);
    let judgement = judgement.doubted(doubts);
    Ok(ScenarioResult {
        name: name.to_owned(),
        plan,
        variant: None,
        prediction,
        runs,
        judgement,
    })
}

enum Look {
    Judged(Judgement),
    Rerun(availability::verdict::Miss),
}

fn look(plan: &Plan, prediction: &Prediction, run: &RunResult) -> Look {
    let Some(seen) = run.availability() else {
        return Look::Judged(nothing_measured());
    };
    let expectation = plan.expectation();
    match expectation.availability {
        Expected::Within(bounds) => Look::Judged(against_bounds(&bounds, seen)),
        Expected::Predicted => {
            let value = nearest_predicted(plan, prediction, seen);
            against_prediction(value, expectation.distance, seen)
        }
    }
}

/// The predicted availability; of a range, the value that is nearest to what was seen.
fn nearest_predicted(plan: &Plan, prediction: &Prediction, seen: Proportion) -> Probability {
    let value = prediction.availability;
    let range = match prediction.class {
        Class::Exact => return value,
        // Near is as near as matters.
        Class::Approximate => Bounds::around(value, plan.expectation().distance),
        Class::Bound => prediction.range.unwrap_or(Bounds::at_most(value)),
    };
    range.nearest(seen.estimate())
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
fn doubts(run: &RunResult) -> Vec<Doubt> {
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
