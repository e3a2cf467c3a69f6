//! One phase by itself: everything that holds for as long as it lasts.

use super::{
    Class, Fate, OutagePrediction, Wait,
    breaker::{self, Opening},
    budget::{self, Grip},
    chain::{Chain, Flow, near},
    outage, time, wait,
};
use crate::{
    plan::Phase,
    topology::{Name, Visit},
};
use availability::series;
use std::collections::BTreeSet;
use types::Probability;

/// What is expected of one phase.
#[derive(Debug)]
pub(super) struct PhaseForecast<'a> {
    pub(super) phase: &'a Phase,
    pub(super) flows: Vec<Flow>,
    pub(super) hops: Vec<HopValues>,
    pub(super) class: Class,
    /// The availability if there were no breaker.
    pub(super) without_breaker: Probability,
    /// The availability if no breaker were still open from before.
    pub(super) if_closed: Probability,
    /// The breaker that is.
    pub(super) open: Option<StillOpen>,
    pub(super) outage: Option<(usize, OutagePrediction)>,
    pub(super) wait: Option<Wait>,
    /// The longest that one of its requests may still be on its way and succeed, in seconds.
    pub(super) longest_s: f64,
}

/// A breaker that is still open when a phase begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct StillOpen {
    /// The visit that its caller makes no attempt at.
    place: usize,
    /// For how long, in seconds: to be expected, and at most.
    pub(super) likely_s: f64,
    pub(super) at_most_s: f64,
}

/// What holds at one visit for a request that has just come there.
#[derive(Debug, Clone, Copy)]
pub(super) struct HopValues {
    pub(super) own: Probability,
    pub(super) attempt: Probability,
    pub(super) call: Probability,
    pub(super) attempts_per_call: f64,
}

impl PhaseForecast<'_> {
    /// The share of requests answered well.
    pub(super) fn availability(&self) -> Probability {
        edge(&self.flows)
    }

    /// So many seconds of the phase, as a share of it.
    pub(super) fn share_of(&self, seconds: f64) -> f64 {
        share_of(self.phase, seconds)
    }

    /// The breaker that is still open at the end of the phase, if one is.
    pub(super) fn leaves_open(&self, open: Option<StillOpen>) -> Option<StillOpen> {
        if let Some((place, outage)) = &self.outage {
            return Some(StillOpen {
                place: *place,
                likely_s: outage.recovery_s,
                at_most_s: outage.recovery_at_most_s,
            });
        }
        let length = self.phase.expected_duration().as_secs_f64();
        let open = open.filter(|open| open.at_most_s > length)?;
        Some(StillOpen {
            likely_s: f64::max(0.0, open.likely_s - length),
            at_most_s: open.at_most_s - length,
            ..open
        })
    }
}

fn share_of(phase: &Phase, seconds: f64) -> f64 {
    let length = phase.expected_duration().as_secs_f64();
    if length > 0.0 {
        (seconds / length).min(1.0)
    } else {
        0.0
    }
}

/// The availability that the client sees.
fn edge(flows: &[Flow]) -> Probability {
    flows
        .first()
        .map_or(Probability::ONE, |edge| near(edge.ok_calls))
}

/// Evaluates one phase; `before` is what went on until then, `open` what it has left open.
pub(super) fn forecast<'a>(
    phase: &'a Phase,
    visits: &'a [Visit],
    before: &[Flow],
    open: Option<StillOpen>,
) -> PhaseForecast<'a> {
    let mut chain = Chain::new(phase, visits);
    let grip = budget::settle(&mut chain);
    let plain = chain.flows();
    let opening = breaker::settle(&mut chain, &plain);
    let outage = outage::forecast(&chain, &plain, before);
    let if_closed = edge(&chain.flows());
    if let Some((place, outage)) = &outage {
        chain.refused[*place] = refused_in(&chain, *place, &plain[*place], outage);
    } else if let Some(open) = open {
        let refused = near(share_of(phase, open.likely_s));
        chain.refused[open.place] = greater(chain.refused[open.place], refused);
    }
    let flows = chain.flows();
    let hops = (0..visits.len()).map(|place| hop(&chain, place)).collect();
    PhaseForecast {
        phase,
        class: class(&chain, grip, opening),
        without_breaker: edge(&plain),
        if_closed,
        open,
        wait: wait::forecast(&chain, &flows),
        longest_s: time::longest_request(&chain),
        flows,
        hops,
        outage,
    }
}

/// The share of attempts that the breaker refuses in an outage.
fn refused_in(
    chain: &Chain<'_>,
    place: usize,
    flow: &Flow,
    outage: &OutagePrediction,
) -> Probability {
    let calls = chain.phase.expected_requests() * flow.calls;
    let retries = if flow.retried > 0.0 {
        chain.retries(place)
    } else {
        0
    };
    outage::refused(calls, outage.reaching, retries)
}

fn class(chain: &Chain<'_>, grip: Grip, opening: Opening) -> Class {
    if !time::fits(chain) || opening == Opening::Unknown {
        Class::Bound
    } else if grip == Grip::Approximate || opening == Opening::Sometimes || races(chain) {
        Class::Approximate
    } else {
        Class::Exact
    }
}

/// Whether a silence ends the attempts of several callers at almost the same time, so that
/// one further down may begin a retry for nothing.
fn races(chain: &Chain<'_>) -> bool {
    let deep = chain.visits.iter().zip(&chain.fates).enumerate();
    let mut deep = deep.filter(|(_, (visit, _))| visit.depth >= 2);
    deep.any(|(place, (_, fate))| {
        let is_silent = fate.endings.iter().any(|ending| ending.silent);
        is_silent && fate.limit.0 == super::Limit::AttemptTimeout && chain.retries(place) > 0
    })
}

fn hop(chain: &Chain<'_>, place: usize) -> HopValues {
    let flow = chain.fresh(place);
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    HopValues {
        own: own(&chain.fates[place]),
        attempt: near(share(flow.ok_attempts, flow.attempts)),
        call: near(flow.ok_calls),
        attempts_per_call: flow.attempts,
    }
}

/// The product of what the faults of one visit leave, each drawn once.
fn own(fate: &Fate) -> Probability {
    let mut drawn: BTreeSet<(&Name, &str)> = BTreeSet::new();
    let fresh = fate
        .endings
        .iter()
        .filter(|ending| drawn.insert((&fate.service, &ending.fault)));
    series::availability(fresh.map(|ending| ending.probability.complement()))
}

fn greater(a: Probability, b: Probability) -> Probability {
    if a > b { a } else { b }
}
