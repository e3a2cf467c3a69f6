//! The core: how long to pause before the next attempt.

use std::time::Duration;

/// Pauses that double, each drawn evenly between nothing and its ceiling ("full jitter").
///
/// Callers that failed together come back together unless chance spreads them, and the
/// widest spread does so best (Brooker 2015, *Exponential Backoff and Jitter*). The ceiling
/// is capped before the draw: no pause is longer than the cap, jitter included, and the
/// long ones are as spread as the short ones. Capping the drawn value instead would gather
/// late retries at the cap, all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses of up to `first` before the first retry, and of up to `longest` before any.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The longest pause possible before retry number `retry`, counted from 0.
    pub fn ceiling(self, retry: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(retry)
            .map_or(Duration::MAX, |factor| self.first.saturating_mul(factor));
        doubled.min(self.longest)
    }

    /// The pause before retry number `retry`, where `draw` is evenly drawn from 0 to 1.
    /// Anything else counts as the nearer end.
    pub fn pause(self, retry: u32, draw: f64) -> Duration {
        let draw = if draw.is_nan() {
            0.0
        } else {
            draw.clamp(0.0, 1.0)
        };
        self.ceiling(retry).mul_f64(draw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(65));

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_never_overflows() {
        let ceilings = [0, 1, 2, 3, 31, 32, u32::MAX].map(|n| BACKOFF.ceiling(n).as_millis());
        assert_eq!(ceilings, [10, 20, 40, 65, 65, 65, 65]);
        let longest = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(longest.ceiling(u32::MAX), Duration::MAX);
    }

    #[test]
    fn a_pause_lies_between_nothing_and_its_ceiling() {
        assert_eq!(BACKOFF.pause(1, 0.0), Duration::ZERO);
        assert_eq!(BACKOFF.pause(1, 0.5), Duration::from_millis(10));
        assert_eq!(BACKOFF.pause(9, 1.0), Duration::from_millis(65));
        for odd in [-1.0, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(BACKOFF.pause(1, odd), Duration::ZERO, "{odd}");
        }
        assert_eq!(BACKOFF.pause(1, f64::INFINITY), Duration::from_millis(20));
    }

    #[test]
    fn late_pauses_are_as_spread_as_early_ones() {
        let late = |draw| BACKOFF.pause(20, draw);
        assert!(late(0.25) < late(0.5) && late(0.5) < late(0.75));
    }
}
