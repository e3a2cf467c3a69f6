//! Stated bounds: does what was measured keep to them?

use availability::{Bounds, Doubt, Judgement, Probability, Verdict, verdict::against_bounds};
use report::results::{Met, RunResult, proportion};
use scenario::{Bound, Measure};
use traces::analysis::{Between, Latency};

/// What was measured of `bound` in `run`, and whether it keeps to it.
pub(crate) fn judge(bound: Bound, run: &RunResult) -> Met {
    match bound.of {
        Measure::FullQuality => full_quality(bound, run),
        Measure::P50 => latency(bound, run, |l| (l.p50_ms, l.intervals.p50)),
        Measure::P99 => latency(bound, run, |l| (l.p99_ms, l.intervals.p99)),
        Measure::P999 => latency(bound, run, |l| (l.p999_ms, l.intervals.p999)),
        Measure::Amplification => amplification(bound, run),
        Measure::Lost => lost(bound, run),
    }
}

fn full_quality(bound: Bound, run: &RunResult) -> Met {
    let share = |value: Option<f64>| value.and_then(|value| Probability::new(value).ok());
    let bounds = Bounds::new(share(bound.min), share(bound.max));
    let seen = proportion(run.analysis.root.outcomes.full_quality());
    let (Ok(bounds), Some(seen)) = (bounds, seen) else {
        return unknown(bound);
    };
    let interval = seen.clopper_pearson(availability::Confidence::P99);
    Met {
        bound,
        seen: Some(seen.estimate().get()),
        low: Some(interval.low.get()),
        high: Some(interval.high.get()),
        judgement: against_bounds(&bounds, seen),
    }
}

fn latency(bound: Bound, run: &RunResult, of: fn(&Latency) -> (f64, Between)) -> Met {
    let Some(latency) = &run.analysis.root.latency else {
        return unknown(bound);
    };
    let (ms, between) = of(latency);
    by_interval(bound, run, ms, (between.low_ms, between.high_ms))
}

/// Attempts at the busiest hop for one request.
fn amplification(bound: Bound, run: &RunResult) -> Met {
    let loads = run.analysis.hops.iter();
    let loads = loads.filter_map(|hop| report::load_per_request(hop, run));
    let busiest = loads.max_by(|(one, _), (other, _)| one.total_cmp(other));
    let Some((load, half)) = busiest else {
        return unknown(bound);
    };
    let ends = (half.map(|half| load - half), half.map(|half| load + half));
    by_interval(bound, run, load, ends)
}

/// Requests of this run that were not answered: a count, and no estimate of anything.
fn lost(bound: Bound, run: &RunResult) -> Met {
    let lost = run.generator.counts.failed as f64;
    let judgement = if within(bound, lost) {
        Judgement::from(Verdict::Holds).doubted(vacuous(bound))
    } else {
        Verdict::Fails.into()
    };
    Met {
        bound,
        seen: Some(lost),
        low: Some(lost),
        high: Some(lost),
        judgement,
    }
}

/// Inside the bounds from end to end it holds, outside it fails, and across it can't be told.
fn by_interval(bound: Bound, run: &RunResult, seen: f64, ends: (Option<f64>, Option<f64>)) -> Met {
    let (low, high) = (
        ends.0.unwrap_or(f64::NEG_INFINITY),
        ends.1.unwrap_or(f64::INFINITY),
    );
    let judgement = if within(bound, low) && within(bound, high) {
        Judgement::from(Verdict::Holds).doubted(vacuous(bound))
    } else if bound.min.is_some_and(|min| high < min) || bound.max.is_some_and(|max| low > max) {
        Verdict::Fails.into()
    } else {
        let requests = run.analysis.root.outcomes.offered;
        Judgement::from(Verdict::Holds).doubted([Doubt::AcrossBound { requests }])
    };
    Met {
        bound,
        seen: Some(seen),
        low: ends.0,
        high: ends.1,
        judgement,
    }
}

/// The doubt that every result keeps to the bound, if so: times and numbers are never negative.
fn vacuous(bound: Bound) -> Option<Doubt> {
    let holds_everything = bound.max.is_none() && bound.min.is_none_or(|min| min <= 0.0);
    holds_everything.then_some(Doubt::NothingContradicts)
}

fn within(bound: Bound, value: f64) -> bool {
    bound.min.is_none_or(|min| value >= min) && bound.max.is_none_or(|max| value <= max)
}

fn unknown(bound: Bound) -> Met {
    let doubt = Doubt::TooFewRequests {
        requests: 0,
        enough: Some(1),
    };
    Met {
        bound,
        seen: None,
        low: None,
        high: None,
        judgement: Judgement::from(Verdict::Inconclusive).doubted([doubt]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_every_result_keeps_to_is_in_doubt() {
        let bound = |min, max| Bound {
            of: Measure::P99,
            min,
            max,
        };
        let doubt = Some(Doubt::NothingContradicts);
        assert_eq!(vacuous(bound(Some(0.0), None)), doubt);
        assert_eq!(vacuous(bound(Some(1.0), None)), None);
        assert_eq!(vacuous(bound(Some(0.0), Some(1.0))), None);
        assert_eq!(vacuous(bound(None, Some(1.0))), None);
    }
}
