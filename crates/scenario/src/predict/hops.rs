//! What each visit shows over the whole run: the mean of its phases.

use super::{
    HopPrediction,
    chain::{Flow, near},
    phase::HopValues,
    timeline::RunForecast,
};
use crate::topology::{Order, Topology, Visit};
use types::Probability;

/// What is predicted of each visit, in the order of the calls.
pub(super) fn predict(run: &RunForecast<'_>, visits: &[Visit]) -> Vec<HopPrediction> {
    let mut kept = 1.0;
    let each = visits.iter().enumerate();
    each.map(|(place, visit)| {
        let mean = Mean::new(run, place);
        kept -= mean.of(|flow| flow.lost);
        mean.hop(visit, kept)
    })
    .collect()
}

/// The same, without the steps of the staircase that depend on which of several calls at once
/// fails first: only when all of them have ended is it known what is lost.
pub(super) fn told_apart(
    mut hops: Vec<HopPrediction>,
    visits: &[Visit],
    topology: &Topology,
) -> Vec<HopPrediction> {
    for (place, visit) in visits.iter().enumerate() {
        let relay = topology.relay(&visit.service);
        let end = place + visit.size;
        let may_fail = |branch: &usize| {
            visits[*branch].depth == visit.depth + 1
                && !visits[*branch].is_soft
                && hops[*branch].call < Probability::ONE
        };
        let is_parallel = relay.is_some_and(|relay| relay.order == Order::Parallel);
        if is_parallel && (place + 1..end).filter(may_fail).count() > 1 {
            for hop in &mut hops[place + 1..end - 1] {
                hop.cumulative = None;
            }
        }
    }
    hops
}

/// One visit in all phases, each weighed by its share of the requests.
struct Mean<'a>(Vec<(f64, &'a Flow, &'a HopValues)>);

impl<'a> Mean<'a> {
    fn new(run: &'a RunForecast<'_>, place: usize) -> Self {
        let all: f64 = run.phases.iter().map(|phase| phase.requests).sum();
        let phases = run.phases.iter().zip(&run.forecasts);
        let one = phases.map(|(phase, forecast)| {
            let (flow, hop) = (&forecast.flows[place], &forecast.hops[place]);
            (phase.requests / all, flow, hop)
        });
        Self(one.collect())
    }

    fn hop(&self, visit: &Visit, kept: f64) -> HopPrediction {
        let (calls, load) = (self.of(|flow| flow.calls), self.of(|flow| flow.attempts));
        let by_calls = |value: fn(&HopValues) -> f64| self.among(|flow| flow.calls, value);
        let by_attempts = |value: fn(&HopValues) -> f64| self.among(|flow| flow.attempts, value);
        HopPrediction {
            service: visit.service.clone(),
            depth: visit.depth,
            own: near(by_attempts(|hop| hop.own.get())),
            attempt: near(by_attempts(|hop| hop.attempt.get())),
            call: near(by_calls(|hop| hop.call.get())),
            attempts_per_call: if calls > 0.0 {
                load / calls
            } else {
                by_calls(|hop| hop.attempts_per_call)
            },
            load,
            cumulative: Some(near(kept)),
        }
    }

    /// The mean over all requests.
    fn of(&self, part: fn(&Flow) -> f64) -> f64 {
        self.0
            .iter()
            .map(|(weight, flow, _)| weight * part(flow))
            .sum()
    }

    /// The mean over those that come there; over all, if nobody does.
    fn among(&self, reach: fn(&Flow) -> f64, value: fn(&HopValues) -> f64) -> f64 {
        let whole = self.of(reach);
        let sum = |weight: &dyn Fn(f64, &Flow) -> f64| -> f64 {
            let each = self.0.iter();
            each.map(|(share, flow, hop)| weight(*share, flow) * value(hop))
                .sum()
        };
        match &self.0[..] {
            [(_, _, only)] => value(only),
            _ if whole > 0.0 => sum(&|share, flow| share * reach(flow)) / whole,
            _ => sum(&|share, _| share),
        }
    }
}
