//! When a plan has no prediction, and why.
//!
//! Neither the formulas nor the simulation know how many cores a machine has, nor how much of a
//! time limit its own overhead takes. A prediction that depends on either would look certain and
//! be wrong, so there is none.

use super::{Class, chain::Chain, chain::Flow, phase::PhaseForecast, time};
use crate::{
    plan::{Model, Phase, Plan},
    topology::{Visit, Work},
};
use availability::retry::RetryOn;
use faults::{Law, When};
use serde::{Serialize, Serializer};
use std::{fmt, time::Duration};

/// Why a plan has no prediction: one short sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPredicted {
    /// Work on the processor may need more cores than there are.
    Processor,
    /// Work, delays, time-outs and pauses may not fit together.
    Times,
    /// Outages of a fixed length and random ones come together.
    MixedOutages,
}

impl fmt::Display for NotPredicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processor => "`cpu:` work depends on the machine's cores",
            Self::Times => "work, delays and pauses may not fit the time limits",
            Self::MixedOutages => "regular outages (law = \"fixed\") meet random ones",
        })
    }
}

impl Serialize for NotPredicted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why `plan` has no prediction, if so.
pub(super) fn reason(plan: &Plan, phases: &[PhaseForecast<'_>]) -> Option<NotPredicted> {
    if has_law(plan, Law::Fixed) && has_law(plan, Law::Exponential) {
        // A regular outage keeps its phase for the whole run, a random one forgets it: neither
        // runs with one seed nor runs with many seeds show what this run comes to.
        return Some(NotPredicted::MixedOutages);
    }
    let each = || phases.iter();
    let is_simulated = plan.is_played();
    each()
        .find(|phase| phase.processor == Class::NotPredicted)
        .map(|_| NotPredicted::Processor)
        .or_else(|| {
            let mut misfits = each().filter(|phase| phase.is_misfit && !is_simulated);
            misfits.next().map(|_| NotPredicted::Times)
        })
}

/// Whether any fault of the plan comes and goes by that law.
pub(crate) fn has_law(plan: &Plan, law: Law) -> bool {
    let is_so = |phase: &Phase| {
        let mut faults = phase.faults.iter();
        faults.any(
            |planned| matches!(planned.fault.when, When::Renewal(renewal) if renewal.law == law),
        )
    };
    plan.phases().iter().any(is_so)
}

/// Whether times may not fit, and no range follows from that.
///
/// What does not fit is cut short, which loses requests, so that the formula is the most that
/// can come out. That is no bound where a caller's time-out ends the retries of its callee and
/// the caller then starts them anew: the request gets more attempts than the formula counts. Nor
/// is it one where outages in time make the formula itself a mean, or where it is 100 % anyway.
pub(super) fn is_misfit(chain: &Chain<'_>, most: f64, lasts: bool) -> bool {
    const CERTAIN: f64 = 1.0 - 1e-9;
    !time::fits(chain) && (most > CERTAIN || lasts || starts_anew(chain))
}

/// Whether a caller tries again what its own limit has cut short while it was tried again below.
fn starts_anew(chain: &Chain<'_>) -> bool {
    let policy = chain.policy();
    let mut visits = chain.visits.iter().enumerate();
    let is_cut_and_retried = |(place, visit): (usize, &Visit)| {
        let limit = if place == 0 {
            policy.deadline
        } else {
            policy.attempt_timeout
        };
        limit.is_some() && chain.retries(place) > 0 && visit.size > 1
    };
    chain.retry_on() == RetryOn::Local && visits.any(is_cut_and_retried)
}

/// How far a prediction can be trusted that takes `cpu:` work as mere time.
///
/// On one core, work that fills at most half of it waits longer than ten times its own length
/// with a probability near 10⁻⁵ (M/D/1: the tail decays by e^−1.26 per unit of work). Where every
/// limit leaves that much room, the wait changes no answer on any machine.
pub(super) fn processor(chain: &Chain<'_>, flows: &[Flow]) -> Class {
    const MOST_BUSY: f64 = 0.5;
    const ROOM: f64 = 10.0;
    let work = |(visit, flow): (&Visit, &Flow)| match chain.topology.relay(&visit.service)?.work? {
        Work::Cpu(time) => Some(time.as_secs_f64() * flow.attempts),
        Work::Wait(_) => None,
    };
    let each: Vec<f64> = chain.visits.iter().zip(flows).filter_map(work).collect();
    if each.is_empty() {
        return Class::Exact;
    }
    let per_request: f64 = each.iter().sum();
    let limits = chain.fates.iter().map(|fate| fate.limit.1);
    let limit = limits.min().unwrap_or(Duration::ZERO).as_secs_f64();
    let has_room = match chain.phase.load.model {
        Model::Open => {
            chain.phase.load.rate * per_request <= MOST_BUSY && ROOM * per_request <= limit
        }
        // Each of the others has one request under way at most.
        Model::Closed { workers, .. } => 2.0 * f64::from(workers) * per_request <= limit,
    };
    if has_room {
        Class::Approximate
    } else {
        Class::NotPredicted
    }
}
