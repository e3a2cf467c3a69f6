//! What holds for every history.

use crate::{
    MS,
    history::{Event, Run, beginning, events, settings},
    in_a_row, policy,
};
use proptest::prelude::*;
use resilience::circuit_breaker::{Breaker, BreakerSettings, Outcome, State, Transition, Why};
use std::{
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use types::Cause;

const FAILURE: Outcome = Outcome::Failure(Cause::Error);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_breaker_does_what_the_naive_model_does(
        settings in settings(),
        begin in beginning(),
        events in events(),
    ) {
        let mut run = Run::new(settings, begin);
        for event in events {
            run.step(event);
            prop_assert_eq!(&run.transitions, &run.model.transitions);
            prop_assert_eq!(run.breaker.state(), run.model.state());
        }
    }

    #[test]
    fn invariant_01_only_the_transitions_of_a_circuit_breaker_happen(
        settings in settings(),
        events in events(),
    ) {
        let mut run = Run::new(settings, Duration::ZERO);
        for event in events {
            run.step(event);
        }
        for Transition { from, to, why, .. } in run.transitions {
            let is_possible = Transition::POSSIBLE.contains(&(from, to, why));
            prop_assert!(is_possible || why == Why::Forced, "{:?} > {:?}: {:?}", from, to, why);
        }
    }

    #[test]
    fn invariant_02_never_more_probes_are_under_way_than_allowed(
        settings in settings(),
        events in events(),
    ) {
        let mut run = Run::new(settings, Duration::ZERO);
        for event in events {
            run.step(event);
            prop_assert!(run.probes() <= run.settings.probes as usize);
        }
    }

    #[test]
    fn invariant_03_each_generation_begins_with_exactly_one_transition(
        settings in settings(),
        events in events(),
    ) {
        let mut run = Run::new(settings, Duration::ZERO);
        for event in events {
            run.step(event);
        }
        let mut last = (0, State::Closed);
        for transition in run.transitions {
            prop_assert_eq!(transition.generation, last.0 + 1);
            prop_assert_eq!(transition.from, last.1);
            last = (transition.generation, transition.to);
        }
    }

    #[test]
    fn invariant_04_a_completion_of_an_earlier_generation_changes_nothing(
        settings in settings(),
        events in events(),
    ) {
        let mut all = Run::new(settings, Duration::ZERO);
        let mut fresh = Run::new(settings, Duration::ZERO);
        fresh.without_stale = true;
        for event in events {
            prop_assert_eq!(all.step(event), fresh.step(event));
            prop_assert_eq!(&all.transitions, &fresh.transitions);
        }
    }

    /// From wherever `events` lead, with all calls under way lost, and one call every `gap`.
    #[test]
    fn invariant_06_with_a_healthy_callee_it_closes_again(
        settings in settings(),
        begin in beginning(),
        events in events(),
        gap in prop_oneof![1..5_u32, 5..3000_u32],
    ) {
        let mut run = Run::new(settings, begin);
        for event in events {
            run.step(event);
        }
        if run.breaker.state() == State::Open {
            // Whoever forces it open must close it, too.
            let forced = run.transitions.last().is_some_and(|last| last.why == Why::Forced);
            if forced {
                run.step(Event::ForceClose);
            }
        }
        run.live.clear();
        let BreakerSettings { lease, max_open, probes, .. } = run.settings;
        let longest = lease + max_open + 2 * (probes + 1) * gap * MS;
        let end = run.now + longest;
        while run.breaker.state() != State::Closed {
            prop_assert!(run.now <= end, "{:?} after {:?}", run.breaker.state(), longest);
            run.step(Event::Call);
            run.step(Event::End(0, Outcome::Success));
            run.step(Event::Pass(gap * MS));
        }
    }
}

/// Makes a call that takes no time.
fn call(breaker: &Breaker, now: Duration, outcome: Outcome) -> bool {
    let permit = breaker.try_acquire(now, |_| ());
    let admitted = permit.is_ok();
    if let Ok(permit) = permit {
        breaker.complete(permit, outcome, now, |_| ());
    }
    admitted
}

#[test]
fn invariant_08_the_time_to_trip_does_not_depend_on_successes_before_the_window() {
    for successes in [0, 1000, 100_000] {
        let settings = BreakerSettings {
            failure_rate: Some(0.5),
            window: 10_000 * MS,
            min_calls: 20,
            ..BreakerSettings::default()
        };
        let breaker = Breaker::new(policy(settings), 1);
        (0..successes).for_each(|_| assert!(call(&breaker, Duration::ZERO, Outcome::Success)));
        let later = 10_000 * MS;
        let failures = (0..100).take_while(|_| call(&breaker, later, FAILURE));
        assert_eq!(failures.count(), 20, "after {successes} successes");
    }
}

#[test]
fn invariant_08_successes_of_the_window_count() {
    let settings = BreakerSettings {
        failure_rate: Some(0.5),
        window: 10_000 * MS,
        ..BreakerSettings::default()
    };
    let breaker = Breaker::new(policy(settings), 1);
    (0..100).for_each(|_| assert!(call(&breaker, Duration::ZERO, Outcome::Success)));
    let failures = (0..1000).take_while(|_| call(&breaker, 9_999 * MS, FAILURE));
    assert_eq!(failures.count(), 100);
}

#[test]
fn a_success_never_opens_it_although_the_share_of_failures_is_reached_with_it() {
    let settings = BreakerSettings {
        failure_rate: Some(0.5),
        min_calls: 3,
        ..BreakerSettings::default()
    };
    let breaker = Breaker::new(policy(settings), 1);
    call(&breaker, MS, FAILURE);
    call(&breaker, MS, FAILURE);
    call(&breaker, MS, Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
    call(&breaker, MS, FAILURE);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn late_time_outs_of_an_outage_that_is_over_do_not_count_as_failures_in_a_row() {
    let breaker = Breaker::new(policy(in_a_row(3, 1)), 1);
    let swallowed: Vec<_> = (0..9)
        .filter_map(|at| breaker.try_acquire(at * MS, |_| ()).ok())
        .collect();
    // Well again, while their time-outs are still to come.
    call(&breaker, 500 * MS, Outcome::Success);
    for permit in swallowed {
        breaker.complete(permit, Outcome::Failure(Cause::Timeout), 1000 * MS, |_| ());
    }
    assert_eq!(breaker.state(), State::Closed);
    // Those of the share do count: half of the calls may hang while the others succeed.
    let settings = BreakerSettings {
        failure_rate: Some(0.5),
        min_calls: 2,
        ..BreakerSettings::default()
    };
    let breaker = Breaker::new(policy(settings), 1);
    let hangs = breaker.try_acquire(MS, |_| ()).unwrap();
    call(&breaker, 500 * MS, Outcome::Success);
    breaker.complete(hangs, Outcome::Failure(Cause::Timeout), 1000 * MS, |_| ());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_refusal_names_the_cause_of_the_last_failure_that_counted() {
    let breaker = Breaker::new(policy(in_a_row(2, 1)), 1);
    let failed = |cause| call(&breaker, MS, Outcome::Failure(cause));
    assert!(failed(Cause::Reset));
    let late = breaker.try_acquire(MS, |_| ()).unwrap();
    assert!(failed(Cause::Corrupt));
    // Too late to count.
    breaker.complete(late, Outcome::Failure(Cause::Error), MS, |_| ());
    assert_eq!(breaker.refused().cause, Cause::Corrupt);
    assert_eq!(
        breaker.try_acquire(MS, |_| ()).unwrap_err().cause,
        Cause::Corrupt
    );
}

#[test]
fn a_call_given_up_late_fails_by_time_out() {
    let breaker = Breaker::new(policy(in_a_row(1, 1)), 1);
    let permit = breaker.try_acquire(MS, |_| ()).unwrap();
    breaker.complete(permit, Outcome::Cancelled, 101 * MS, |_| ());
    assert_eq!(breaker.refused().cause, Cause::Timeout);
}

#[test]
fn forced_open_it_stays_open_until_it_is_closed_and_forgets_what_it_had_counted() {
    let breaker = Breaker::new(policy(in_a_row(2, 1)), 1);
    call(&breaker, MS, FAILURE);
    breaker.force_open(|_| ());
    assert!(!call(
        &breaker,
        Duration::from_hours(1000),
        Outcome::Success
    ));
    breaker.force_close(|_| ());
    call(&breaker, MS, FAILURE);
    assert_eq!(breaker.state(), State::Closed, "one failure since");
    call(&breaker, MS, FAILURE);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn breakers_draw_different_open_times_within_the_jitter_and_each_its_own_again() {
    let settings = BreakerSettings {
        jitter: 0.5,
        ..in_a_row(1, 1)
    };
    let opens_at = |seed| {
        let breaker = Breaker::new(policy(settings), seed);
        call(&breaker, Duration::ZERO, FAILURE);
        (0..2000)
            .find(|ms| breaker.would_admit(*ms * MS, |_| ()))
            .expect("it opens again")
    };
    let drawn: Vec<u32> = (0..200).map(opens_at).collect();
    assert_eq!(drawn, (0..200).map(opens_at).collect::<Vec<_>>());
    assert!(drawn.iter().all(|ms| (500..=1000).contains(ms)));
    // 200 draws from 501 milliseconds: far more than half of them differ.
    let mut different = drawn.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 100, "{different:?}");
    let mean = f64::from(drawn.iter().sum::<u32>()) / 200.0;
    assert!((720.0..780.0).contains(&mean), "{mean}");
}

#[test]
fn invariant_11_of_a_thousand_callers_on_eight_threads_exactly_n_pass() {
    for probes in [1, 3, 15] {
        let breaker = Breaker::new(policy(in_a_row(1, probes)), 1);
        call(&breaker, Duration::ZERO, FAILURE);
        let (passed, events) = (AtomicU32::new(0), AtomicU32::new(0));
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..125 {
                        let permit = breaker.try_acquire(1000 * MS, |_| {
                            events.fetch_add(1, Relaxed);
                        });
                        passed.fetch_add(permit.is_ok().into(), Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), probes);
        assert_eq!(events.into_inner(), 1);
    }
}

/// Eight threads fail at once, again and again: far more interleavings than loom can try,
/// if not all of them.
#[test]
fn invariant_03_under_eight_threads_no_generation_is_told_twice_or_left_out() {
    let settings = BreakerSettings {
        failure_rate: Some(0.5),
        consecutive: Some(4),
        min_calls: 8,
        open: 5 * MS,
        max_open: 20 * MS,
        ..in_a_row(4, 3)
    };
    let breaker = Breaker::new(policy(settings), 1);
    let clock = AtomicU32::new(0);
    let worker = |_| {
        let (breaker, clock) = (&breaker, &clock);
        move || {
            let mut told = Vec::new();
            for _ in 0..20_000 {
                let tick = clock.fetch_add(1, Relaxed);
                let now = tick * MS;
                let mut on = |transition: &Transition| told.push(transition.generation);
                if let Ok(permit) = breaker.try_acquire(now, &mut on) {
                    let fails = (tick / 50).is_multiple_of(2);
                    let outcome = if fails { FAILURE } else { Outcome::Success };
                    breaker.complete(permit, outcome, now, &mut on);
                }
            }
            told
        }
    };
    let mut told: Vec<u32> = thread::scope(|scope| {
        let running: Vec<_> = (0..8).map(|number| scope.spawn(worker(number))).collect();
        let joined = running.into_iter().map(|it| it.join().expect("no panic"));
        joined.flatten().collect()
    });
    told.sort_unstable();
    assert!(told.len() > 100, "it moved {} times", told.len());
    assert!(
        told.iter()
            .copied()
            .eq(1..=u32::try_from(told.len()).unwrap())
    );
}
