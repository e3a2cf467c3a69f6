//! A callee with so many slots and a queue, in virtual time.

use crate::{
    bulkhead::{LimitPolicy, LimitSettings, Limiter, Permit},
    circuit_breaker::Outcome,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, time::Duration};
use types::Cause;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// `slots` calls at a time, the others wait in turn, each takes `service` time.
struct Callee {
    limiter: Limiter,
    /// When each slot is free again.
    slots: Vec<Duration>,
    service: Duration,
    /// Whether service times vary, exponentially.
    varies: bool,
    /// Calls by the time at which they end.
    ends: BTreeMap<(Duration, u64), Permit>,
    chance: StdRng,
    calls: u64,
    done: u64,
    /// The limits that arrivals have met, all together.
    limits: u64,
    lowest: u32,
}

impl Callee {
    fn new(slots: usize, service: Duration, varies: bool) -> Self {
        Self::limited(None, slots, service, varies)
    }

    /// With a limit that may fall to `min`.
    fn limited(min: Option<u32>, slots: usize, service: Duration, varies: bool) -> Self {
        let settings = LimitSettings {
            max: 1000,
            adaptive: true,
            min,
            ..LimitSettings::default()
        };
        Self {
            limiter: Limiter::new(LimitPolicy::new(settings).unwrap()),
            slots: vec![Duration::ZERO; slots],
            service,
            varies,
            ends: BTreeMap::new(),
            chance: StdRng::seed_from_u64(11),
            calls: 0,
            done: 0,
            limits: 0,
            lowest: u32::MAX,
        }
    }

    fn begin(&mut self, now: Duration) {
        let Some(permit) = self.limiter.try_acquire(now) else {
            return;
        };
        let stretch = if self.varies {
            -(1.0 - self.chance.random::<f64>()).ln()
        } else {
            1.0
        };
        let next = self.slots.iter_mut().min().unwrap();
        *next = (*next).max(now) + self.service.mul_f64(stretch);
        self.ends.insert((*next, self.calls), permit);
        self.calls += 1;
    }

    fn end_until(&mut self, now: Duration) {
        while let Some(call) = self.ends.first_entry() {
            let end = call.key().0;
            if end > now {
                return;
            }
            call.remove().release(end, Outcome::Success);
            self.done += 1;
        }
    }

    /// Twice as many calls as it can serve.
    fn overload(&mut self, from: Duration, time: Duration) -> Run {
        let capacity = self.slots.len() as f64 / self.service.as_secs_f64();
        let (done, limits) = (self.done, self.limits);
        self.lowest = u32::MAX;
        let (mut now, mut arrivals) = (from, 0_u32);
        while now < from + time {
            now += Duration::from_secs_f64(self.chance.random::<f64>() / capacity);
            self.end_until(now);
            self.begin(now);
            self.limits += u64::from(self.limiter.limit());
            self.lowest = self.lowest.min(self.limiter.limit());
            arrivals += 1;
        }
        Run {
            goodput: (self.done - done) as f64 / (capacity * time.as_secs_f64()),
            limit: (self.limits - limits) as f64 / f64::from(arrivals),
            lowest: self.lowest,
        }
    }
}

/// What came of an overload.
struct Run {
    /// As a share of what the callee can serve.
    goodput: f64,
    /// On average.
    limit: f64,
    /// The lowest that an arrival has met.
    lowest: u32,
}

#[test]
fn under_twice_the_load_the_limit_finds_the_capacity_and_nearly_all_of_it_is_used() {
    for (slots, varies) in [(4, false), (10, false), (50, false), (10, true), (50, true)] {
        for min in [None, Some(1)] {
            let mut callee = Callee::limited(min, slots, 10 * MS, varies);
            callee.overload(Duration::ZERO, 20 * SECOND);
            let Run { goodput, limit, .. } = callee.overload(20 * SECOND, 20 * SECOND);
            assert!(goodput >= 0.9, "{goodput} of {slots} slots, {varies}");
            let slots = slots as f64;
            assert!(
                (slots..=3.0 * slots).contains(&limit),
                "{limit} for {slots}, {varies}"
            );
        }
    }
}

#[test]
fn a_limit_without_a_stated_min_never_falls_below_4_and_keeps_a_callee_of_one_place_busy() {
    for varies in [false, true] {
        let mut callee = Callee::new(1, 10 * MS, varies);
        callee.overload(Duration::ZERO, 20 * SECOND);
        let run = callee.overload(20 * SECOND, 60 * SECOND);
        assert!(run.goodput >= 0.9, "{} {varies}", run.goodput);
        assert!(run.lowest >= 4, "{} {varies}", run.lowest);
    }
}

#[test]
fn an_explicit_min_of_1_is_reached_where_the_callee_works_on_one_call_at_a_time() {
    for varies in [false, true] {
        let mut callee = Callee::limited(Some(1), 1, 10 * MS, varies);
        callee.overload(Duration::ZERO, 20 * SECOND);
        let run = callee.overload(20 * SECOND, 60 * SECOND);
        assert_eq!(run.lowest, 1, "{varies}");
        assert!(run.limit < 3.0, "{} {varies}", run.limit);
        // With one or two calls at a time it is idle now and then.
        assert!(run.goodput >= 0.6, "{} {varies}", run.goodput);
    }
}

#[test]
fn an_explicit_min_of_1_is_reached_where_the_callee_refuses_a_second_call() {
    for (min, lowest) in [(None, 4), (Some(1), 1)] {
        let limiter = Callee::limited(min, 1, MS, false).limiter;
        let mut least = u32::MAX;
        for call in 0..4_000 {
            let permits: Vec<_> = (0..10).map(|_| limiter.try_acquire(call * MS)).collect();
            for (nth, permit) in permits.into_iter().flatten().enumerate() {
                let outcome = match nth {
                    0 => Outcome::Success,
                    _ => Outcome::Failure(Cause::Shed),
                };
                permit.release(call * MS + MS, outcome);
            }
            least = least.min(limiter.limit());
        }
        assert_eq!(least, lowest, "{min:?}");
    }
}

#[test]
fn a_first_guess_from_a_full_queue_is_corrected() {
    // The search begins at 20 calls, of which only 2 are served: the others wait.
    let mut callee = Callee::new(2, 10 * MS, false);
    callee.overload(Duration::ZERO, 100 * SECOND);
    let Run { goodput, limit, .. } = callee.overload(100 * SECOND, 20 * SECOND);
    assert!(goodput >= 0.9 && limit <= 8.0, "{goodput} with {limit}");
}

#[test]
fn when_the_callee_becomes_slower_and_faster_again_the_limit_follows() {
    let mut callee = Callee::new(20, 10 * MS, true);
    callee.overload(Duration::ZERO, 10 * SECOND);
    callee.service = 100 * MS;
    // Sooner than the next probe comes.
    callee.overload(10 * SECOND, 10 * SECOND);
    let slow = callee.overload(20 * SECOND, 20 * SECOND).goodput;
    assert!(slow >= 0.9, "{slow} while it is slow");
    callee.service = 10 * MS;
    callee.overload(40 * SECOND, 10 * SECOND);
    let fast = callee.overload(50 * SECOND, 20 * SECOND);
    assert!(
        fast.goodput >= 0.9,
        "{} when it is fast again",
        fast.goodput
    );
    assert!(fast.limit <= 60.0, "{} when it is fast again", fast.limit);
}

#[test]
fn a_limit_that_nobody_comes_near_does_not_grow() {
    let limiter = Callee::new(1, MS, false).limiter;
    let before = limiter.limit();
    for call in 0..10_000 {
        let permit = limiter.try_acquire(call * MS).unwrap();
        permit.release(call * MS + MS, Outcome::Success);
    }
    let after = limiter.limit();
    assert!(after <= before, "{after}");
}

#[test]
fn calls_that_are_refused_by_a_busy_callee_lower_the_limit_although_they_are_fast() {
    let limiter = Callee::new(1, MS, false).limiter;
    let run = |calls: std::ops::Range<u32>, outcome| {
        for call in calls {
            let permits: Vec<_> = (0..10).map(|_| limiter.try_acquire(call * MS)).collect();
            for permit in permits.into_iter().flatten() {
                permit.release(call * MS + MS, outcome);
            }
        }
    };
    run(0..300, Outcome::Success);
    let before = limiter.limit();
    run(300..600, Outcome::Failure(Cause::Shed));
    let after = limiter.limit();
    assert!(after < before / 2, "{before}, then {after}");
}
