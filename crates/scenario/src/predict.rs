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
mod unknown;
mod wait;

pub(crate) use {replicas::has_formula, unknown::has_law};

pub use outage::OutagePrediction;
pub use unknown::NotPredicted;
pub use wait::{Limit, Wait};

use {endings::Fate, timeline::RunForecast};

use crate::{
    plan::Plan,
    simulate,
    topology::{Name, Visit},
};
use availability::{
    Bounds, Interval,
    nines::{Downtime, Period, nines},
};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use types::Probability;

/// How far a prediction can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Equality is to be expected.
    Exact,
    /// Near equality: a mean value stands for something that varies. So it is where a retry
    /// budget runs dry while its calls differ, where breakers open now and then in a long run
    /// and refuse little, where time-outs of several callers race, and where `cpu:` work is
    /// light. So it is, too, where the plan is simulated: where outages in time are regular or
    /// meet retries, breakers, or a load that waits for answers, where replicas differ in more
    /// than chance, and where services have slots.
    Approximate,
    /// Only the range is certain. Delays, time-outs and pauses that each fit their limit may
    /// not fit together; or it is open whether a breaker opens, how long it stays open after
    /// an outage, what a phase leaves in a retry budget, or which requests are tried again
    /// just after an outage.
    Bound,
    /// There is no prediction: neither a formula nor a simulation holds.
    NotPredicted,
}

/// What is predicted of a plan.
///
/// As JSON, a plan without a prediction has its class and the reason, and no numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(remote = "Self")]
pub struct Prediction {
    /// The share of requests that are answered well, end to end. Where there is no prediction,
    /// it and all other numbers are what a formula gives that leaves the reason out:
    /// [`value`](Self::value) is then none.
    pub availability: Probability,
    /// The share of requests that are answered with nothing missing: the same, unless there
    /// are soft calls.
    pub full_quality: Probability,
    /// Between which bounds it must lie, if it can't be told more exactly: of class
    /// [`Class::Bound`], and only there. The availability itself is then what is likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Bounds>,
    /// Why there is no prediction, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_predicted: Option<NotPredicted>,
    /// Its 99 % interval, if it was simulated and not computed.
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

impl Prediction {
    /// The predicted availability; none where nothing is predicted.
    pub fn value(&self) -> Option<Probability> {
        self.not_predicted.is_none().then_some(self.availability)
    }
}

impl Serialize for Prediction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.not_predicted {
            None => Self::serialize(self, serializer),
            Some(reason) => {
                let mut fields = serializer.serialize_struct("Prediction", 3)?;
                fields.serialize_field("availability", &None::<Probability>)?;
                fields.serialize_field("class", &self.class)?;
                fields.serialize_field("not_predicted", &reason)?;
                fields.end()
            }
        }
    }
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
    /// None where calls at once may fail in any order.
    pub cumulative: Option<Probability>,
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
/// answer, many runs are simulated: see [`simulate`](crate::simulate). Callers are taken
/// to do what the policy says: a failed attempt is tried again unless the failure came
/// from further down and was tried again there; an attempt that gets no answer is ended by
/// the time-out of the edge's call, which began first; what only the deadline or the client's
/// patience ends is not tried again by whoever it ends.
///
/// Replicas that differ in nothing but their draws have formulas, as long as calls are spread by
/// chance; so have parts that are common to the replicas of one service. Everything else about
/// replicas is simulated ([`Plan::is_played`]), and so are slots, hedges, limits and caches. What
/// is simulated is so in every part: the whole, its phases and its hops have one source.
pub fn predict(plan: &Plan) -> Prediction {
    let visits = plan.topology.visits();
    let run = forecast(plan, &visits);
    let not_predicted = unknown::reason(plan, &run.forecasts);
    let is_simulated = not_predicted.is_none() && (plan.is_played() || is_timed(plan, &run));
    let simulated = is_simulated.then(|| simulate::long_run(plan)).flatten();
    let computed = computed(plan, run, &visits);
    match simulated {
        Some(run) => counted(plan, computed, &run),
        None => match not_predicted {
            Some(reason) => unpredicted(computed, reason),
            None => computed,
        },
    }
}

/// Why `plan` has no prediction, if so.
pub(crate) fn not_predicted(plan: &Plan) -> Option<NotPredicted> {
    let visits = plan.topology.visits();
    unknown::reason(plan, &forecast(plan, &visits).forecasts)
}

fn forecast<'a>(plan: &'a Plan, visits: &'a [Visit]) -> RunForecast<'a> {
    let chain = (visits, &plan.topology);
    timeline::forecast(&plan.phases, chain, plan.expectation.distance)
}

/// Whether the mean over time is not the answer. Nor is a range that is computed from it.
fn is_timed(plan: &Plan, run: &RunForecast<'_>) -> bool {
    let is_rough = match run.class {
        Class::Approximate => true,
        Class::Bound => run.forecasts.iter().any(|phase| phase.lasts),
        Class::Exact | Class::NotPredicted => false,
    };
    plan.depends_on_time() && is_rough
}

/// What the formulas say.
fn computed(plan: &Plan, run: RunForecast<'_>, visits: &[Visit]) -> Prediction {
    let hops = hops::told_apart(hops::predict(&run, visits), visits, &plan.topology);
    let most_stuck = |a: &&Wait, b: &&Wait| a.stuck_requests.total_cmp(&b.stuck_requests);
    let waits = run.phases.iter().filter_map(|phase| phase.wait.as_ref());
    let wait = waits.max_by(most_stuck).copied();
    let (nines, downtime_s_per_year) = rare(run.availability);
    Prediction {
        availability: run.availability,
        full_quality: run.full_quality,
        nines,
        downtime_s_per_year,
        played: None,
        not_predicted: None,
        replica_s: None,
        range: run.range,
        class: run.class,
        without_breaker: run.without_breaker,
        depths: depths(plan, &hops),
        hops,
        wait,
        phases: run.phases,
    }
}

/// No prediction. What the formulas say of the attempts is kept: a lab needs to know about how
/// much work a run is.
fn unpredicted(computed: Prediction, reason: NotPredicted) -> Prediction {
    Prediction {
        class: Class::NotPredicted,
        not_predicted: Some(reason),
        range: None,
        without_breaker: None,
        nines: None,
        phases: Vec::new(),
        depths: Vec::new(),
        wait: None,
        ..computed
    }
}

/// The prediction without anything that only a formula could say.
fn counted(plan: &Plan, computed: Prediction, run: &simulate::LongRun) -> Prediction {
    let visits = plan.topology.visits();
    let hops = hops::told_apart(played::hops(run, &visits), &visits, &plan.topology);
    let (nines, downtime_s_per_year) = rare(run.availability);
    Prediction {
        availability: run.availability,
        full_quality: run.full_quality,
        nines,
        downtime_s_per_year,
        played: Some(run.interval),
        replica_s: run.replica_s,
        range: None,
        class: Class::Approximate,
        without_breaker: computed.without_breaker.and_then(|_| without_breaker(plan)),
        depths: depths(plan, &hops),
        hops,
        wait: None,
        phases: played::phases(computed.phases, run),
        ..computed
    }
}

/// What the plan would come to without its breakers, where a formula says that exactly.
fn without_breaker(plan: &Plan) -> Option<Probability> {
    let mut plan = plan.clone();
    for phase in &mut plan.phases {
        phase.policy.breaker = None;
    }
    let visits = plan.topology.visits();
    let run = forecast(&plan, &visits);
    let is_exact = run.class == Class::Exact && !plan.is_played();
    is_exact.then_some(run.availability)
}

/// An availability in nines, and in the seconds lost in a year.
fn rare(availability: Probability) -> (Option<f64>, f64) {
    let lost = Downtime::of(availability, Period::Year).lost;
    let nines = nines(availability);
    (
        Some(nines).filter(|nines| nines.is_finite()),
        lost.as_secs_f64(),
    )
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
