//! Answers without the service: soft calls, caches, and old answers in place of failures.
//!
//! A cache is an independent replica only as long as outages are shorter than its answers
//! are kept: what counts is not how often it hits on average, but how often it hits *during
//! an outage*, and there hits stop once the kept answers are too old ([`in_outages`]).

use crate::{
    dependency::Dependency,
    linear,
    probability::{Probability, nearest},
};
use std::time::Duration;

/// Answers, and how many of them miss something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answered {
    /// The share of requests that are answered.
    pub answered: Probability,
    /// The share of requests that are answered with something missing, or old.
    pub degraded: Probability,
}

/// A service whose caller answers without it, if its way out works, which it does with the
/// probability `fallback`; `rest` is the availability of everything else:
/// A = rest·(a + (1 − a)·φ).
pub fn soft(rest: Probability, service: Probability, fallback: Probability) -> Answered {
    let degraded = rest.get() * service.complement().get() * fallback.get();
    Answered {
        answered: nearest(rest.get() * service.get() + degraded),
        degraded: nearest(degraded),
    }
}

/// A cache before a service whose failures are independent from request to request: it is up
/// with the probability `cache`, and then knows the share `hits` of the answers:
/// A = a + c·h·(1 − a). To outages that last, this does not apply.
pub fn read_through(service: Probability, hits: Probability, cache: Probability) -> Probability {
    let known = cache.get() * hits.get();
    nearest(service.get() + known * service.complement().get())
}

/// The share of requests that still reach the service: 1 − c·h.
pub fn load(hits: Probability, cache: Probability) -> Probability {
    nearest(1.0 - cache.get() * hits.get())
}

/// A cache that also answers with what is too old, if the service fails and there is
/// something, which there is with the probability `old`: A = h + (1 − h)·(a + (1 − a)·s).
pub fn stale_on_error(service: Probability, hits: Probability, old: Probability) -> Answered {
    let missed = hits.complement().get();
    let degraded = missed * service.complement().get() * old.get();
    Answered {
        answered: nearest(hits.get() + missed * service.get() + degraded),
        degraded: nearest(degraded),
    }
}

/// How long one answer is kept, and how often it is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kept {
    /// For so long it is as good as a new one.
    pub fresh: Duration,
    /// For so long after that it stands in for a failure.
    pub stale: Duration,
    /// Requests for it in a second; they come at random (a Poisson process).
    pub rate: f64,
}

/// What a cache comes to in front of a service that goes down and comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InOutages {
    /// The share of requests that are answered.
    pub answered: Probability,
    /// The share that is answered by a fresh answer that was kept.
    pub fresh: Probability,
    /// The share that is answered by one that is too old.
    pub stale: Probability,
}

/// A cache in front of `service`, exactly. A cycle goes from one successful fetch to the next:
/// first the answer is fresh; then requests are tried, and the first that finds the service
/// up ends the cycle. With M = Q − diag(r, 0) over up and down, and v where the service is
/// when the answer ceases to be fresh, the time until then is v·(−M)⁻¹·1. None if nobody
/// asks.
pub fn in_outages(service: Dependency, kept: &Kept) -> Option<InOutages> {
    let rate = kept.rate;
    if !(rate.is_finite() && rate > 0.0) {
        return None;
    }
    let (fails, repairs) = (1.0 / service.mttf_s(), 1.0 / service.mttr_s());
    let [start, _] = service.after(service.decay(kept.fresh));
    // The inverse of −M, whose determinant is r·μ.
    let waits = |[up, down]: [f64; 2]| {
        let whole = rate * repairs;
        let up_time = (up * repairs + down * repairs) / whole;
        [up_time, (up * fails + down * (fails + rate)) / whole]
    };
    let [up, down] = waits(start);
    let stale_s = kept.stale.as_secs_f64();
    let law = linear::exponential(&vec![
        vec![-(fails + rate) * stale_s, fails * stale_s],
        vec![repairs * stale_s, -repairs * stale_s],
    ]);
    let later = [0, 1].map(|to: usize| start[0] * law[0][to] + start[1] * law[1][to]);
    let [_, failing] = waits(later);
    let cycle = kept.fresh.as_secs_f64() + up + down;
    Some(InOutages {
        answered: nearest(1.0 - failing / cycle),
        fresh: nearest(kept.fresh.as_secs_f64() / cycle),
        stale: nearest((down - failing) / cycle),
    })
}
