//! Times: boundaries, idleness, wrapping around.

use crate::{MS, in_a_row, policy};
use resilience::circuit_breaker::{Breaker, BreakerSettings, Outcome, State, Transition, Why};
use std::time::Duration;
use types::Cause;

const FAILURE: Outcome = Outcome::Failure(Cause::Error);
const NS: Duration = Duration::from_nanos(1);
/// After so long, the times in the state begin anew.
const TURN: Duration = Duration::from_millis(1 << 28);

fn breaker(settings: BreakerSettings) -> Breaker {
    Breaker::new(policy(settings), 1)
}

/// Opens at `now` and tells how.
fn trip(breaker: &Breaker, now: Duration) {
    let permit = breaker.try_acquire(now, |_| ()).unwrap();
    breaker.complete(permit, FAILURE, now, |_| ());
    assert_eq!(breaker.state(), State::Open);
}

fn admits(breaker: &Breaker, now: Duration) -> bool {
    breaker.try_acquire(now, |_| ()).is_ok()
}

fn whys(breaker: &Breaker, now: Duration) -> Vec<Why> {
    let mut whys = Vec::new();
    let _ = breaker.try_acquire(now, |transition: &Transition| whys.push(transition.why));
    whys
}

#[test]
fn invariant_07_the_open_time_is_over_at_its_end_and_not_a_nanosecond_earlier() {
    for begin in [
        Duration::ZERO,
        7 * MS,
        TURN - 1000 * MS,
        TURN - MS,
        TURN,
        3 * TURN,
    ] {
        let breaker = breaker(in_a_row(1, 1));
        trip(&breaker, begin);
        assert!(!admits(&breaker, begin));
        assert!(!admits(&breaker, begin + 1000 * MS - NS), "{begin:?}");
        assert!(admits(&breaker, begin + 1000 * MS), "{begin:?}");
    }
    // Between two milliseconds it is over at the next one.
    let breaker = breaker(in_a_row(1, 1));
    trip(&breaker, NS);
    assert!(!admits(&breaker, 1001 * MS - NS));
    assert!(admits(&breaker, 1001 * MS));
}

#[test]
fn invariant_07_a_lease_is_over_at_its_end_and_not_a_nanosecond_earlier() {
    for begin in [Duration::ZERO, TURN - 1500 * MS, TURN - 1001 * MS, 2 * TURN] {
        let breaker = breaker(in_a_row(1, 1));
        trip(&breaker, begin);
        let probed = begin + 1000 * MS;
        assert!(admits(&breaker, probed));
        assert_eq!(whys(&breaker, probed + 500 * MS - NS), [], "{begin:?}");
        assert_eq!(whys(&breaker, probed + 500 * MS), [Why::ProbeLost]);
        // Open again from the end of the lease on, and for twice as long.
        assert!(!admits(&breaker, probed + 2500 * MS - NS));
        assert_eq!(whys(&breaker, probed + 2500 * MS), [Why::OpenTimeOver]);
    }
}

#[test]
fn a_lost_probe_is_noticed_late_as_if_somebody_had_looked_in_time() {
    let breaker = breaker(in_a_row(1, 1));
    trip(&breaker, Duration::ZERO);
    assert!(admits(&breaker, 1000 * MS));
    assert_eq!(
        whys(&breaker, 3500 * MS),
        [Why::ProbeLost, Why::OpenTimeOver]
    );
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[test]
fn a_probe_that_comes_back_after_its_lease_before_anybody_asked_is_heard() {
    let breaker = breaker(in_a_row(1, 1));
    trip(&breaker, Duration::ZERO);
    let probe = breaker.try_acquire(1000 * MS, |_| ()).unwrap();
    breaker.complete(probe, Outcome::Success, 9000 * MS, |_| ());
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn the_open_time_doubles_with_each_failed_probe_up_to_its_cap_and_begins_anew_once_closed() {
    let breaker = breaker(in_a_row(1, 1));
    let mut now = Duration::ZERO;
    trip(&breaker, now);
    for seconds in [1, 2, 4, 8, 8] {
        let over = now + seconds * 1000 * MS;
        assert!(!admits(&breaker, over - NS), "{seconds} s");
        let probe = breaker.try_acquire(over, |_| ()).unwrap();
        breaker.complete(probe, FAILURE, over, |_| ());
        now = over;
    }
    now += 8000 * MS;
    let probe = breaker.try_acquire(now, |_| ()).unwrap();
    breaker.complete(probe, Outcome::Success, now, |_| ());
    trip(&breaker, now);
    assert!(!admits(&breaker, now + 1000 * MS - NS));
    assert!(admits(&breaker, now + 1000 * MS));
}

#[test]
fn doubling_for_ever_overflows_nothing() {
    let breaker = breaker(BreakerSettings {
        open: MS,
        max_open: Duration::from_hours(1),
        ..in_a_row(1, 1)
    });
    let mut now = Duration::ZERO;
    trip(&breaker, now);
    for _ in 0..40 {
        now += Duration::from_hours(1);
        let probe = breaker.try_acquire(now, |_| ()).unwrap();
        breaker.complete(probe, FAILURE, now, |_| ());
    }
    assert!(!admits(&breaker, now + (1 << 15) * MS - NS));
    assert!(admits(&breaker, now + (1 << 15) * MS));
}

#[test]
fn invariant_07_a_call_given_up_counts_from_its_age_on_and_not_a_nanosecond_earlier() {
    for (age, state) in [(100 * MS - NS, State::Closed), (100 * MS, State::Open)] {
        let breaker = breaker(in_a_row(1, 1));
        let permit = breaker.try_acquire(7 * MS, |_| ()).unwrap();
        breaker.complete(permit, Outcome::Cancelled, 7 * MS + age, |_| ());
        assert_eq!(breaker.state(), state, "{age:?}");
    }
}

#[test]
fn invariant_07_a_call_is_slow_from_its_time_on_and_not_a_nanosecond_earlier() {
    let settings = BreakerSettings {
        slow_rate: Some(1.0),
        slow_call: Some(50 * MS),
        min_calls: 1,
        ..BreakerSettings::default()
    };
    for (took, state) in [(50 * MS - NS, State::Closed), (50 * MS, State::Open)] {
        let breaker = breaker(settings);
        let permit = breaker.try_acquire(MS, |_| ()).unwrap();
        breaker.complete(permit, Outcome::Success, MS + took, |_| ());
        assert_eq!(breaker.state(), state, "{took:?}");
        let cause = breaker.refused().cause;
        assert!(state == State::Closed || cause == Cause::Timeout);
    }
}

#[test]
fn invariant_07_a_failure_leaves_the_window_after_at_least_nine_tenths_and_at_most_all_of_it() {
    let settings = BreakerSettings {
        failure_rate: Some(1.0),
        window: 1000 * MS,
        min_calls: 2,
        ..BreakerSettings::default()
    };
    for begin in [Duration::ZERO, 40 * MS, 99 * MS, TURN] {
        for (later, state) in [
            (900 * MS - NS, State::Open),
            (1000 * MS, State::Closed),
            (Duration::from_hours(24), State::Closed),
            (Duration::from_hours(24 * 365), State::Closed),
        ] {
            let breaker = breaker(settings);
            for now in [begin, begin + later] {
                let permit = breaker.try_acquire(now, |_| ()).unwrap();
                breaker.complete(permit, FAILURE, now, |_| ());
            }
            assert_eq!(breaker.state(), state, "{begin:?} {later:?}");
        }
    }
}

#[test]
fn invariant_06_with_traffic_slower_than_the_window_probes_are_not_forgotten() {
    let breaker = breaker(BreakerSettings {
        window: 100 * MS,
        ..in_a_row(1, 3)
    });
    trip(&breaker, Duration::ZERO);
    for minutes in 1..=3 {
        assert_ne!(breaker.state(), State::Closed);
        let now = Duration::from_mins(minutes);
        let probe = breaker.try_acquire(now, |_| ()).unwrap();
        breaker.complete(probe, Outcome::Success, now, |_| ());
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn invariant_07_after_any_idle_time_an_open_breaker_probes() {
    let idle = [1, 3, 4, 49, 50, 365, 3650];
    for days in idle {
        let breaker = breaker(in_a_row(1, 1));
        trip(&breaker, Duration::ZERO);
        assert!(
            admits(&breaker, days * Duration::from_hours(24)),
            "{days} d"
        );
    }
    // Where an old time may seem new, it waits no longer than the longest open time.
    let breaker = breaker(in_a_row(1, 1));
    trip(&breaker, Duration::ZERO);
    assert!(!admits(&breaker, TURN));
    assert!(admits(&breaker, TURN + 1000 * MS));
}

#[test]
fn a_clock_that_lags_behind_another_thread_makes_no_difference() {
    let breaker = breaker(BreakerSettings {
        max_open: 1000 * MS,
        ..in_a_row(1, 1)
    });
    let now = 5000 * MS;
    trip(&breaker, now);
    assert!(!admits(&breaker, now - 900 * MS));
    assert!(admits(&breaker, now + 1000 * MS));
    // The lease began later than this thread believes it is.
    assert!(!admits(&breaker, now + 900 * MS));
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[test]
fn a_lease_may_last_longer_than_the_open_time() {
    let breaker = breaker(BreakerSettings {
        max_open: 1000 * MS,
        lease: 60_000 * MS,
        ..in_a_row(1, 1)
    });
    trip(&breaker, Duration::ZERO);
    assert!(admits(&breaker, 1000 * MS));
    assert!(!admits(&breaker, 1000 * MS));
    assert_eq!(whys(&breaker, 61_000 * MS - NS), []);
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[test]
fn years_from_the_beginning_failures_in_a_row_still_count() {
    let years = Duration::from_hours(24 * 365 * 5);
    let breaker = breaker(in_a_row(2, 1));
    for outcome in [Outcome::Success, FAILURE, FAILURE] {
        let permit = breaker.try_acquire(years, |_| ()).unwrap();
        breaker.complete(permit, outcome, years, |_| ());
    }
    assert_eq!(breaker.state(), State::Open);
}
