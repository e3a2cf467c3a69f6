//! A circuit breaker in front of a dependency that goes down and comes back.
//!
//! Requests come at random (Poisson) at a rate per breaker. So many failures in a row open
//! it; then requests are refused for a fixed time, and the first one after it is a probe:
//! its success closes the breaker, its failure opens it again (Nygard 2007, *Release It!*).
//! A breaker without a fallback or another replica never raises availability. What it
//! saves is the load on the failing dependency, and the time that callers wait for it.

use crate::{
    dependency::{Dependency, UpDown},
    linear::{Matrix, exponential, multiply, stationary},
    outage::Failures,
    probability::{Probability, nearest},
};
use std::{num::NonZeroU32, time::Duration};

/// A breaker, and the requests that come to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    rate: f64,
    trips_after: NonZeroU32,
    open: Duration,
}

/// The failures in a row up to which a breaker can be solved.
const MOST_IN_A_ROW: u32 = 500;

impl Breaker {
    /// A breaker that gets `rate` requests per second, opens after `trips_after` failures
    /// in a row, and stays open for `open`. None if the rate is no number above zero, or
    /// after more than 500 failures.
    pub fn new(rate: f64, trips_after: NonZeroU32, open: Duration) -> Option<Self> {
        let possible = rate > 0.0 && rate.is_finite() && trips_after.get() <= MOST_IN_A_ROW;
        possible.then_some(Self {
            rate,
            trips_after,
            open,
        })
    }

    const fn open_s(&self) -> f64 {
        self.open.as_secs_f64()
    }

    /// Requests that come while it is open once.
    fn refused_per_trip(&self) -> f64 {
        self.rate * self.open_s()
    }
}

/// What is expected of a dependency behind a breaker, in shares of all requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerForecast {
    /// Answered well.
    pub availability: Probability,
    /// Refused by the open breaker.
    pub refused: Probability,
    /// Admitted while the dependency was down.
    pub admitted_while_down: Probability,
    /// Admitted, and failed.
    pub failed: Probability,
}

impl BreakerForecast {
    /// The mean time until a request is answered one way or the other, in seconds, from
    /// the times of an answer, of a failure, and of a refusal.
    pub fn mean_latency_s(&self, ok: Duration, failure: Duration, refusal: Duration) -> f64 {
        self.availability.get() * ok.as_secs_f64()
            + self.failed.get() * failure.as_secs_f64()
            + self.refused.get() * refusal.as_secs_f64()
    }
}

/// The availability without a breaker.
pub fn without(dependency: Dependency, failures: Failures) -> Probability {
    let works = [failures.up.complement(), failures.down.complement()];
    let each = dependency.steady().into_iter().zip(works);
    nearest(each.map(|(share, works)| share * works.get()).sum())
}

/// The same steady state with a breaker, for failures that are known at once: exact.
///
/// A Markov chain at the requests that are admitted. Its states are (j failures in a row,
/// or probe) × (up, down); between two requests the dependency changes by
/// G = r(rI − Q)⁻¹, over an open time and the wait for a probe by P(T)·G. If a share o of
/// admitted requests opens the breaker, then each brings r·T·o refused ones with it.
pub fn forecast(breaker: &Breaker, dependency: Dependency, failures: Failures) -> BreakerForecast {
    let fails = failures.each();
    if failures == Failures::ALWAYS {
        return always_failing(breaker, dependency);
    }
    let (closed, opened) = passages(breaker, dependency);
    let modes = breaker.trips_after.get() as usize;
    // The last state is "no failure in a row, up": a success leads there sooner or later.
    let state = |mode: usize, side: usize| 2 * (modes - mode) + 1 - side;
    let mut chain = vec![vec![0.0; 2 * modes + 2]; 2 * modes + 2];
    for mode in 0..=modes {
        for side in 0..2 {
            let row = &mut chain[state(mode, side)];
            let (next, way) = if mode + 1 >= modes {
                (modes, &opened)
            } else {
                (mode + 1, &closed)
            };
            for to in 0..2 {
                row[state(0, to)] += (1.0 - fails[side]) * closed[side][to];
                row[state(next, to)] += fails[side] * way[side][to];
            }
        }
    }
    let shares = stationary(chain);
    let mean = |weight: &dyn Fn(usize, usize) -> f64| -> f64 {
        let states = (0..=modes).flat_map(|mode| [(mode, 0), (mode, 1)]);
        states
            .map(|(mode, side)| shares[state(mode, side)] * weight(mode, side))
            .sum()
    };
    let opens = mean(&|mode, side| if mode + 1 >= modes { fails[side] } else { 0.0 });
    let all = 1.0 + breaker.refused_per_trip() * opens;
    BreakerForecast {
        availability: nearest(mean(&|_, side| 1.0 - fails[side]) / all),
        refused: nearest(breaker.refused_per_trip() * opens / all),
        admitted_while_down: nearest(mean(&|_, side| side as f64) / all),
        failed: nearest(mean(&|_, side| fails[side]) / all),
    }
}

/// Every admitted request is a probe that fails.
fn always_failing(breaker: &Breaker, dependency: Dependency) -> BreakerForecast {
    let admitted = 1.0 / (1.0 + breaker.refused_per_trip());
    BreakerForecast {
        availability: Probability::ZERO,
        refused: nearest(1.0 - admitted),
        admitted_while_down: nearest(dependency.steady()[1] * admitted),
        failed: nearest(admitted),
    }
}

/// How the dependency changes between two requests, and over an open time and the wait for
/// the next request.
fn passages(breaker: &Breaker, dependency: Dependency) -> ([UpDown; 2], [UpDown; 2]) {
    // (rI − Q)⁻¹ of two states: the memory of a state fades by r/(r + θ) per request.
    let closed = dependency.after(breaker.rate / (breaker.rate + dependency.forgetting()));
    let over_open = dependency.after(dependency.decay(breaker.open));
    let both = |from: UpDown| [0, 1].map(|to| from[0] * closed[0][to] + from[1] * closed[1][to]);
    (closed, over_open.map(both))
}

/// The first-order forms, for an open time much shorter than MTTF and a hard outage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstOrder {
    /// The availability.
    pub availability: Probability,
    /// The probability that an outage opens the breaker.
    pub trip: Probability,
    /// How long the breaker stays open after the dependency has come back, on average and
    /// in seconds, if it has opened.
    pub tail_s: f64,
    /// Requests that reach the dependency during an outage, on average.
    pub admitted_per_outage: f64,
    /// The same without a breaker.
    pub admitted_without: f64,
}

/// What a breaker does to a hard outage, to first order. A failure is known after
/// `silence`: 0 for one that is told at once, the time-out for one that is not.
///
/// With ρ = r/(r + μ), q = ρ·e^(−μT) and g(x) = x − MTTR·(1 − e^(−μx)): an outage opens the
/// breaker with ρᵏ·e^(−μτ), and costs the tail
/// [g(T) + q·(g(τ) + T·(1 − e^(−μτ)))]/(1 − q·e^(−μτ)): a probe that is not answered although
/// the dependency comes back meanwhile opens it for another T.
pub fn first_order(breaker: &Breaker, dependency: Dependency, silence: Duration) -> FirstOrder {
    let repair = dependency.mttr_s();
    let (open, silence) = (breaker.open_s(), silence.as_secs_f64());
    let lasts = |time: f64| (-time / repair).exp();
    let over = |time: f64| time - repair * (1.0 - lasts(time));
    let next = breaker.rate / (breaker.rate + 1.0 / repair);
    let still = next * lasts(open);
    let trip = next.powf(f64::from(breaker.trips_after.get())) * lasts(silence);
    let probing = 1.0 - still * lasts(silence);
    let tail = (over(open) + still * (over(silence) + open * (1.0 - lasts(silence)))) / probing;
    let without = breaker.rate * repair;
    FirstOrder {
        availability: nearest(dependency.steady()[0] - trip * tail / dependency.cycle_s()),
        trip: nearest(trip),
        tail_s: tail,
        admitted_per_outage: without * (1.0 - trip) + trip * still / probing,
        admitted_without: without,
    }
}

/// The availability of a hard outage whose failures are silent until a time-out, to first
/// order and with the trips that follow recovery.
///
/// Time-outs of requests sent during the outage still come in while new ones succeed, both
/// at rate r; k of them in a row open the breaker although nothing is wrong any more. The
/// probability is that a chain j → j + 1 and j → 0, each at rate r, gets to k within the
/// time-out. A breaker that ignores outcomes of calls begun before its last success has no
/// such trips.
pub fn with_spurious_trips(
    breaker: &Breaker,
    dependency: Dependency,
    silence: Duration,
) -> Probability {
    let plain = first_order(breaker, dependency, silence);
    let spurious = spurious_trip(breaker, dependency.mttr_s(), silence.as_secs_f64());
    nearest(plain.availability.get() - spurious * breaker.open_s() / dependency.cycle_s())
}

fn spurious_trip(breaker: &Breaker, repair: f64, silence: f64) -> f64 {
    /// Panels of Simpson's rule; the integrand is smooth.
    const PANELS: u32 = 256;
    let step = silence / f64::from(PANELS);
    let race = race(breaker);
    let one_step = exponential(&scaled(&race, step));
    let mut reached = identity(race.len());
    let mut short = 0.0;
    let last = race.len() - 1;
    for panel in 0..=PANELS {
        let weight = match panel {
            0 | PANELS => 1.0,
            odd if odd % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let outage = (-f64::from(panel) * step / repair).exp() / repair;
        short += weight * outage * reached[0][last];
        if panel < PANELS {
            reached = multiply(&reached, &one_step);
        }
    }
    let next = breaker.rate / (breaker.rate + 1.0 / repair);
    let in_a_row = reached.iter().take(last).zip(0_u32..);
    let long: f64 = in_a_row
        .map(|(row, j)| next.powf(f64::from(j)) * row[last])
        .sum();
    short * step / 3.0 + (-silence / repair).exp() * (1.0 - next) * long
}

/// The rates of late failures against fresh successes; the last state is an open breaker.
fn race(breaker: &Breaker) -> Matrix {
    let trips_after = breaker.trips_after.get() as usize;
    let mut rates = vec![vec![0.0; trips_after + 1]; trips_after + 1];
    for (in_a_row, row) in rates.iter_mut().enumerate().take(trips_after) {
        row[in_a_row] -= 2.0 * breaker.rate;
        row[in_a_row + 1] += breaker.rate;
        row[0] += breaker.rate;
    }
    rates
}

fn scaled(matrix: &Matrix, factor: f64) -> Matrix {
    let row = |row: &Vec<f64>| row.iter().map(|entry| entry * factor).collect();
    matrix.iter().map(row).collect()
}

fn identity(size: usize) -> Matrix {
    let row = |i| (0..size).map(move |j| f64::from(u8::from(i == j)));
    (0..size).map(|i| row(i).collect()).collect()
}
