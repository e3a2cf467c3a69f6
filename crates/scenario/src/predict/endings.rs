//! What can end a request at each of its visits.

use super::{Limit, chain::near};
use crate::{
    plan::{Phase, Policy},
    topology::{Name, Topology, Visit, Work},
};
use availability::replicas;
use faults::{Fault, FaultKind, Scope, When, Window};
use resilience::balance::RetryTo;
use std::{sync::Arc, time::Duration};
use types::Probability;

/// Delays and pauses that use up more than this part of a limit may not leave enough of it
/// for the work itself.
const HEADROOM: f64 = 0.8;

/// What can happen to a request at one visit.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) service: Name,
    /// What ends it, in the order in which it is drawn.
    pub(super) endings: Vec<Ending>,
    /// How long its caller waits for an answer, and what makes it stop.
    pub(super) limit: (Limit, Duration),
    /// The longest that its work, and delays which it survives, can take.
    pub(super) slowed: Duration,
}

/// A fault that ends a request.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) fault: Arc<str>,
    pub(super) probability: Probability,
    /// What one draw of it holds for.
    pub(super) draw: Draw,
    /// Whether nobody is told, so that the caller waits until its limit.
    pub(super) silent: bool,
}

/// What one draw of a fault holds for, as far as the attempts of one call can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    /// One attempt: each draws anew.
    Attempt,
    /// The whole request: all attempts share one draw.
    Request,
    /// One of so many replicas, for the whole request; attempts go to any of them.
    Replica(u32),
}

impl Draw {
    /// A fault of a service with replicas, under a policy. A replica that another attempt does
    /// not come to is as good as drawn anew, while there are others left; and one that all
    /// attempts go to is the only one.
    fn of(fault: &Fault, replicas: u32, policy: &Policy) -> Self {
        let is_one = replicas == 1 || fault.shared.is_some() || policy.retry.is_none();
        match policy.retry_to() {
            _ if fault.scope == Scope::Attempt => Self::Attempt,
            _ if is_one => Self::Request,
            RetryTo::Same => Self::Request,
            RetryTo::Another => Self::Attempt,
            RetryTo::Random => Self::Replica(replicas),
        }
    }

    /// The share of its attempts that it may strike, each with its probability, if it strikes
    /// with `probability` and is drawn once for the request; none if each attempt draws.
    pub(super) fn levels(self, probability: Probability) -> Vec<(f64, f64)> {
        let (hit, missed) = (probability.get(), probability.complement().get());
        match self {
            Self::Attempt => Vec::new(),
            Self::Request => vec![(missed, 0.0), (hit, 1.0)],
            Self::Replica(replicas) => {
                let law = replicas::how_many_down(replicas, probability);
                let share = |down: u32| f64::from(down) / f64::from(replicas);
                law.into_iter().zip((0..=replicas).map(share)).collect()
            }
        }
    }
}

/// The fate of each visit.
pub(super) fn fates(phase: &Phase, visits: &[Visit], topology: &Topology) -> Vec<Fate> {
    let fate = |visit| fate(phase, visit, topology);
    visits.iter().map(fate).collect()
}

/// How often a fault hits a request that comes at any time of the phase. Requests that arrive
/// at random see the mean over time (Wolff 1982, *Poisson Arrivals See Time Averages*).
fn acting(fault: &Fault, phase: &Phase) -> Probability {
    let share = match &fault.when {
        When::Always => 1.0,
        When::Renewal(renewal) => renewal.share(),
        When::Windows(windows) => {
            let length = phase.expected_duration();
            let end = phase.start.saturating_add(length);
            let inside = |window: &Window| {
                let (begin, end) = (window.at.max(phase.start), window.end().min(end));
                end.saturating_sub(begin).as_secs_f64()
            };
            windows.iter().map(inside).sum::<f64>() / length.as_secs_f64()
        }
    };
    near(share * fault.probability.get())
}

fn fate(phase: &Phase, visit: &Visit, topology: &Topology) -> Fate {
    let limit = limit(phase, visit.depth == 0);
    let faults: Vec<_> = phase
        .faults_of(&visit.service, 0)
        .into_iter()
        .map(|fault| Fault {
            probability: acting(&fault, phase),
            ..fault
        })
        .filter(|fault| fault.probability > Probability::ZERO)
        .collect();
    let survived = |fault: &Fault| match fault.kind {
        FaultKind::Delay(pause) if pause < limit.1 => pause,
        _ => Duration::ZERO,
    };
    let work = work(visit, topology);
    let survived_work = if work > limit.1 { Duration::ZERO } else { work };
    let replicas = topology.replicas(&visit.service);
    let draw = |fault: &Fault| Draw::of(fault, replicas, &phase.policy);
    Fate {
        service: visit.service.clone(),
        endings: faults
            .iter()
            .filter_map(|fault| ending(fault, limit.1, draw(fault)))
            .chain(too_long(work, limit.1))
            .collect(),
        limit,
        slowed: faults
            .iter()
            .map(survived)
            .fold(survived_work, Duration::saturating_add),
    }
}

/// What the visit costs by itself.
fn work(visit: &Visit, topology: &Topology) -> Duration {
    let relay = topology.relay(&visit.service);
    relay
        .and_then(|relay| relay.work)
        .map_or(Duration::ZERO, Work::time)
}

/// How long the caller waits. The edge's caller is the client, who has no time-out of ours.
fn limit(phase: &Phase, is_edge: bool) -> (Limit, Duration) {
    let attempt = phase.policy.attempt_timeout.filter(|_| !is_edge);
    let patience = (Limit::Patience, phase.load.patience);
    let limits = [
        attempt.map(|timeout| (Limit::AttemptTimeout, timeout)),
        phase
            .policy
            .deadline
            .map(|deadline| (Limit::Deadline, deadline)),
    ];
    // Of equal limits the first is named: it is nearest to the fault.
    limits
        .into_iter()
        .flatten()
        .chain([patience])
        .min_by_key(|(_, time)| *time)
        .unwrap_or(patience)
}

/// The ending that `fault` makes, if it makes one.
fn ending(fault: &Fault, limit: Duration, draw: Draw) -> Option<Ending> {
    let silent = match fault.kind {
        FaultKind::Error | FaultKind::Reset => false,
        FaultKind::Hang => true,
        FaultKind::Delay(pause) if pause >= limit => true,
        FaultKind::Delay(_) => return None,
    };
    Some(Ending {
        fault: fault.id.clone(),
        probability: fault.probability,
        draw,
        silent,
    })
}

/// Work that takes longer than its caller waits: no attempt is ever answered.
fn too_long(work: Duration, limit: Duration) -> Option<Ending> {
    (work > limit).then(|| Ending {
        fault: "work".into(),
        probability: Probability::ONE,
        draw: Draw::Attempt,
        silent: true,
    })
}

/// The part of a limit that may be used up before the work itself could matter.
pub(super) fn with_headroom(limit: Duration) -> f64 {
    HEADROOM * limit.as_secs_f64()
}
