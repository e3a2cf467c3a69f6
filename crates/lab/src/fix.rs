//! "If hop X never failed, users would gain Y": the promise, and a run in which X never fails.

use crate::{
    LabError, Label, Progress, Setup,
    experiment::{FRESH, LARGEST_SEED, experiment, trial},
    pace,
    run::{Job, Outcome},
};
use availability::{
    Confidence,
    difference::Difference,
    perfect::{self, Gain, Miss, Rerun},
};
use report::results::{FixCheck, RunResult, ScenarioResult};
use std::collections::BTreeMap;
use traces::Analysis;

/// Runs the plan of `before` once more, in which `hop` never fails, and compares what the
/// spans of `before` promised with what came of it; no promise if nothing was lost.
///
/// The verdict has two stages, as all have: a promise that is missed at 99 % is given two more
/// runs, with a fresh seed, and is broken only if these miss it on the same side at 99.9 %. This
/// is so for every scenario: where the assumptions of the promise do not hold, the result says
/// so, and a disagreement is a disagreement all the same.
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
    let unknown = report::why_no_gain(&before.plan);
    let agrees = if unknown.is_some() || !is_sound(first) || !is_sound(second) {
        None
    } else if first_look.miss.is_none() {
        Some(true)
    } else {
        let with = again(&format!("{name}.with"), before, setup, progress).await?;
        let without = again(&format!("{name}.again"), &after, setup, progress).await?;
        with.zip(without).map(|(with, without)| {
            let look = Comparison::of(hop, &with, &without, Confidence::P999);
            look.is_none_or(|look| look.miss != first_look.miss)
        })
    };
    let check = FixCheck {
        hop: hop.to_owned(),
        promised: unknown.is_none().then_some(first_look.promised),
        measured: first_look.measured,
        differs: unknown.is_none() && first_look.miss.is_some(),
        agrees,
        caveat: unknown.or_else(|| report::gain_caveat(&before.plan)),
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
    miss: Option<Miss>,
}

impl Comparison {
    fn of(hop: &str, with: &RunResult, without: &RunResult, level: Confidence) -> Option<Self> {
        let (before, after) = (with.availability()?, without.availability()?);
        let fates = report::fates_of(hop, with)?;
        let promised = perfect::gain(&fates, level).ok()?;
        let measured = Difference::of(after, before, level);
        let miss = match rerun(hop, with, without) {
            Some(rerun) => perfect::missed(&fates, &rerun, level),
            None => far_apart(&promised, &measured),
        };
        Some(Self {
            promised,
            measured,
            miss,
        })
    }
}

/// What became of the requests of `with` in the run `without`; none unless both have the same
/// seed, and with it the same requests.
fn rerun(hop: &str, with: &RunResult, without: &RunResult) -> Option<Rerun> {
    let [before, after] = [with, without].map(|run| &run.analysis);
    let is_same =
        with.seed == without.seed && before.root.outcomes.offered == after.root.outcomes.offered;
    if !is_same {
        return None;
    }
    Some(compare(hop, &lost_at(before)?, &lost_at(after)?))
}

/// The hop at which each failed request was lost, by the request's id; none if a request has no
/// id.
fn lost_at(analysis: &Analysis) -> Option<BTreeMap<&str, &str>> {
    let failures = analysis.failures.iter();
    failures
        .map(|failure| Some((failure.request.as_deref()?, failure.origin.hop.as_str())))
        .collect()
}

fn compare(hop: &str, before: &BTreeMap<&str, &str>, after: &BTreeMap<&str, &str>) -> Rerun {
    let answered = before
        .iter()
        .filter(|(request, _)| !after.contains_key(*request));
    let (here, elsewhere): (Vec<_>, Vec<_>) = answered.partition(|(_, lost_at)| **lost_at == hop);
    let newly_lost = after
        .keys()
        .filter(|request| !before.contains_key(*request));
    Rerun {
        recovered: here.len() as u64,
        also_answered: elsewhere.len() as u64,
        newly_lost: newly_lost.count() as u64,
    }
}

/// The same of two runs whose requests differ: the half-widths of both intervals towards each
/// other, squared and added (as Newcombe 1998 does), do not reach from one to the other.
fn far_apart(promised: &Gain, measured: &Difference) -> Option<Miss> {
    let apart = measured.value - promised.value;
    let (miss, reach) = if apart > 0.0 {
        let reach = (promised.high - promised.value).hypot(measured.value - measured.low);
        (Miss::More, reach)
    } else {
        let reach = (promised.value - promised.low).hypot(measured.high - measured.value);
        (Miss::Less, reach)
    };
    (apart.abs() > reach).then_some(miss)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miss(promised: f64, measured: f64) -> Option<Miss> {
        let promised = Gain {
            value: promised,
            low: promised - 0.003,
            high: promised + 0.003,
        };
        let measured = Difference {
            value: measured,
            low: measured - 0.004,
            high: measured + 0.004,
            level: Confidence::P99,
        };
        far_apart(&promised, &measured)
    }

    #[test]
    fn a_promise_is_kept_as_far_as_both_intervals_together_can_tell() {
        assert_eq!(miss(0.01, 0.01), None);
        assert_eq!(miss(0.01, 0.0149), None, "√(3² + 4²) = 5");
        assert_eq!(miss(0.01, 0.0151), Some(Miss::More));
        assert_eq!(miss(0.01, 0.0049), Some(Miss::Less));
    }

    #[test]
    fn the_same_requests_are_compared_one_by_one() {
        let before = BTreeMap::from([("1", "b"), ("2", "b"), ("3", "c"), ("4", "c")]);
        let after = BTreeMap::from([("2", "c"), ("4", "c"), ("5", "a")]);
        let expected = Rerun {
            recovered: 1,
            also_answered: 1,
            newly_lost: 1,
        };
        assert_eq!(compare("b", &before, &after), expected);
    }
}
