//! "If hop X never failed, users would gain Y": the promise, and a run in which X never fails.

use crate::{
    LabError, Label, Progress, Setup,
    experiment::{FRESH, LARGEST_SEED, experiment, trial},
    pace,
    run::{Job, Outcome},
};
use availability::{Confidence, difference::Difference, perfect::Gain};
use report::results::{FixCheck, RunResult, ScenarioResult};

/// Runs the plan of `before` once more, in which `hop` never fails, and compares what the
/// spans of `before` promised with what came of it; no promise if nothing was lost.
///
/// The verdict has two stages, as all have: a promise that is missed at 99 % is given two more
/// runs, with a fresh seed, and is broken only if these miss it on the same side at 99.9 %.
pub async fn check(
    hop: &str,
    before: &ScenarioResult,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<(ScenarioResult, Option<FixCheck>), LabError> {
    let name = format!("{}.fixed", before.name);
    let plan = before.plan.clone().without_failures_of(hop);
    let fixed = match &setup.label.variant {
        Some(variant) => format!("{variant}.fixed"),
        None => "fixed".to_owned(),
    };
    let once = Setup {
        repeat: 0,
        label: Label {
            variant: Some(fixed),
            ..setup.label.clone()
        },
        ..setup.clone()
    };
    let after = experiment(&name, plan, &once, progress).await?;
    let Some((first, second)) = before.shown().zip(after.shown()) else {
        return Ok((after, None));
    };
    let Some(first_look) = Comparison::of(hop, first, second, Confidence::P99) else {
        return Ok((after, None));
    };
    let is_sound = |run: &RunResult| run.doubts.is_empty();
    let exact = report::gains_are_exact(&before.plan);
    let agrees = if !exact || !is_sound(first) || !is_sound(second) {
        None
    } else if first_look.side().is_none() {
        Some(true)
    } else {
        let with = again(&format!("{name}.with"), before, setup, progress).await?;
        let without = again(&format!("{name}.again"), &after, setup, progress).await?;
        with.zip(without).map(|(with, without)| {
            let look = Comparison::of(hop, &with, &without, Confidence::P999);
            look.is_none_or(|look| look.side() != first_look.side())
        })
    };
    let check = FixCheck {
        hop: hop.to_owned(),
        promised: first_look.promised,
        measured: first_look.measured,
        agrees,
    };
    Ok((after, Some(check)))
}

/// One more run with a fresh seed; none if the host disturbed it.
async fn again(
    name: &str,
    result: &ScenarioResult,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<Option<RunResult>, LabError> {
    let seed = result.plan.seed().wrapping_add(FRESH) & LARGEST_SEED;
    let job = Job {
        name,
        number: result.runs.len() + 1,
        plan: &result.plan.clone().with_seed(seed),
        cost: pace::cost(&result.prediction),
        at_most: None,
    };
    let outcome = trial(&job, setup, progress).await?;
    let Outcome::Ran(ran) = outcome else {
        return Ok(None);
    };
    Ok(Some(ran.run).filter(|run| run.doubts.is_empty()))
}

/// A promise and what came of it, at one level.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    promised: Gain,
    measured: Difference,
}

/// On which side a promise was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Less,
    More,
}

impl Comparison {
    fn of(hop: &str, with: &RunResult, without: &RunResult, level: Confidence) -> Option<Self> {
        let (before, after) = (with.availability()?, without.availability()?);
        Some(Self {
            promised: report::gain_of(hop, with, level)?,
            measured: Difference::of(after, before, level),
        })
    }

    /// On which side the promise was missed, if it was: the half-widths of both towards each
    /// other, squared and added (as Newcombe 1998 does), do not reach from one to the other.
    ///
    /// The runs share their seed, and with it most of their failures, so that the difference
    /// varies less than this says.
    fn side(&self) -> Option<Side> {
        let Self { promised, measured } = self;
        let apart = measured.value - promised.value;
        let (side, reach) = if apart > 0.0 {
            let reach = (promised.high - promised.value).hypot(measured.value - measured.low);
            (Side::More, reach)
        } else {
            let reach = (promised.value - promised.low).hypot(measured.high - measured.value);
            (Side::Less, reach)
        };
        (apart.abs() > reach).then_some(side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(promised: f64, measured: f64) -> Option<Side> {
        let comparison = Comparison {
            promised: Gain {
                value: promised,
                low: promised - 0.003,
                high: promised + 0.003,
            },
            measured: Difference {
                value: measured,
                low: measured - 0.004,
                high: measured + 0.004,
                level: Confidence::P99,
            },
        };
        comparison.side()
    }

    #[test]
    fn a_promise_is_kept_as_far_as_both_intervals_together_can_tell() {
        assert_eq!(side(0.01, 0.01), None);
        assert_eq!(side(0.01, 0.0149), None, "√(3² + 4²) = 5");
        assert_eq!(side(0.01, 0.0151), Some(Side::More));
        assert_eq!(side(0.01, 0.0049), Some(Side::Less));
    }
}
