//! The chain as a tree of calls, and what is expected of each visit in one phase.
//!
//! Faults of scope `attempt` are drawn anew by every attempt; that is what the tree of calls
//! assumes. A fault of scope `request` holds for all attempts of a request at its service.
//! Where every service of a chain is needed, only the first one that is down matters: no
//! request gets past it, so nothing further on is ever reached. Instead of all combinations
//! of services down, it is enough to mix one case for each service that can be the first,
//! and one in which none is. Soft calls and calls at once do get past, and so do retries that
//! go to any replica of a service, of which some are down: then all combinations are mixed.

use super::{
    Fate, Limit,
    endings::{self, Draw, Ending},
};
use crate::{
    plan::{Phase, Policy},
    topology::{self, Name, Order, Topology},
};
use availability::{
    Probability,
    call_tree::{self, Heard, VisitForecast},
    retry::RetryOn,
};
use resilience::retry::Backoff;
use std::{collections::BTreeMap, time::Duration};

/// What is expected of one visit, for each request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flow {
    pub(super) calls: f64,
    pub(super) attempts: f64,
    pub(super) refused: f64,
    pub(super) ok_calls: f64,
    /// Of them, those with nothing missing.
    pub(super) full_calls: f64,
    pub(super) ok_attempts: f64,
    /// Attempts whose caller would try again.
    pub(super) retried: f64,
    /// Attempts that get no answer from the visit itself.
    pub(super) silences: f64,
    /// Attempts that the caller stopped waiting for.
    pub(super) cut: f64,
    /// Requests that are lost here.
    pub(super) lost: f64,
    /// Seconds of pauses between attempts that follow a silence.
    pub(super) pauses_s: f64,
}

impl Flow {
    fn add(&mut self, weight: f64, visit: &VisitForecast, pause_s: f64) {
        self.calls += weight * visit.calls;
        self.attempts += weight * visit.attempts;
        self.refused += weight * visit.refused;
        self.ok_calls += weight * visit.calls * visit.call.get();
        self.full_calls += weight * visit.calls * visit.full.get();
        self.ok_attempts += weight * visit.attempts * visit.attempt.get();
        self.retried += weight * visit.attempts * visit.retried.get();
        self.silences += weight * visit.silences;
        self.cut += weight * visit.cut;
        self.lost += weight * visit.lost.get();
        self.pauses_s += weight * visit.calls * pause_s;
    }
}

/// One phase of the chain, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    pub(super) phase: &'a Phase,
    pub(super) visits: &'a [topology::Visit],
    pub(super) topology: &'a Topology,
    pub(super) fates: Vec<Fate>,
    /// For each visit, the share of wanted retries that its budget grants.
    pub(super) granted: Vec<Probability>,
    /// For each visit, the share of attempts that its caller's breaker refuses.
    pub(super) refused: Vec<Probability>,
}

/// A fault that is drawn once for a request: its service, and its place among the endings.
type Drawn<'a> = (&'a Name, usize);

/// Such faults that are down, and the share of attempts that each strikes; those that are not
/// named strike none.
type Down<'a> = Vec<(Drawn<'a>, f64)>;

/// What a fault may strike, and how probable that is.
type Levels<'a> = (Drawn<'a>, Vec<(f64, f64)>);

/// Up to so many cases all combinations are gone through.
pub(super) const MOST_COMBINED: usize = 1 << 10;

impl<'a> Chain<'a> {
    pub(super) fn new(
        phase: &'a Phase,
        visits: &'a [topology::Visit],
        topology: &'a Topology,
    ) -> Self {
        Self {
            phase,
            visits,
            topology,
            fates: endings::fates(phase, visits, topology),
            granted: vec![Probability::ONE; visits.len()],
            refused: vec![Probability::ZERO; visits.len()],
        }
    }

    pub(super) const fn policy(&self) -> &Policy {
        &self.phase.policy
    }

    /// Which failures are tried again.
    pub(super) fn retry_on(&self) -> RetryOn {
        match self.policy().retry {
            Some(retry) if retry.settings().propagated => RetryOn::All,
            _ => RetryOn::Local,
        }
    }

    /// How often a call to this visit is tried again.
    pub(super) fn retries(&self, place: usize) -> u32 {
        let is_edge = self.visits[place].depth == 0;
        match self.policy().retry {
            Some(retry) if !is_edge || self.policy().client_retries => retry.settings().retries,
            _ => 0,
        }
    }

    /// What is expected of each visit, from the whole chain.
    pub(super) fn flows(&self) -> Vec<Flow> {
        self.flows_from(0, true)
    }

    /// What a request that began at the visit `root` would meet there: the success of a
    /// first attempt and of a call, whatever has happened above.
    pub(super) fn fresh(&self, root: usize) -> Flow {
        self.flows_from(root, true)[0]
    }

    /// The share of requests that wait at least once for an answer that does not come.
    pub(super) fn waiting(&self) -> f64 {
        self.flows_from(0, false)
            .iter()
            .map(|flow| flow.silences)
            .sum()
    }

    /// The flows below `root`; unless silence is `heard`, the first one ends the request.
    fn flows_from(&self, root: usize, heard: bool) -> Vec<Flow> {
        let end = root + self.visits[root].size;
        let mut flows = vec![Flow::default(); end - root];
        for (weight, down) in self.cases(root, end) {
            let tree = self.tree(root, &down, heard);
            let forecast = call_tree::forecast(&tree, self.retry_on());
            for (offset, (flow, visit)) in flows.iter_mut().zip(&forecast).enumerate() {
                flow.add(weight, visit, self.pause_s(root + offset, visit));
            }
        }
        flows
    }

    /// What may be down for the whole request, and how probable that is.
    fn cases(&self, root: usize, end: usize) -> Vec<(f64, Down<'_>)> {
        let mut seen: BTreeMap<&Name, usize> = BTreeMap::new();
        let mut draws = Vec::new();
        for (place, fate) in (root..end).zip(&self.fates[root..end]) {
            if *seen.entry(&fate.service).or_insert(place) != place {
                continue;
            }
            for (index, ending) in fate.endings.iter().enumerate() {
                let levels = ending.draw.levels(ending.probability);
                if !levels.is_empty() {
                    draws.push(((&fate.service, index), levels));
                }
            }
        }
        let mut cases = if self.goes_past_failures() {
            combined(&draws)
        } else {
            first(&draws)
        };
        cases.retain(|(weight, _)| *weight > 0.0);
        cases
    }

    /// Whether anything is reached after something has failed.
    fn goes_past_failures(&self) -> bool {
        let is_parallel = |relay: &topology::Relay| relay.order == Order::Parallel;
        let relays = match self.topology {
            Topology::Sequence { .. } => &[][..],
            Topology::Graph { services, .. } => services,
        };
        let is_spread = |ending: &Ending| matches!(ending.draw, Draw::Replica(_));
        relays.iter().any(is_parallel)
            || self.visits.iter().any(|visit| visit.is_soft)
            || self.endings().any(is_spread)
    }

    fn endings(&self) -> impl Iterator<Item = &Ending> {
        self.fates.iter().flat_map(|fate| &fate.endings)
    }

    /// Whether there are too many faults of scope `request` to go through what may come
    /// together.
    pub(super) fn is_cut_short(&self) -> bool {
        let levels = |ending: &Ending| ending.draw.levels(ending.probability).len().max(1);
        let cases = self.endings().map(levels).fold(1, usize::saturating_mul);
        cases > MOST_COMBINED && self.goes_past_failures()
    }

    /// The tree of calls from `root` down, in one case.
    fn tree(&self, root: usize, down: &Down<'_>, heard: bool) -> call_tree::Visit {
        let fate = &self.fates[root];
        let share = |index: usize| {
            let mut down = down.iter();
            let down = down.find(|(drawn, _)| *drawn == (&fate.service, index));
            down.map_or(0.0, |(_, share)| *share)
        };
        let (failure, silence) = own(fate, share);
        let visit = &self.visits[root];
        let relay = self.topology.relay(&visit.service);
        let mut calls = Vec::new();
        let mut next = root + 1;
        while next < root + self.visits[root].size {
            calls.push(self.tree(next, down, heard));
            next += self.visits[next].size;
        }
        call_tree::Visit {
            failure,
            silence,
            heard_by: if heard { heard_by(fate) } else { Heard::Nobody },
            retries: self.retries(root),
            granted: self.granted[root],
            refused: self.refused[root],
            is_soft: visit.is_soft,
            is_parallel: relay.is_some_and(|relay| relay.order == Order::Parallel),
            calls,
        }
    }

    /// The mean of the pauses that follow a silence, per call and in seconds: half of the
    /// ceiling each ("full jitter").
    fn pause_s(&self, place: usize, visit: &VisitForecast) -> f64 {
        if visit.attempts <= 0.0 {
            return 0.0;
        }
        let granted = self.granted[place].get();
        let admitted = self.refused[place].complement().get();
        let again = admitted * granted * visit.retried.get();
        let cut = admitted * granted * visit.cut / visit.attempts;
        let pause = |retry: u32| again.powf(f64::from(retry)) * cut * self.ceiling(retry) / 2.0;
        (0..self.retries(place)).map(pause).sum()
    }

    /// The longest pause before a retry, in seconds.
    pub(super) fn ceiling(&self, retry: u32) -> f64 {
        self.policy().retry.map_or(0.0, |policy| {
            let settings = policy.settings();
            let backoff = Backoff::new(settings.backoff, settings.max_backoff);
            backoff.ceiling(retry).as_secs_f64()
        })
    }

    /// All pauses of a call that makes every attempt it may, at their longest and in seconds.
    pub(super) fn longest_pauses(&self, place: usize) -> f64 {
        (0..self.retries(place))
            .map(|retry| self.ceiling(retry))
            .sum()
    }

    /// How long an attempt at a visit that gets no answer keeps its caller waiting.
    pub(super) fn limit(&self, place: usize) -> Duration {
        self.fates[place].limit.1
    }
}

/// Each case in which one of the faults is the first that is down, and that in which none is.
fn first<'a>(draws: &[Levels<'a>]) -> Vec<(f64, Down<'a>)> {
    let mut left = 1.0;
    let mut cases = Vec::new();
    for (fault, levels) in draws {
        let hit: f64 = levels.iter().map(|(weight, share)| weight * share).sum();
        cases.push((left * hit, vec![(*fault, 1.0)]));
        left *= 1.0 - hit;
    }
    cases.push((left, Vec::new()));
    cases
}

/// Every combination of faults that are down. Beyond the first few, faults are left out: the
/// forecast is then told as a bound.
fn combined<'a>(draws: &[Levels<'a>]) -> Vec<(f64, Down<'a>)> {
    let mut cases: Vec<(f64, Down<'a>)> = vec![(1.0, Vec::new())];
    for (fault, levels) in draws {
        if cases.len().saturating_mul(levels.len()) > MOST_COMBINED {
            break;
        }
        let with = |(weight, down): &(f64, Down<'a>)| {
            let levels = levels.iter();
            let each = levels.map(|(chance, share)| {
                let more: &[_] = if *share > 0.0 {
                    &[(*fault, *share)]
                } else {
                    &[]
                };
                (weight * chance, [down.as_slice(), more].concat())
            });
            each.collect::<Vec<_>>()
        };
        cases = cases.iter().flat_map(with).collect();
    }
    cases
}

/// The probability that an attempt fails and says so, and that it is not answered otherwise,
/// if each fault that is drawn once for the request strikes its `share` of attempts.
fn own(fate: &Fate, share: impl Fn(usize) -> f64) -> (Probability, Probability) {
    let (mut passing, mut told, mut silent) = (1.0, 0.0, 0.0);
    for (index, ending) in fate.endings.iter().enumerate() {
        let probability = match ending.draw {
            Draw::Attempt => ending.probability.get(),
            Draw::Request | Draw::Replica(_) => share(index),
        };
        let ends = passing * probability;
        passing *= 1.0 - probability;
        *(if ending.silent {
            &mut silent
        } else {
            &mut told
        }) += ends;
    }
    let answered = 1.0 - told;
    let silence = if answered > 0.0 {
        silent / answered
    } else {
        0.0
    };
    (near(told), near(silence))
}

/// The number as a probability: rounding may have carried it a hair too far.
pub(super) fn near(value: f64) -> Probability {
    Probability::new(value.clamp(0.0, 1.0)).unwrap_or(Probability::ZERO)
}

/// Who stops waiting for a silence. All attempts have the same time-out, so of those above
/// it the one that began first ends first: that of the edge.
const fn heard_by(fate: &Fate) -> Heard {
    match fate.limit.0 {
        Limit::AttemptTimeout => Heard::At(1),
        // Both bound the whole request, with the client's own retries: no attempt follows.
        Limit::Deadline | Limit::Patience => Heard::Nobody,
    }
}
