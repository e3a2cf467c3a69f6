//! The run as a whole: its phases one after the other, and what one leaves for the next.
//!
//! Three things reach over the end of a phase. A request that began in it may be tried again
//! in the next, a breaker that has opened stays open for a while, and a retry budget holds
//! what was left in it. All depend on the instant at which things happen, so that there is a
//! range and not one number.

use super::{
    Class, PhasePrediction,
    chain::near,
    phase::{self, PhaseForecast, Start},
};
use crate::{
    plan::Phase,
    topology::{Topology, Visit},
};
use availability::Bounds;
use types::Probability;

/// What is expected of a run.
#[derive(Debug)]
pub(super) struct RunForecast<'a> {
    pub(super) availability: Probability,
    pub(super) full_quality: Probability,
    pub(super) range: Option<Bounds>,
    pub(super) class: Class,
    pub(super) without_breaker: Option<Probability>,
    pub(super) phases: Vec<PhasePrediction>,
    pub(super) forecasts: Vec<PhaseForecast<'a>>,
}

/// The availability of one phase: to be expected, and between which bounds.
#[derive(Debug, Clone, Copy)]
struct Spread {
    likely: f64,
    low: f64,
    high: f64,
}

/// A range that no run could tell from a point.
const NEGLIGIBLE: f64 = 1e-4;

/// Evaluates one phase after the other, and the run as their mean. `distance` is what it must
/// be able to tell.
pub(super) fn forecast<'a>(
    phases: &'a [Phase],
    (visits, topology): (&'a [Visit], &'a Topology),
    distance: Probability,
) -> RunForecast<'a> {
    let mut forecasts: Vec<PhaseForecast<'a>> = Vec::with_capacity(phases.len());
    for phase in phases {
        let start = forecasts
            .last()
            .map_or_else(Start::default, |before| Start {
                before: &before.flows,
                open: before.leaves_open,
                saved: &before.saved,
            });
        let forecast = phase::forecast(phase, (visits, topology), &start, distance);
        forecasts.push(forecast);
    }
    let spreads = spreads(&forecasts);
    let requests = |forecast: &PhaseForecast<'_>| forecast.phase.expected_requests();
    let all: f64 = forecasts.iter().map(requests).sum();
    let mean = |value: fn(&Spread) -> f64| {
        let each = forecasts.iter().zip(&spreads);
        let part = |(forecast, spread)| requests(forecast) / all * value(spread);
        near(each.map(part).sum())
    };
    let predictions: Vec<_> = forecasts
        .iter()
        .zip(&spreads)
        .map(|(forecast, spread)| prediction(forecast, spread))
        .collect();
    let class = predictions
        .iter()
        .map(|phase| phase.class)
        .max()
        .unwrap_or(Class::Exact);
    let has_breaker = phases.iter().any(|phase| phase.policy.breaker.is_some());
    let without_breaker =
        |forecast: &PhaseForecast<'_>| requests(forecast) / all * forecast.without_breaker.get();
    let full = |forecast: &PhaseForecast<'_>| requests(forecast) / all * forecast.full_quality();
    RunForecast {
        full_quality: near(forecasts.iter().map(full).sum()),
        availability: mean(|spread| spread.likely),
        range: range(class, mean(|spread| spread.low), mean(|spread| spread.high)),
        class,
        without_breaker: has_breaker.then(|| near(forecasts.iter().map(without_breaker).sum())),
        phases: predictions,
        forecasts,
    }
}

/// The spread of each phase, with what it takes over and what it hands on.
fn spreads(forecasts: &[PhaseForecast<'_>]) -> Vec<Spread> {
    let nexts = forecasts.iter().skip(1).map(Some).chain([None]);
    forecasts
        .iter()
        .zip(nexts)
        .map(|(forecast, next)| spread(forecast, next))
        .collect()
}

fn spread(forecast: &PhaseForecast<'_>, next: Option<&PhaseForecast<'_>>) -> Spread {
    let [least, most] = forecast.if_closed.map(Probability::get);
    let taken_over = forecast
        .open
        .map_or(0.0, |open| forecast.share_of(open.at_most_s));
    let mut spread = Spread {
        likely: forecast.availability().get(),
        low: least * (1.0 - taken_over),
        high: most,
    };
    // Requests on their way at the end of the phase finish under what the next brings.
    if let Some(next) = next {
        let under_way = forecast.share_of(forecast.longest_s);
        let [least, most] = next.if_closed.map(Probability::get);
        spread.low -= under_way * (spread.low - least).max(0.0);
        // Unless a breaker is open: then they have been refused.
        let refused = forecast
            .outage
            .as_ref()
            .is_some_and(|(_, outage)| outage.opens());
        if !refused {
            spread.high += under_way * (most - spread.high).max(0.0);
        }
    }
    spread
}

fn prediction(forecast: &PhaseForecast<'_>, spread: &Spread) -> PhasePrediction {
    let is_spread = spread.high - spread.low > NEGLIGIBLE;
    let class = if is_spread {
        Class::Bound
    } else {
        forecast.class
    };
    PhasePrediction {
        title: forecast.phase.title.clone(),
        start_s: forecast.phase.start.as_secs_f64(),
        length_s: forecast.phase.expected_duration().as_secs_f64(),
        requests: forecast.phase.expected_requests(),
        availability: near(spread.likely),
        range: range(class, near(spread.low), near(spread.high)),
        class,
        outage: forecast.outage.as_ref().map(|(_, outage)| outage.clone()),
        wait: forecast.wait,
    }
}

/// The range that goes with a prediction of class `Bound`.
fn range(class: Class, low: Probability, high: Probability) -> Option<Bounds> {
    if class != Class::Bound {
        return None;
    }
    let low = (low > Probability::ZERO).then_some(low);
    Bounds::new(low, Some(high)).ok()
}
