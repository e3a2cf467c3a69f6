//! Percentiles of durations, exact by sorting.

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
}

impl Latency {
    /// From durations in nanoseconds, in any order; none without any.
    pub fn of(mut nanos: Vec<u64>) -> Option<Self> {
        nanos.sort_unstable();
        let last = *nanos.last()?;
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
        })
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
        assert_eq!(Latency::of(vec![]), None);
        assert_eq!(
            Latency::of(vec![5]).unwrap().p50_ms.to_bits(),
            5e-6_f64.to_bits()
        );
    }
}
