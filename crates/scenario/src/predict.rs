//! What must come out, before anything is measured.
//!
//! Every service on the way of a request is needed, unless its caller answers without it (a
//! soft call), and each draws its faults for itself. A fault of scope `request` is drawn once
//! for all attempts at a service; one of scope `attempt` anew by each; one in time counts by
//! its share of time. Without retries, availability is the product Π (1 − p) over all faults
//! that can end the request; with them it is computed over the tree of calls. A run in phases
//! is the mean of its phases, weighed by their requests.

mod breaker;
mod budget;
mod chain;
mod endings;
mod hops;
mod outage;
mod phase;
mod played;
mod replicas;
mod time;
mod timeline;
mod wait;

pub(crate) use replicas::has_formula;

pub use outage::OutagePrediction;
pub use wait::{Limit, Wait};

use endings::Fate;

use crate::{plan::Plan, simulate, topology::Name};
use availability::{
    Bounds, Interval,
    nines::{Downtime, Period, nines},
};
use serde::Serialize;
use types::Probability;

/// How far a prediction can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Equality is to be expected.
    Exact,
    /// Near equality: a mean value stands for something that varies. So it is where a retry
    /// budget runs dry while its calls differ, where breakers open now and then in a long run
    /// and refuse little, where time-outs of several callers race, where outages in time
    /// meet retries, breakers, or a load that waits for answers, and where replicas are told
    /// apart by anything but chance.
    Approximate,
    /// Only the range is certain. Delays, time-outs and pauses that each fit their limit may
    /// not fit together; or it is open whether a breaker opens, how long it stays open after
    /// an outage, what a phase leaves in a retry budget, or which requests are tried again
    /// just after an outage.
    Bound,
}

/// What is predicted of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The share of requests that are answered well, end to end.
    pub availability: Probability,
    /// The share of requests that are answered with nothing missing: the same, unless there
    /// are soft calls.
    pub full_quality: Probability,
    /// Between which bounds it must lie, if it can't be told more exactly: of class
    /// [`Class::Bound`], and only there. The availability itself is then what is likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Bounds>,
    /// Its 99 % interval, if it was played and not computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub played: Option<Interval>,
    /// How far it can be trusted.
    pub class: Class,
    /// What the replicas of a service that is scaled cost, in replica-seconds, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_s: Option<f64>,
    /// What it would be without circuit breakers, if there are any: never less, for a
    /// breaker without a fallback or another replica only refuses. It saves waiting and load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_breaker: Option<Probability>,
    /// Its number of nines; none if nothing fails.
    pub nines: Option<f64>,
    /// The seconds lost in a year of 365 days.
    pub downtime_s_per_year: f64,
    /// Each phase, in the order of time.
    pub phases: Vec<PhasePrediction>,
    /// Each visit of a service, in the order of the calls: means of the whole run.
    pub hops: Vec<HopPrediction>,
    /// For a nested chain, the curve over its depth; otherwise empty.
    pub depths: Vec<Depth>,
    /// How requests wait that no answer will come for; none if every failure is told at
    /// once. Of several phases, the one in which the most requests are stuck.
    pub wait: Option<Wait>,
}

/// What is predicted of one phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhasePrediction {
    /// What happens in it, if the scenario says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it starts, in seconds from the start of the run.
    pub start_s: f64,
    /// How long it is expected to last, in seconds.
    pub length_s: f64,
    /// How many requests are expected to arrive in it.
    pub requests: f64,
    /// The share of them that is answered well.
    pub availability: Probability,
    /// Between which bounds it must lie, if it can't be told more exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Bounds>,
    /// How far it can be trusted.
    pub class: Class,
    /// What a breaker makes of a callee that is down for the whole phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<OutagePrediction>,
    /// How requests wait in it that no answer will come for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// What is predicted of one visit of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HopPrediction {
    /// The service.
    pub service: Name,
    /// How many callers stand above it.
    pub depth: usize,
    /// The availability of its own work: of first attempts.
    pub own: Probability,
    /// The availability of one attempt at it, with everything it calls: of first attempts.
    pub attempt: Probability,
    /// The availability of one call to it, after its retries: what the caller gets.
    pub call: Probability,
    /// How many attempts a call makes on average.
    pub attempts_per_call: f64,
    /// How many attempts reach it on average for each request of the client: the load, and
    /// by how much retries amplify it.
    pub load: f64,
    /// The staircase: the share of requests that is not lost by anything up to here. A
    /// failure that a retry makes good is not lost.
    pub cumulative: Probability,
}

/// What is predicted of the lowest hops of a nested chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Depth {
    /// How many hops.
    pub hops: usize,
    /// The uppermost of them: a call to it has this availability.
    pub service: Name,
    /// Their availability: (1 − p)ⁿ if all have the same fault and nobody retries.
    pub availability: Probability,
}

/// Predicts the run.
///
/// The work itself is taken to need no time unless it is stated; only hangs, delays and pauses
/// do. Of outages that come and go, the mean over time is taken, and where that is not the
/// answer, many runs are played: see [`simulate`](crate::simulate). Callers are taken
/// to do what the policy says: a failed attempt is tried again unless the failure came
/// from further down and was tried again there; an attempt that gets no answer is ended by
/// the time-out of the edge's call, which began first; what only the deadline or the client's
/// patience ends is not tried again by whoever it ends.
///
/// Replicas that differ in nothing but their draws have formulas, as long as calls are spread by
/// chance; so have parts that are common to the replicas of one service. Everything else about
/// replicas is played ([`Plan::is_played`]), and so are hedges, limits and caches.
pub fn predict(plan: &Plan) -> Prediction {
    let visits = plan.topology.visits();
    let chain = (&visits[..], &plan.topology);
    let run = timeline::forecast(&plan.phases, chain, plan.expectation.distance);
    let hops = hops::predict(&run, &visits);
    // Where the mean over time is not the answer, many runs are.
    let is_timed = plan.depends_on_time() && run.class == Class::Approximate;
    let is_played = plan.is_played();
    let played = (is_played || is_timed).then(|| simulate::long_run(plan));
    let played = played.flatten();
    let availability = played
        .as_ref()
        .map_or(run.availability, |run| run.availability);
    let most_stuck = |a: &&Wait, b: &&Wait| a.stuck_requests.total_cmp(&b.stuck_requests);
    let waits = run.phases.iter().filter_map(|phase| phase.wait.as_ref());
    let prediction = Prediction {
        availability,
        full_quality: played
            .as_ref()
            .map_or(run.full_quality, |run| run.full_quality),
        played: played.as_ref().map(|played| played.interval),
        replica_s: played.as_ref().and_then(|run| run.replica_s),
        range: run.range,
        class: run.class,
        without_breaker: run.without_breaker,
        nines: Some(nines(availability)).filter(|nines| nines.is_finite()),
        downtime_s_per_year: Downtime::of(availability, Period::Year).lost.as_secs_f64(),
        depths: depths(plan, &hops),
        hops,
        wait: waits.max_by(most_stuck).copied(),
        phases: run.phases,
    };
    match played.filter(|_| is_played) {
        Some(run) => counted(plan, prediction, &run),
        None => prediction,
    }
}

/// The prediction without anything that only a formula could say.
fn counted(plan: &Plan, computed: Prediction, run: &simulate::LongRun) -> Prediction {
    let hops = played::hops(run, &plan.topology.visits());
    Prediction {
        range: None,
        class: Class::Approximate,
        without_breaker: None,
        depths: depths(plan, &hops),
        hops,
        wait: None,
        phases: played::phases(computed.phases, run),
        ..computed
    }
}

/// The curve over the depth, from the deepest hop up.
fn depths(plan: &Plan, hops: &[HopPrediction]) -> Vec<Depth> {
    if !plan.topology.is_nested_chain() {
        return Vec::new();
    }
    let depth = |(above, hop): (usize, &HopPrediction)| Depth {
        hops: above + 1,
        service: hop.service.clone(),
        availability: hop.call,
    };
    hops.iter().rev().enumerate().map(depth).collect()
}
