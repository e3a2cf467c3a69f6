//! One phase by itself: everything that holds for as long as it lasts.

use super::{
    Class, Fate, OutagePrediction, Wait,
    breaker::{self, Opening, Sight},
    budget::{self, Grip, Level},
    chain::{Chain, Flow, near},
    outage, time, unknown, wait,
};
use crate::{
    place::Place,
    plan::{Model, Phase, PlannedFault},
    topology::{Name, Topology, Visit},
};
use availability::series;
use faults::{Law, When};
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
    /// The least and the most that the availability may be, if no breaker were still open
    /// from before.
    pub(super) if_closed: [Probability; 2],
    /// The breaker that is.
    pub(super) open: Option<StillOpen>,
    /// The one that is still open at the end, or may be.
    pub(super) leaves_open: Option<StillOpen>,
    /// What is left in the retry budgets.
    pub(super) saved: Vec<Level>,
    pub(super) outage: Option<(usize, OutagePrediction)>,
    pub(super) wait: Option<Wait>,
    /// What `cpu:` work makes of the prediction.
    pub(super) processor: Class,
    /// Whether times may not fit, and no range follows.
    pub(super) is_misfit: bool,
    /// Whether outages last where it matters, so that only their mean over time is computed.
    pub(super) lasts: bool,
    /// The longest that one of its requests may still be on its way and succeed, in seconds.
    pub(super) longest_s: f64,
}

/// A breaker that is still open when a phase begins, or may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct StillOpen {
    /// The visit that its caller makes no attempt at.
    pub(super) place: usize,
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
    /// The share of requests answered with nothing missing.
    pub(super) fn full_quality(&self) -> f64 {
        self.flows.first().map_or(1.0, |edge| edge.full_calls)
    }

    /// The share of requests answered well.
    pub(super) fn availability(&self) -> Probability {
        edge(&self.flows)
    }

    /// So many seconds of the phase, as a share of it.
    pub(super) fn share_of(&self, seconds: f64) -> f64 {
        share_of(self.phase, seconds)
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

/// What a phase begins with.
#[derive(Debug, Default)]
pub(super) struct Start<'a> {
    /// What went on until then; nothing at first.
    pub(super) before: &'a [Flow],
    /// The breaker that was left open.
    pub(super) open: Option<StillOpen>,
    /// What is left in the retry budgets; nothing if they are full.
    pub(super) saved: &'a [Level],
}

/// Evaluates one phase. `distance` is the one that the run must be able to tell.
pub(super) fn forecast<'a>(
    phase: &'a Phase,
    (visits, topology): (&'a [Visit], &'a Topology),
    start: &Start<'_>,
    distance: Probability,
) -> PhaseForecast<'a> {
    let mut chain = Chain::new(phase, visits, topology);
    let budget = budget::settle(&mut chain, start.saved);
    let plain = chain.flows();
    let [_, most] = extremes(&mut chain, budget.range.as_ref());
    let (opening, may_open) = breaker::settle(&mut chain, &plain, distance);
    let outage = outage::forecast(&chain, &plain, start.before);
    let mut if_closed = extremes(&mut chain, budget.range.as_ref());
    let processor = unknown::processor(&chain, &plain);
    let lasts = lasts(&chain);
    let class = class(&chain, budget.grip, opening, outage.as_ref()).max(processor);
    if class == Class::Bound {
        if_closed = [Probability::ZERO, most];
    }
    let open = start
        .open
        .map(|open| breaker::prolonged(&chain, &plain, open));
    let leaves_open = leaves_open(&chain, open, may_open, outage.as_ref());
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
        class,
        without_breaker: edge(&plain),
        processor,
        is_misfit: unknown::is_misfit(&chain, most.get(), lasts),
        lasts,
        if_closed,
        open,
        leaves_open,
        saved: budget.after,
        wait: wait::forecast(&chain, &flows),
        longest_s: time::longest_request(&chain),
        flows,
        hops,
        outage,
    }
}

/// The least and the most availability, over all that the retry budgets may grant.
fn extremes(chain: &mut Chain<'_>, range: Option<&[Vec<Probability>; 2]>) -> [Probability; 2] {
    let likely = edge(&chain.flows());
    let Some(range) = range else {
        return [likely; 2];
    };
    let granted = chain.granted.clone();
    let [a, b] = range.each_ref().map(|granted| {
        chain.granted.clone_from(granted);
        edge(&chain.flows())
    });
    chain.granted = granted;
    [lesser(likely, lesser(a, b)), greater(likely, greater(a, b))]
}

/// The breaker that is still open at the end of the phase, or may be.
fn leaves_open(
    chain: &Chain<'_>,
    open: Option<StillOpen>,
    may_open: Option<usize>,
    outage: Option<&(usize, OutagePrediction)>,
) -> Option<StillOpen> {
    let longest = |place: usize| breaker::longest_left_s(chain, place, open.is_some());
    let length = chain.phase.expected_duration().as_secs_f64();
    let after_outage = outage.filter(|(_, outage)| outage.opens());
    let after_outage = after_outage.map(|(place, outage)| StillOpen {
        place: *place,
        likely_s: outage.recovery_s,
        // One that was open before may have come to its longest open time by now.
        at_most_s: open.map_or(outage.recovery_at_most_s, |_| {
            outage.recovery_at_most_s.max(longest(*place))
        }),
    });
    let still = open.filter(|open| open.at_most_s > length);
    let still = still.map(|open| StillOpen {
        likely_s: f64::max(0.0, open.likely_s - length),
        at_most_s: (open.at_most_s - length).min(longest(open.place).max(open.likely_s)),
        ..open
    });
    let perhaps = may_open.map(|place| StillOpen {
        place,
        likely_s: 0.0,
        at_most_s: longest(place),
    });
    let all = [after_outage, still, perhaps];
    all.into_iter().flatten().reduce(|first, other| StillOpen {
        at_most_s: first.at_most_s.max(other.at_most_s),
        ..first
    })
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

fn class(
    chain: &Chain<'_>,
    grip: Grip,
    opening: Opening,
    outage: Option<&(usize, OutagePrediction)>,
) -> Class {
    if !time::fits(chain)
        || chain.is_cut_short()
        || opening == Opening::Unknown
        || is_unclear(chain, outage)
    {
        Class::Bound
    } else if grip == Grip::Approximate
        || opening == Opening::Sometimes
        || races(chain)
        || lasts(chain)
        || asks_less(chain)
    {
        Class::Approximate
    } else {
        Class::Exact
    }
}

/// Whether the breaker of an outage may learn of it or not.
fn is_unclear(chain: &Chain<'_>, outage: Option<&(usize, OutagePrediction)>) -> bool {
    outage
        .zip(chain.policy().breaker)
        .is_some_and(|((place, outage), breaker)| {
            outage.fails_after_s > 0.0
                && breaker::sight(chain, *place, breaker.settings()) == Sight::Perhaps
        })
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

/// Whether outages last where it matters: they meet attempts of one request, or calls of one
/// breaker, together; a closed load asks less while they slow it down; and stated windows of
/// two services may be the same. Their mean over time stands for all of this.
fn lasts(chain: &Chain<'_>) -> bool {
    let faults = || chain.phase.faults.iter();
    let timed = faults().filter(|fault| fault.fault.when != When::Always);
    let places = || chain.visits.iter().map(|visit| &visit.service);
    let met = |place: &Place| places().filter(|name| **name == place.service).count();
    let hit: Vec<_> = timed.flat_map(|fault| &fault.on).map(met).collect();
    let stated = faults().filter(|fault| matches!(fault.fault.when, When::Windows(_)));
    let stated: usize = stated.map(|fault| fault.on.len()).sum();
    let policy = chain.policy();
    let is_regular = |fault: &PlannedFault| matches!(fault.fault.when, When::Renewal(renewal) if renewal.law == Law::Fixed);
    // Regular outages keep their phase: they never meet each other by chance.
    if faults().any(is_regular) {
        return true;
    }
    let remembers =
        policy.retry.is_some() || policy.breaker.is_some() || chain.phase.load.model != Model::Open;
    hit.iter()
        .any(|times| *times > 1 || (*times > 0 && remembers))
        || stated > 1
}

/// Whether the rate of a closed load matters, which is only known when it was asked: for
/// breakers, for budgets, and for the weight of one phase among others.
fn asks_less(chain: &Chain<'_>) -> bool {
    let policy = chain.policy();
    let has_budget = policy
        .retry
        .is_some_and(|retry| retry.settings().budget.is_some());
    let phase = chain.phase;
    let is_part =
        !phase.start.is_zero() || phase.expected_duration() < phase.load.expected_duration();
    phase.load.model != Model::Open && (policy.breaker.is_some() || has_budget || is_part)
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

fn lesser(a: Probability, b: Probability) -> Probability {
    if a < b { a } else { b }
}
