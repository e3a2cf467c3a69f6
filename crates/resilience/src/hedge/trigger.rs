//! The core: how long to wait before a request is sent once more.

use super::HedgeSettings;
use crate::sync::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Knows when an answer is late.
///
/// Either it has taken a fixed time, or longer than all but a few answers before it. What
/// that is, is found by stochastic approximation (Robbins, Monro, 1951): each answer later
/// than the estimate moves it up a little, each one earlier moves it down by less, in the
/// proportion in which there should be of both. No list of latencies is kept, and it need not
/// be known how late a late answer was: calls that a hedge has overtaken count as well.
#[derive(Debug)]
pub struct Trigger {
    floor: Duration,
    quantile: Option<Quantile>,
}

#[derive(Debug)]
struct Quantile {
    /// The share of answers that are earlier.
    share: f64,
    /// The natural logarithm of the estimate in seconds, as the bits of an `f64`.
    estimate: AtomicU64,
}

/// How far one answer moves the estimate, in natural logarithms: a twentieth. Then the delay
/// follows answers that have become ten times as slow within fifty of them, and is right to
/// within a few percent otherwise.
const STEP: f64 = 0.05;
/// An estimate is never longer: nobody waits for an hour.
const LONGEST: Duration = Duration::from_hours(1);

impl Trigger {
    /// Knows nothing yet: the delay is the shortest there is.
    pub fn new(settings: &HedgeSettings) -> Self {
        let quantile = |share| Quantile {
            share,
            estimate: AtomicU64::new(settings.delay.as_secs_f64().ln().to_bits()),
        };
        Self {
            floor: settings.delay,
            quantile: settings.quantile.map(quantile),
        }
    }

    /// How long to wait for an answer before the request is sent once more.
    pub fn delay(&self) -> Duration {
        let estimate = self.quantile.as_ref().map(Quantile::delay);
        estimate.map_or(self.floor, |estimate| estimate.max(self.floor))
    }

    /// An answer came after `latency`, or had not come by then and is not waited for.
    pub fn took(&self, latency: Duration, answered: bool) {
        let Some(quantile) = &self.quantile else {
            return;
        };
        let late = latency > self.delay();
        // Given up early, a call might have been either.
        if late || answered {
            quantile.learn(late, self.floor);
        }
    }
}

impl Quantile {
    fn delay(&self) -> Duration {
        let seconds = f64::from_bits(self.estimate.load(Relaxed)).exp();
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST)
    }

    /// Not below `floor`: it would take long to come back from there.
    fn learn(&self, late: bool, floor: Duration) {
        let step = if late { self.share } else { self.share - 1.0 };
        let (least, most) = (floor.as_secs_f64().ln(), LONGEST.as_secs_f64().ln());
        let moved = |bits| {
            let next = f64::from_bits(bits) + STEP * step;
            Some(next.clamp(least, most).to_bits())
        };
        let _ = self.estimate.fetch_update(Relaxed, Relaxed, moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    const MS: Duration = Duration::from_millis(1);

    fn trigger(quantile: Option<f64>) -> Trigger {
        Trigger::new(&HedgeSettings {
            delay: 5 * MS,
            quantile,
            ..HedgeSettings::default()
        })
    }

    /// So many answers of 10 to 110 ms, all as likely; which share was late for the trigger
    /// among the last half of them.
    fn late(trigger: &Trigger, answers: u32, times: u32) -> f64 {
        let mut chance = StdRng::seed_from_u64(7);
        let mut late = 0_u32;
        for answer in 0..answers {
            let latency = times * Duration::from_secs_f64(chance.random_range(0.010..0.110));
            late += u32::from(answer >= answers / 2 && latency > trigger.delay());
            trigger.took(latency, true);
        }
        f64::from(late) / f64::from(answers / 2)
    }

    #[test]
    fn without_a_quantile_the_delay_is_fixed() {
        let trigger = trigger(None);
        late(&trigger, 100, 1);
        assert_eq!(trigger.delay(), 5 * MS);
    }

    #[test]
    fn as_many_answers_are_late_as_the_quantile_says() {
        for quantile in [0.5, 0.9, 0.95] {
            let late = late(&trigger(Some(quantile)), 20_000, 1);
            assert!((late - (1.0 - quantile)).abs() < 0.01, "{quantile}: {late}");
        }
    }

    #[test]
    fn after_a_shift_of_ten_times_it_knows_within_fifty_late_answers() {
        let trigger = trigger(Some(0.95));
        late(&trigger, 2000, 1);
        let before = trigger.delay();
        for _ in 0..50 {
            trigger.took(before * 10, true);
        }
        assert!(trigger.delay() > before * 9, "{:?}", trigger.delay());
    }

    #[test]
    fn it_never_falls_below_the_shortest_delay_nor_grows_beyond_all_time() {
        let trigger = trigger(Some(0.5));
        (0..10_000).for_each(|_| trigger.took(Duration::ZERO, true));
        assert_eq!(trigger.delay(), 5 * MS);
        (0..10_000).for_each(|_| trigger.took(Duration::MAX, true));
        assert!(trigger.delay() <= LONGEST + MS);
    }

    #[test]
    fn a_call_given_up_counts_only_if_it_was_late_already() {
        let trigger = trigger(Some(0.5));
        trigger.took(6 * MS, false);
        let later = trigger.delay();
        assert!(later > 5 * MS);
        trigger.took(MS, false);
        assert_eq!(trigger.delay(), later);
    }
}
