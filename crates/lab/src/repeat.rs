//! The same experiment with other seeds: how much of what is seen is chance?

use crate::{
    LabError, Progress, Setup,
    experiment::{LARGEST_SEED, nearest_predicted, trial, vacuous_prediction},
    pace,
    run::{Job, Outcome},
};
use availability::Confidence;
use report::results::{Repeat, RunResult};
use scenario::{Plan, Prediction};
use std::fs;

/// What is added to the seed for each further run. Another constant than that of reruns
/// (`SplitMix64`'s second multiplier), so that none is a repetition of theirs.
const NEXT: u64 = 0xBF58_476D_1CE4_E5B9;

/// Makes `times` further runs of `plan`, and keeps the spans of the worst one.
pub(crate) async fn repeat(
    name: &str,
    plan: &Plan,
    prediction: &Prediction,
    times: u32,
    (setup, progress): (&Setup, &dyn Progress),
) -> Result<Vec<Repeat>, LabError> {
    let mut repeats: Vec<Repeat> = Vec::new();
    for nth in 1..=u64::from(times) {
        let seed = plan.seed().wrapping_add(nth.wrapping_mul(NEXT)) & LARGEST_SEED;
        let again = plan.clone().with_seed(seed);
        progress.begin(name, usize::try_from(nth).unwrap_or_default() + 1);
        let job = Job {
            name: &format!("{name}.seed-{seed}"),
            number: usize::try_from(nth).unwrap_or_default() + 1,
            plan: &again,
            cost: pace::cost(prediction),
            at_most: None,
        };
        // A host that is too slow for a run is reported with the first one already.
        if let Outcome::Ran(ran) = trial(&job, setup, progress).await? {
            repeats.extend(in_short(plan, prediction, ran.run));
        }
        drop_all_but_the_worst(&mut repeats);
    }
    Ok(repeats)
}

fn in_short(plan: &Plan, prediction: &Prediction, run: RunResult) -> Option<Repeat> {
    let answered = run.availability()?;
    let expected = nearest_predicted(plan, prediction, &run, answered);
    let vacuous = vacuous_prediction(plan, &run);
    let more = [vacuous, run.generator.unexpected_doubt()];
    Some(Repeat {
        seed: run.seed,
        answered,
        expected,
        holds: expected
            .map(|expected| answered.clopper_pearson(Confidence::P99).contains(expected)),
        doubts: run
            .doubts
            .into_iter()
            .chain(more.into_iter().flatten())
            .collect(),
        spans_file: Some(run.spans_file),
    })
}

fn drop_all_but_the_worst(repeats: &mut [Repeat]) {
    let shares = repeats.iter().map(|run| run.answered.estimate());
    let worst = shares.min_by(|one, other| one.get().total_cmp(&other.get()));
    let mut is_kept = false;
    for run in repeats {
        if Some(run.answered.estimate()) == worst && !is_kept {
            is_kept = true;
        } else if let Some(file) = run.spans_file.take() {
            // One that stays behind is in nobody's way.
            let _ = fs::remove_file(file);
        }
    }
}
