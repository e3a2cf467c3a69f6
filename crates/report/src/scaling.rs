//! The throughput of a service by the number of its replicas, and the laws that it follows.

use crate::{
    figure::Seen,
    results::{Generator, RunResult, ScenarioResult, proportion, shown_interval},
};
use availability::{
    Confidence,
    scaling::{Fits, Point, fits},
};
use scenario::Name;
use serde::Serialize;
use traces::analysis::Outcomes;
use types::Cause;

/// What several numbers of replicas serve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    /// The scenario.
    pub scenario: String,
    /// The service.
    pub service: Name,
    /// Each number of replicas, the smallest first.
    pub points: Vec<Replicas>,
    /// Amdahl's law and the universal one, fitted to what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laws: Option<Fits>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_laws: Option<String>,
}

/// What so many replicas serve, in the last phase of their run: the requests that began in it and
/// were answered, for each second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replicas {
    /// How many.
    pub replicas: u32,
    /// What was predicted, in requests per second.
    pub predicted_per_s: Option<f64>,
    /// What was measured; none if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Throughput>,
}

/// A throughput, and its 99 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Throughput {
    /// The estimate, in requests per second.
    pub per_s: f64,
    /// The lower end.
    pub low_per_s: f64,
    /// The upper end.
    pub high_per_s: f64,
    /// What one replica serves of it, as a share of what one serves where they are the fewest.
    pub efficiency: f64,
    /// Whether all of them were taken, so that this is what they can serve: at least a tenth of
    /// the requests found no room with them. Otherwise that is not known.
    pub all_taken: bool,
}

impl Throughput {
    pub(crate) const fn seen(&self) -> Seen {
        Seen {
            value: self.per_s,
            low: self.low_per_s,
            high: self.high_per_s,
        }
    }
}

/// What the variants of a scenario say, if they are for that.
pub fn of(group: &[&ScenarioResult]) -> Option<Scaling> {
    let first = group.first()?;
    let service = first.plan.swept()?.clone();
    let mut points: Vec<_> = group
        .iter()
        .map(|result| replicas(result, &service))
        .collect();
    points.sort_by_key(|point| point.replicas);
    compare_with_the_fewest(&mut points);
    let measured = points.iter().filter_map(point).collect::<Vec<_>>();
    let laws = fits(&measured, Confidence::P99);
    Some(Scaling {
        scenario: first.name.clone(),
        service,
        points,
        no_laws: laws.as_ref().err().map(ToString::to_string),
        laws: laws.ok(),
    })
}

fn replicas(result: &ScenarioResult, service: &str) -> Replicas {
    let predicted = result.prediction.phases.last();
    let predicted = predicted.map(|phase| {
        let answered = phase.requests * phase.availability.get();
        answered / phase.length_s.max(f64::MIN_POSITIVE)
    });
    Replicas {
        replicas: result.plan.topology().replicas(service),
        predicted_per_s: predicted,
        measured: measured(result),
    }
}

/// A run in which more than this share of the requests left late did not have the stated load.
const LATE_ALLOWED: f64 = 0.01;

/// From this share on of requests that found no room, turned away or kept waiting for too long,
/// replicas count as all taken. Fewer are turned away by chance alone, when many come at once,
/// while slots stand idle most of the time. With a queue as long as there are slots, eight slots
/// are taken more than 93 % of the time then (M/M/c/K), sixteen more than 98 %.
const NO_ROOM: f64 = 0.1;

/// The answered share of all that began, times how many began in a second: of the run that
/// counts, if it had the load that is stated.
fn measured(result: &ScenarioResult) -> Option<Throughput> {
    let is_punctual = |run: &&RunResult| {
        let Generator { counts, late, .. } = &run.generator;
        *late as f64 <= counts.offered as f64 * LATE_ALLOWED
    };
    let run = result.shown().filter(is_punctual)?;
    let phase = run.timeline.phases.last()?;
    let seconds = phase.end.saturating_sub(phase.start) as f64 / 1e9;
    throughput(&phase.requests, seconds)
}

fn throughput(requests: &Outcomes, seconds: f64) -> Option<Throughput> {
    let answered = requests.availability();
    let share = proportion(answered).filter(|_| seconds > 0.0)?;
    let interval = shown_interval(answered)?;
    let per_s = |of: f64| of * share.trials() as f64 / seconds;
    Some(Throughput {
        per_s: per_s(share.estimate().get()),
        low_per_s: per_s(interval.low.get()),
        high_per_s: per_s(interval.high.get()),
        efficiency: 1.0,
        all_taken: found_no_room(requests) as f64 >= NO_ROOM * requests.offered as f64,
    })
}

/// Requests that a full queue turned away, or that waited for longer than somebody wanted to.
/// An injected error is none of them: it is answered at once.
fn found_no_room(requests: &Outcomes) -> u64 {
    let by_cause = &requests.failed.by_cause;
    let lost = [Cause::Shed, Cause::Timeout].map(|cause| by_cause.get(&cause).copied());
    lost.into_iter().flatten().sum()
}

fn compare_with_the_fewest(points: &mut [Replicas]) {
    let each = |point: &Replicas| {
        let per_s = point.measured?.per_s / f64::from(point.replicas);
        Some(per_s).filter(|per_s| *per_s > 0.0)
    };
    let Some(fewest) = points.first().and_then(each) else {
        return;
    };
    for point in points {
        let own = each(point).unwrap_or_default();
        if let Some(measured) = &mut point.measured {
            measured.efficiency = own / fewest;
        }
    }
}

/// What the laws are fitted to: only what replicas serve that are all taken.
fn point(replicas: &Replicas) -> Option<Point> {
    let seen = replicas.measured.filter(|seen| seen.all_taken)?;
    let width = seen.high_per_s - seen.low_per_s;
    let deviation = width / 2.0 / Confidence::P99.two_sided_z();
    Point::new(replicas.replicas, seen.per_s, deviation).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use availability::scaling::universal;
    use traces::analysis::Failures;

    /// Of 400 requests in 2 s, so many were lost by each cause.
    fn measured(replicas: u32, lost: &[(Cause, u64)]) -> Replicas {
        let failed: u64 = lost.iter().map(|(_, count)| count).sum();
        let requests = Outcomes {
            offered: 400,
            ok: 400 - failed,
            degraded: 0,
            failed: Failures {
                total: failed,
                by_cause: lost.iter().copied().collect(),
            },
        };
        Replicas {
            replicas,
            predicted_per_s: Some(100.0),
            measured: throughput(&requests, 2.0),
        }
    }

    #[test]
    fn only_replicas_that_were_all_taken_are_points_of_a_law() {
        for lost in [
            &[][..],
            &[(Cause::Error, 1)],
            &[(Cause::Error, 200), (Cause::Reset, 100)],
            &[(Cause::Shed, 4)],
            &[(Cause::Shed, 39)],
        ] {
            let idle = measured(8, lost);
            assert!(!idle.measured.unwrap().all_taken, "{lost:?}");
            assert_eq!(point(&idle), None, "{lost:?}");
        }
        for lost in [
            &[(Cause::Shed, 100)][..],
            &[(Cause::Timeout, 60), (Cause::Shed, 40)],
        ] {
            let most = point(&measured(4, lost)).unwrap();
            assert_eq!((most.replicas(), most.throughput()), (4, 150.0));
        }
    }

    #[test]
    fn every_number_of_replicas_of_the_scenarios_built_in_is_a_point() {
        // What each costs all, and each pair of them; one alone serves 50 a second.
        for (name, contention, coherence) in
            [("r12-scaling", 0.1, 0.0), ("r12-coherence", 0.05, 0.05)]
        {
            let text = scenario::find(name).unwrap().text;
            let plan = scenario::parse(name, text).unwrap();
            let service = plan.swept().unwrap();
            let variants = plan.variants().iter().map(|variant| &variant.plan);
            for plan in [&plan].into_iter().chain(variants) {
                let replicas = f64::from(plan.topology().replicas(service));
                let most = universal(50.0, contention, coherence, replicas);
                let offered = plan.phases().last().unwrap().load.rate;
                // Twice as many as are needed: chance may halve them.
                let lost = 1.0 - most / offered;
                assert!(lost > 2.0 * NO_ROOM, "{name}, {replicas}: {lost}");
            }
        }
    }
}
