//! Every call may be tried again.
//!
//! Attempts are taken to fail independently (a *transient* fault). Then Wald's identity
//! holds for any policy: success = (1 − p) × expected attempts. So a retry never gains
//! more than the load it costs, which is also a check on measured data.

use crate::probability::{Probability, nearest};
use serde::{Deserialize, Serialize};

/// A hop of a chain whose callers retry.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetriedHop {
    /// The probability that one attempt fails by the hop's own doing.
    pub failure: Probability,
    /// How often a call into this hop is tried again at most; for the first hop, by the client.
    pub retries: u32,
}

/// Whether a fault strikes before or after the hop has called the next one.
///
/// It makes no difference to availability, only to the load further down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultPlace {
    /// Before: a failed attempt costs the hops below nothing.
    Entry,
    /// After: the work below was done for nothing.
    Exit,
}

/// Which failures a caller tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// All of them, also those that came from further down: load grows exponentially with depth.
    All,
    /// Only those that arose in the hop called: load grows linearly with depth.
    Local,
}

/// What is expected at one hop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HopForecast {
    /// The success of one attempt, with everything below it.
    pub attempt: Probability,
    /// The success of one call, after its retries.
    pub call: Probability,
    /// Expected attempts per call.
    pub attempts_per_call: f64,
    /// Expected attempts that reach this hop for each request of the client.
    pub visits: f64,
}

/// What is expected of a chain, hop by hop from the edge down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainForecast {
    /// The hops, in the order of the chain.
    pub hops: Vec<HopForecast>,
}

impl ChainForecast {
    /// The availability the client sees; 1 for a chain without hops.
    pub fn availability(&self) -> Probability {
        self.hops.first().map_or(Probability::ONE, |hop| hop.call)
    }

    /// Expected attempts at the deepest hop for each request of the client; 1 without hops.
    pub fn deepest_visits(&self) -> f64 {
        self.hops.last().map_or(1.0, |hop| hop.visits)
    }
}

/// The success of one call of at most `1 + retries` attempts, each failing with probability
/// `failure`: 1 − p^(m+1).
pub fn success(failure: Probability, retries: u32) -> Probability {
    nearest(1.0 - all_fail(failure.get(), retries))
}

/// The expected attempts of such a call: (1 − p^(m+1)) / (1 − p), and m + 1 if all fail.
pub fn expected_attempts(failure: Probability, retries: u32) -> f64 {
    let up = failure.complement().get();
    if up == 0.0 {
        return f64::from(retries) + 1.0;
    }
    (1.0 - all_fail(failure.get(), retries)) / up
}

/// Both: the success of such a call, and its expected attempts.
pub fn forecast(failure: Probability, retries: u32) -> (Probability, f64) {
    (
        success(failure, retries),
        expected_attempts(failure, retries),
    )
}

/// The probability that every attempt fails.
fn all_fail(failure: f64, retries: u32) -> f64 {
    failure.powf(f64::from(retries) + 1.0)
}

/// A chain in which each hop calls the next and every edge retries.
///
/// Computed from the deepest hop up: an attempt at hop i succeeds with Sᵢ = aᵢ Uᵢ₊₁, a call
/// with Uᵢ = 1 − (1 − Sᵢ)^(mᵢ+1). If only local failures are retried, a failure from below
/// is passed on, and Uᵢ = (1 − pᵢ^(mᵢ+1)) Uᵢ₊₁.
pub fn nested(chain: &[RetriedHop], place: FaultPlace, retry_on: RetryOn) -> ChainForecast {
    let mut below = Probability::ONE;
    let mut hops: Vec<HopForecast> = Vec::with_capacity(chain.len());
    for hop in chain.iter().rev() {
        let forecast = nested_hop(*hop, below, retry_on);
        below = forecast.call;
        hops.push(forecast);
    }
    hops.reverse();
    add_visits(chain, &mut hops, place);
    ChainForecast { hops }
}

/// One hop of a nested chain, its visits still open.
fn nested_hop(hop: RetriedHop, below: Probability, retry_on: RetryOn) -> HopForecast {
    let own = hop.failure.complement();
    let attempt = nearest(own.get() * below.get());
    let (retried, passed_on) = match retry_on {
        RetryOn::All => (attempt.complement(), Probability::ONE),
        RetryOn::Local => (hop.failure, below),
    };
    HopForecast {
        attempt,
        call: nearest(success(retried, hop.retries).get() * passed_on.get()),
        attempts_per_call: expected_attempts(retried, hop.retries),
        visits: 0.0,
    }
}

/// Visits multiply down the chain: every attempt that gets past a hop is a call to the next.
fn add_visits(chain: &[RetriedHop], hops: &mut [HopForecast], place: FaultPlace) {
    let mut calls = 1.0;
    for (hop, forecast) in chain.iter().zip(hops) {
        forecast.visits = calls * forecast.attempts_per_call;
        let getting_past = match place {
            FaultPlace::Entry => hop.failure.complement().get(),
            FaultPlace::Exit => 1.0,
        };
        calls = forecast.visits * getting_past;
    }
}

/// A sequence in which the first hop calls each of the others in turn, and stops at the
/// first call that fails.
///
/// The client retries the whole sequence; the first hop retries each call. The first hop's
/// own fault strikes before it calls anyone.
pub fn orchestrated(sequence: &[RetriedHop]) -> ChainForecast {
    let Some((edge, steps)) = sequence.split_first() else {
        return ChainForecast { hops: Vec::new() };
    };
    let reached = edge.failure.complement().get();
    let whole = nearest(
        steps
            .iter()
            .fold(reached, |reach, step| reach * step_success(*step)),
    );
    let edge = HopForecast {
        attempt: whole,
        call: success(whole.complement(), edge.retries),
        attempts_per_call: expected_attempts(whole.complement(), edge.retries),
        visits: expected_attempts(whole.complement(), edge.retries),
    };
    let mut hops = vec![edge];
    let mut calls = edge.visits * reached;
    for step in steps {
        hops.push(step_forecast(*step, calls));
        calls *= step_success(*step);
    }
    ChainForecast { hops }
}

/// The success of one call of the sequence.
fn step_success(step: RetriedHop) -> f64 {
    success(step.failure, step.retries).get()
}

/// One step of the sequence, called `calls` times for each request of the client.
fn step_forecast(step: RetriedHop, calls: f64) -> HopForecast {
    let attempts_per_call = expected_attempts(step.failure, step.retries);
    HopForecast {
        attempt: step.failure.complement(),
        call: success(step.failure, step.retries),
        attempts_per_call,
        visits: calls * attempts_per_call,
    }
}
