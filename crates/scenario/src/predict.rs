//! What must come out, before anything is measured.
//!
//! Every service on the way of a request is needed, and each draws its faults for itself,
//! so availability is the product of what each visit leaves: Π (1 − p) over all faults that
//! can end the request there. A fault of scope `request` is drawn once for all visits of a
//! service; one of scope `attempt` anew at each.

mod endings;
mod wait;

pub use wait::{Limit, Wait};

use crate::{
    plan::Plan,
    topology::{Name, Topology, Visit},
};
use availability::{
    nines::{Downtime, Period, nines},
    series,
};
use endings::{Ending, Fate};
use serde::Serialize;
use std::collections::BTreeSet;
use types::Probability;

/// How far a prediction can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Equality is to be expected.
    Exact,
    /// An upper bound: delays that each fit their limit may not fit together, or only just.
    Bound,
}

/// What is predicted of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The share of requests that are answered well, end to end.
    pub availability: Probability,
    /// How far it can be trusted.
    pub class: Class,
    /// Its number of nines; none if nothing fails.
    pub nines: Option<f64>,
    /// The seconds lost in a year of 365 days.
    pub downtime_s_per_year: f64,
    /// Each visit of a service, in the order of the calls.
    pub hops: Vec<HopPrediction>,
    /// For a nested chain, the curve over its depth; otherwise empty.
    pub depths: Vec<Depth>,
    /// How requests wait that no answer will come for; none if every failure is told at once.
    pub wait: Option<Wait>,
}

/// What is predicted of one visit of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HopPrediction {
    /// The service.
    pub service: Name,
    /// How many callers stand above it.
    pub depth: usize,
    /// The availability of its own work.
    pub own: Probability,
    /// The availability of one attempt at it, with everything it calls.
    pub attempt: Probability,
    /// The staircase: the availability of everything up to here.
    pub cumulative: Probability,
}

/// What is predicted of the lowest hops of a nested chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Depth {
    /// How many hops.
    pub hops: usize,
    /// The uppermost of them: an attempt at it has this availability.
    pub service: Name,
    /// Their availability: (1 − p)ⁿ if all have the same fault.
    pub availability: Probability,
}

/// Predicts the plan's first phase, which in this version is the whole run.
///
/// The work itself is taken to need no time; only hangs and delays do.
pub fn predict(plan: &Plan) -> Prediction {
    let visits = plan.topology.visits();
    let fates = endings::fates(&plan.phases[0], &visits);
    let availability = survival(&fates);
    let hops: Vec<_> = (0..visits.len())
        .map(|place| hop(&visits, &fates, place))
        .collect();
    Prediction {
        availability,
        class: endings::class(&fates, &visits),
        nines: Some(nines(availability)).filter(|nines| nines.is_finite()),
        downtime_s_per_year: Downtime::of(availability, Period::Year).lost.as_secs_f64(),
        depths: depths(&plan.topology, &hops),
        hops,
        wait: wait::forecast(&fates, plan.phases[0].load.rate),
    }
}

/// The probability that a request gets through all these visits.
fn survival(fates: &[Fate]) -> Probability {
    let mut drawn = BTreeSet::new();
    let all = fates
        .iter()
        .flat_map(|fate| fate.endings.iter().map(move |ending| (fate, ending)));
    let fresh = all.filter(|(fate, ending)| is_fresh(fate, ending, &mut drawn));
    series::availability(fresh.map(|(_, ending)| ending.probability.complement()))
}

/// Whether this is a draw of its own: not one that an earlier visit has drawn already.
fn is_fresh<'a>(
    fate: &'a Fate,
    ending: &'a Ending,
    drawn: &mut BTreeSet<(&'a str, &'a str)>,
) -> bool {
    !ending.once_per_request || drawn.insert((&fate.service, &ending.fault))
}

fn hop(visits: &[Visit], fates: &[Fate], place: usize) -> HopPrediction {
    let Visit {
        service,
        depth,
        size,
    } = &visits[place];
    HopPrediction {
        service: service.clone(),
        depth: *depth,
        own: survival(&fates[place..=place]),
        attempt: survival(&fates[place..place + size]),
        cumulative: survival(&fates[..=place]),
    }
}

/// The curve over the depth, from the deepest hop up.
fn depths(topology: &Topology, hops: &[HopPrediction]) -> Vec<Depth> {
    if !topology.is_nested_chain() {
        return Vec::new();
    }
    let depth = |(above, hop): (usize, &HopPrediction)| Depth {
        hops: above + 1,
        service: hop.service.clone(),
        availability: hop.attempt,
    };
    hops.iter().rev().enumerate().map(depth).collect()
}
