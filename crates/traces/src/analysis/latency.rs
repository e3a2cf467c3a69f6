//! Percentiles of durations, exact by sorting.

use availability::{
    Confidence, Probability,
    quantile::{Ranks, ranks, ranks_in_time},
};
use serde::Serialize;

/// How long things took, in milliseconds. Every percentile is a value that was measured:
/// the smallest that at least this share did not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half took no longer.
    pub p50_ms: f64,
    /// Nine in ten took no longer.
    pub p90_ms: f64,
    /// Ninety-nine in a hundred took no longer.
    pub p99_ms: f64,
    /// All but one in a thousand took no longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// The 99 % intervals of the percentiles, by order statistics; by batch means, too, where
    /// requests affect each other.
    pub intervals: Intervals,
}

/// The intervals of percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Intervals {
    /// Of the median.
    pub p50: Between,
    /// Of the 90th percentile.
    pub p90: Between,
    /// Of the 99th.
    pub p99: Between,
    /// Of the 99.9th.
    pub p999: Between,
}

/// Two measured values that a percentile lies between; an end is missing where too little was
/// measured to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Between {
    /// The lower end, in milliseconds.
    pub low_ms: Option<f64>,
    /// The upper end, in milliseconds.
    pub high_ms: Option<f64>,
}

impl Latency {
    /// From durations in nanoseconds, in any order; none without any.
    pub fn of(nanos: Vec<u64>) -> Option<Self> {
        let number = nanos.len() as u64;
        Self::with(nanos, |q| ranks(number, q, Confidence::P99))
    }

    /// The same of requests that affect each other, in the order in which they began.
    pub fn in_time(nanos: &[u64]) -> Option<Self> {
        Self::with(nanos.to_vec(), |q| ranks_in_time(nanos, q, Confidence::P99))
    }

    fn with(mut nanos: Vec<u64>, ranks: impl Fn(Probability) -> Option<Ranks>) -> Option<Self> {
        nanos.sort_unstable();
        let last = *nanos.last()?;
        let between = |q: f64| {
            let ranks = Probability::new(q).ok().and_then(&ranks);
            between(&nanos, ranks)
        };
        let at = |per_mille: usize| {
            let rank = (nanos.len() * per_mille).div_ceil(1000).max(1);
            milliseconds(nanos[rank - 1])
        };
        Some(Self {
            count: nanos.len() as u64,
            p50_ms: at(500),
            p90_ms: at(900),
            p99_ms: at(990),
            p999_ms: at(999),
            max_ms: milliseconds(last),
            intervals: Intervals {
                p50: between(0.5),
                p90: between(0.9),
                p99: between(0.99),
                p999: between(0.999),
            },
        })
    }
}

/// The interval with these ends among the sorted values.
fn between(sorted: &[u64], ranks: Option<Ranks>) -> Between {
    let at = |rank: u64| {
        let place = usize::try_from(rank).ok()?.checked_sub(1)?;
        sorted.get(place).copied().map(milliseconds)
    };
    Between {
        low_ms: ranks.and_then(|ranks| at(ranks.low?)),
        high_ms: ranks.and_then(|ranks| at(ranks.high?)),
    }
}

fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let latency = Latency::of((1..=1000).rev().map(|ms| ms * 1_000_000).collect()).unwrap();
        let found = [
            latency.p50_ms,
            latency.p90_ms,
            latency.p99_ms,
            latency.p999_ms,
            latency.max_ms,
        ];
        assert_eq!(
            found.map(|ms| ms.to_string()),
            ["500", "900", "990", "999", "1000"]
        );
        let p50 = latency.intervals.p50;
        let [low, high] = [p50.low_ms, p50.high_ms].map(Option::unwrap);
        assert!(
            (455.0..465.0).contains(&low) && (536.0..546.0).contains(&high),
            "{p50:?}"
        );
        assert!(latency.intervals.p999.low_ms.is_some());
        assert_eq!(
            latency.intervals.p999.high_ms, None,
            "a thousand are too few to tell"
        );
        assert_eq!(Latency::of(vec![]), None);
        assert_eq!(
            Latency::of(vec![5]).unwrap().p50_ms.to_bits(),
            5e-6_f64.to_bits()
        );
    }
}
