//! A run, its rerun if need be, and the verdict.

use crate::{
    LabError, Progress, Setup, Step, bounds,
    disturbed::doubts,
    pace,
    repeat::repeat,
    run::{Job, Outcome, Ran, run},
};
use availability::{
    Bounds, Doubt, Interval, Judgement, Probability, Proportion, Verdict,
    verdict::{FirstLook, Miss, against_bounds, first_look, too_few, vacuous, within_bounds},
};
use report::results::{Met, RunResult, ScenarioResult};
use scenario::{
    Class, Expected, Model, Plan, Prediction, predict,
    simulate::{GivenSchedule, given_schedule},
    sizes,
};
use std::{fs, path::Path};

/// How often a run is made again that the host has disturbed.
const AGAIN: usize = 2;
/// What is added to a seed for a rerun: the golden ratio in 64 bits, so that the seeds of
/// reruns do not collide with those that people choose.
pub(crate) const FRESH: u64 = 0x9E37_79B9_7F4A_7C15;
/// Seeds that are derived are such as can be written in a scenario, to run it again.
pub(crate) const LARGEST_SEED: u64 = u64::MAX >> 1;

/// Predicts, runs, and judges `plan`. The prediction is made before anything runs.
///
/// A run that the host disturbed is discarded and made again, up to [`AGAIN`] times, at a lower
/// rate where the rate does not matter. If the first sound run misses the prediction there is one
/// rerun of the same size with a fresh seed, and the prediction fails only if both miss it on the
/// same side. Then come the further runs that are asked for.
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
    let sizes = sizes(&plan, &prediction);
    for size in sizes.iter().filter(|size| !size.is_enough()) {
        let (scenario, size) = (&setup.label.scenario, report::size_in_words(size));
        progress.warn(&format!("{scenario}: {size}"));
    }
    let mut series = Series {
        name,
        plan: &plan,
        prediction: &prediction,
        setup,
        progress,
        made: Vec::new(),
        refused: None,
    };
    let (headline, judgement) = series.judged().await?;
    let mut made = series.made;
    if let Some(Ran { run, .. }) = made.get_mut(headline) {
        rename_spans(run, &setup.out.join(format!("{name}.spans.jsonl")))?;
    }
    let (bounds, judgement) = with_bounds(&plan, made.get(headline), judgement);
    let around = (setup, progress);
    let repeats = repeat(name, &plan, &prediction, setup.repeat, around).await?;
    progress.end();
    // What was run: a lower rate changes no availability, but how many requests are stuck.
    let plan = made.get(headline).map_or(plan, |ran| ran.plan.clone());
    Ok(ScenarioResult {
        name: name.to_owned(),
        prediction: aside(setup, &plan, predict).await?,
        own_caveat: report::own_caveat(&plan),
        plan,
        variant: None,
        sizes,
        runs: made.into_iter().map(|ran| ran.run).collect(),
        headline,
        bounds,
        repeats,
        fix: None,
        judgement,
    })
}

/// The spans of the run that counts have the scenario's name, whichever run that is.
fn rename_spans(run: &mut RunResult, to: &Path) -> Result<(), LabError> {
    fs::rename(&run.spans_file, to).map_err(|source| LabError::Output {
        path: to.to_owned(),
        source,
    })?;
    to.clone_into(&mut run.spans_file);
    Ok(())
}

/// What came of the other expectations in the run that counts, and the judgement of all.
fn with_bounds(plan: &Plan, counts: Option<&Ran>, judgement: Judgement) -> (Vec<Met>, Judgement) {
    let Some(Ran { run, .. }) = counts else {
        return (Vec::new(), judgement);
    };
    let bounds = plan.expectation().bounds.iter();
    let bounds: Vec<_> = bounds.map(|bound| bounds::judge(*bound, run)).collect();
    let judgement = bounds.iter().fold(judgement, |judgement, met| {
        judgement.and(met.judgement.clone())
    });
    let judgement = judgement.doubted(run.generator.unexpected_doubt());
    let judgement = if run.doubts.is_empty() {
        judgement
    } else {
        // Not even a contradiction counts where the host disturbed the run.
        Judgement {
            verdict: Verdict::Inconclusive,
            ..judgement
        }
    };
    (bounds, judgement)
}

/// The runs of a scenario, one after the other.
struct Series<'a> {
    name: &'a str,
    plan: &'a Plan,
    prediction: &'a Prediction,
    setup: &'a Setup,
    progress: &'a dyn Progress,
    made: Vec<Ran>,
    /// Why the last run was not made, if it was not.
    refused: Option<Doubt>,
}

impl Series<'_> {
    /// Makes runs until one can be judged, and judges it: its place, and the judgement.
    async fn judged(&mut self) -> Result<(usize, Judgement), LabError> {
        let Some(first) = self.sound(self.plan).await? else {
            return Ok((self.last(), self.disturbed()));
        };
        let miss = match look(self.plan, self.prediction, &self.made[first].run) {
            Look::Judged(judgement) => return Ok((first, judgement)),
            Look::Rerun(miss) => miss,
        };
        let seed = self.plan.seed().wrapping_add(FRESH) & LARGEST_SEED;
        let again = self.plan.clone().with_seed(seed);
        let Some(rerun) = self.sound(&again).await? else {
            return Ok((first, self.disturbed()));
        };
        let judgement = second_look(self.plan, self.prediction, miss, &self.made[rerun].run);
        Ok((rerun, judgement))
    }

    /// Makes a run of `plan`, and makes it again if the host disturbed it; its place. None if the
    /// host disturbed every one, or is too slow for any.
    async fn sound(&mut self, plan: &Plan) -> Result<Option<usize>, LabError> {
        let mut at_most = None;
        for _ in 0..=AGAIN {
            let Some(ran) = self.make(plan, at_most).await? else {
                return Ok(None);
            };
            let is_sound = ran.run.doubts.is_empty();
            at_most = Some(ran.plan.highest_rate() / 2.0);
            self.made.push(ran);
            if is_sound {
                return Ok(Some(self.last()));
            }
            // Nothing here makes a deployed chain less busy.
            if self.setup.deployed.is_some() {
                break;
            }
        }
        Ok(None)
    }

    /// Makes one run; none if the host is too slow for it.
    async fn make(&mut self, plan: &Plan, at_most: Option<f64>) -> Result<Option<Ran>, LabError> {
        let number = self.made.len() + 1;
        if number > 1 {
            self.progress.begin(self.name, number);
        }
        let job = Job {
            name: &format!("{}.run-{number}", self.name),
            number,
            plan,
            cost: pace::cost(self.prediction),
            at_most,
        };
        match trial(&job, self.setup, self.progress).await? {
            Outcome::Ran(ran) => Ok(Some(*ran)),
            Outcome::TooSlow(doubt) => {
                self.refused = Some(doubt);
                Ok(None)
            }
        }
    }

    const fn last(&self) -> usize {
        self.made.len().saturating_sub(1)
    }

    /// The verdict where no run could be judged.
    fn disturbed(&self) -> Judgement {
        let last = self.made.last().map(|ran| ran.run.doubts.clone());
        let doubts = self.refused.into_iter().chain(last.unwrap_or_default());
        Judgement::from(Verdict::Inconclusive).doubted(doubts)
    }
}

/// One run. Where time plays a part, what it must come to is played before it.
pub(crate) async fn trial(
    job: &Job<'_>,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<Outcome, LabError> {
    let given = aside(setup, job.plan, given_schedule).await?;
    let mut outcome = run(job, setup, progress).await?;
    if let Outcome::Ran(ran) = &mut outcome {
        ran.run.given = given;
        ran.run.doubts = doubts(&ran.plan, &ran.run);
    }
    Ok(outcome)
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
            if let Some(doubt) = vacuous_prediction(plan, run) {
                return Look::Judged(Judgement::from(Verdict::Holds).doubted([doubt]));
            }
            match nearest_predicted(plan, prediction, run, seen) {
                Some(value) => against_prediction(value, expectation.distance, seen),
                None => Look::Judged(nothing_predicted()),
            }
        }
    }
}

fn second_look(plan: &Plan, prediction: &Prediction, miss: Miss, rerun: &RunResult) -> Judgement {
    let Some(seen) = rerun.availability() else {
        return nothing_measured();
    };
    let Some(value) = nearest_predicted(plan, prediction, rerun, seen) else {
        return nothing_predicted();
    };
    let doubts = too_few(value, plan.expectation().distance, seen.trials())
        .into_iter()
        .chain(vacuous_prediction(plan, rerun));
    Judgement::from(miss.against(value).judge(seen)).doubted(doubts)
}

/// The predicted availability of `run`; of a range, the value that is nearest to what was seen.
/// None where nothing is predicted.
pub(crate) fn nearest_predicted(
    plan: &Plan,
    prediction: &Prediction,
    run: &RunResult,
    seen: Proportion,
) -> Option<Probability> {
    let value = prediction.value()?;
    if let Some(given) = &run.given {
        return Some(played_range(plan, given).nearest(seen.estimate()));
    }
    let range = match prediction.class {
        Class::Exact | Class::NotPredicted => return Some(value),
        // Near is as near as matters.
        Class::Approximate => Bounds::around(value, plan.expectation().distance),
        Class::Bound => prediction.range.unwrap_or(Bounds::at_most(value)),
    };
    Some(range.nearest(seen.estimate()))
}

/// The doubt that no run could contradict what is predicted for the schedule of `run`, if so.
pub(crate) fn vacuous_prediction(plan: &Plan, run: &RunResult) -> Option<Doubt> {
    let range = played_range(plan, run.given.as_ref()?);
    vacuous(&range)
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
            let holds = Judgement::from(Verdict::Holds);
            Look::Judged(holds.doubted(doubt))
        }
    }
}

fn nothing_predicted() -> Judgement {
    Judgement::from(Verdict::Inconclusive).doubted([Doubt::NotPredicted])
}

fn nothing_measured() -> Judgement {
    let doubt = Doubt::TooFewRequests {
        requests: 0,
        enough: Some(1),
    };
    Judgement::from(Verdict::Inconclusive).doubted([doubt])
}
