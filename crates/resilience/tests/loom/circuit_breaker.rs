//! The circuit breaker under threads that race.
//!
//! Loom tries every order of every access to an atomic, up to four preemptions of a thread
//! where it could have gone on: most bugs need one or two (Musuvathi, Qadeer, "Iterative
//! context bounding for systematic testing of multithreaded programs", PLDI 2007), and
//! without a bound three threads would take hours.

use loom::{
    model::Builder,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
};
use resilience::circuit_breaker::{
    Breaker, BreakerPolicy, BreakerSettings, Outcome, Permit, State, Transition, Why,
};
use std::{sync::Mutex, time::Duration};
use types::Cause;

const FAILURE: Outcome = Outcome::Failure(Cause::Error);
const MS: Duration = Duration::from_millis(1);
/// When what was opened at 0 may be probed.
const EXPIRY: Duration = Duration::from_secs(1);

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(4);
    builder.check(model);
}

/// A breaker, and all that it tells. The list is no part of what is tried.
struct Told {
    breaker: Breaker,
    transitions: Mutex<Vec<Transition>>,
}

impl Told {
    fn new(settings: BreakerSettings) -> Arc<Self> {
        let policy = BreakerPolicy::new(settings).unwrap();
        Arc::new(Self {
            breaker: Breaker::new(policy, 1),
            transitions: Mutex::default(),
        })
    }

    fn acquire(&self, now: Duration) -> Option<Permit> {
        let on = |transition: &Transition| self.tell(*transition);
        self.breaker.try_acquire(now, on).ok()
    }

    fn complete(&self, permit: Permit, outcome: Outcome, now: Duration) {
        let on = |transition: &Transition| self.tell(*transition);
        self.breaker.complete(permit, outcome, now, on);
    }

    fn tell(&self, transition: Transition) {
        self.transitions.lock().unwrap().push(transition);
    }

    /// What was told, by generation, which must be complete and without repetition.
    fn told(&self) -> Vec<Why> {
        let mut transitions = self.transitions.lock().unwrap().clone();
        transitions.sort_by_key(|transition| transition.generation);
        let mut last = (0, State::Closed);
        for transition in &transitions {
            assert_eq!(transition.generation, last.0 + 1);
            assert_eq!(transition.from, last.1);
            last = (transition.generation, transition.to);
        }
        assert_eq!(last.1, self.breaker.state());
        transitions
            .iter()
            .map(|transition| transition.why)
            .collect()
    }
}

fn in_a_row(failures: u32, probes: u32) -> BreakerSettings {
    BreakerSettings {
        consecutive: Some(failures),
        open: EXPIRY,
        jitter: 0.0,
        probes,
        cancelled_after: MS,
        ..BreakerSettings::default()
    }
}

/// Open since 0.
fn open(probes: u32) -> Arc<Told> {
    let told = Told::new(in_a_row(1, probes));
    let permit = told.acquire(Duration::ZERO).unwrap();
    told.complete(permit, FAILURE, Duration::ZERO);
    told
}

/// Half-open since its expiry, with the permits of all its probes.
fn half_open(probes: u32) -> (Arc<Told>, Vec<Permit>) {
    let told = open(probes);
    let permits = (0..probes).map(|_| told.acquire(EXPIRY).unwrap()).collect();
    (told, permits)
}

/// Runs `works` at once, the first one here.
fn race(works: Vec<Box<dyn FnOnce() + Send>>) {
    let mut works = works.into_iter();
    let first = works.next().unwrap();
    let others: Vec<_> = works.map(|work| thread::spawn(work)).collect();
    first();
    for other in others {
        other.join().unwrap();
    }
}

fn work(told: &Arc<Told>, work: impl FnOnce(&Told) + Send + 'static) -> Box<dyn FnOnce() + Send> {
    let told = told.clone();
    Box::new(move || work(&told))
}

#[test]
fn invariant_02_of_three_callers_at_expiry_exactly_n_pass() {
    for probes in [1, 2] {
        check(move || {
            let told = open(probes);
            let passed = Arc::new(AtomicU32::new(0));
            let callers = (0..3).map(|_| {
                let passed = passed.clone();
                work(&told, move |told| {
                    // The permits are kept: they come back to nobody.
                    passed.fetch_add(told.acquire(EXPIRY).is_some().into(), SeqCst);
                })
            });
            race(callers.collect());
            assert_eq!(passed.load(SeqCst), probes);
            assert_eq!(told.told(), [Why::Consecutive, Why::OpenTimeOver]);
        });
    }
}

#[test]
fn invariant_02_no_more_than_n_are_under_way_while_permits_come_and_go() {
    check(|| {
        let told = open(1);
        let live = Arc::new(AtomicU32::new(0));
        let callers = (0..3).map(|_| {
            let live = live.clone();
            work(&told, move |told| {
                if let Some(permit) = told.acquire(EXPIRY) {
                    assert_eq!(live.fetch_add(1, SeqCst), 0);
                    live.fetch_sub(1, SeqCst);
                    told.complete(permit, Outcome::Cancelled, EXPIRY);
                }
            })
        });
        race(callers.collect());
        // None is missing at rest.
        assert!(told.acquire(EXPIRY).is_some());
        assert!(told.acquire(EXPIRY).is_none());
    });
}

#[test]
fn invariant_02_permits_given_back_are_there_for_others_and_none_gets_lost() {
    check(|| {
        let (told, permits) = half_open(2);
        let mut works: Vec<_> = permits
            .into_iter()
            .map(|permit| {
                work(&told, move |told| {
                    told.complete(permit, Outcome::Ignored, EXPIRY);
                })
            })
            .collect();
        let live = Arc::new(AtomicU32::new(0));
        let asks = live.clone();
        works.push(work(&told, move |told| {
            let permit = told.acquire(EXPIRY);
            asks.fetch_add(permit.is_some().into(), SeqCst);
        }));
        race(works);
        // At rest, as many may pass as are not under way.
        let more = (0..4).filter(|_| told.acquire(EXPIRY).is_some()).count();
        assert_eq!(more, 2 - live.load(SeqCst) as usize);
    });
}

#[test]
fn invariant_03_three_racing_failures_make_one_transition() {
    check(|| {
        let told = Told::new(in_a_row(1, 1));
        let callers = (0..3).map(|_| {
            work(&told, |told| {
                if let Some(permit) = told.acquire(MS) {
                    told.complete(permit, FAILURE, MS);
                }
            })
        });
        race(callers.collect());
        assert_eq!(told.told(), [Why::Consecutive]);
    });
}

#[test]
fn invariant_03_no_failure_in_a_row_gets_lost() {
    check(|| {
        let told = Told::new(in_a_row(3, 1));
        let permits: Vec<_> = (0..3).map(|_| told.acquire(MS).unwrap()).collect();
        let callers = permits
            .into_iter()
            .map(|permit| work(&told, move |told| told.complete(permit, FAILURE, MS)));
        race(callers.collect());
        assert_eq!(told.told(), [Why::Consecutive]);
    });
}

#[test]
fn invariant_08_no_failure_of_the_window_gets_lost_when_a_bucket_begins() {
    check(|| {
        let settings = BreakerSettings {
            failure_rate: Some(1.0),
            min_calls: 2,
            ..BreakerSettings::default()
        };
        let told = Told::new(settings);
        // Another lap of the ring: what is in the bucket is stale.
        let now = Duration::from_secs(1000);
        let stale = told.acquire(MS).unwrap();
        told.complete(stale, FAILURE, MS);
        let permits: Vec<_> = (0..2).map(|_| told.acquire(now).unwrap()).collect();
        let callers = permits
            .into_iter()
            .map(|permit| work(&told, move |told| told.complete(permit, FAILURE, now)));
        race(callers.collect());
        assert_eq!(told.told(), [Why::FailureRate]);
    });
}

#[test]
fn invariant_03_probes_that_succeed_and_fail_at_once_lead_to_one_state() {
    check(|| {
        let (told, mut permits) = half_open(2);
        let (one, two) = (permits.pop().unwrap(), permits.pop().unwrap());
        race(vec![
            work(&told, move |told| {
                told.complete(one, Outcome::Success, EXPIRY)
            }),
            work(&told, move |told| told.complete(two, FAILURE, EXPIRY)),
            work(&told, |told| drop(told.acquire(EXPIRY))),
        ]);
        let whys = [Why::Consecutive, Why::OpenTimeOver, Why::ProbeFailed];
        assert_eq!(told.told(), whys);
    });
}

#[test]
fn invariant_03_the_last_two_successes_close_it_once() {
    check(|| {
        let (told, permits) = half_open(2);
        let probes = permits.into_iter().map(|permit| {
            work(&told, move |told| {
                told.complete(permit, Outcome::Success, EXPIRY)
            })
        });
        race(probes.collect());
        let whys = [Why::Consecutive, Why::OpenTimeOver, Why::ProbesSucceeded];
        assert_eq!(told.told(), whys);
    });
}

#[test]
fn invariant_04_calls_from_before_the_trip_change_nothing_whenever_they_end() {
    check(|| {
        let told = Told::new(in_a_row(1, 1));
        let late: Vec<_> = (0..2).map(|_| told.acquire(MS).unwrap()).collect();
        let permit = told.acquire(Duration::ZERO).unwrap();
        told.complete(permit, FAILURE, Duration::ZERO);
        let mut works: Vec<_> = late
            .into_iter()
            .zip([Outcome::Success, FAILURE])
            .map(|(permit, outcome)| {
                work(&told, move |told| told.complete(permit, outcome, EXPIRY))
            })
            .collect();
        works.push(work(&told, |told| {
            let probe = told.acquire(EXPIRY).expect("the only caller");
            told.complete(probe, Outcome::Success, EXPIRY);
        }));
        race(works);
        let whys = [Why::Consecutive, Why::OpenTimeOver, Why::ProbesSucceeded];
        assert_eq!(told.told(), whys);
        // And have left nothing behind in what the new generation counts.
        assert_eq!(told.breaker.state(), State::Closed);
    });
}

#[test]
fn invariant_04_a_probe_that_ends_late_changes_nothing_for_the_next_probes() {
    check(|| {
        let (told, mut permits) = half_open(2);
        let (one, two) = (permits.pop().unwrap(), permits.pop().unwrap());
        // Long enough for the open time after it, too.
        let later = 4 * EXPIRY;
        race(vec![
            work(&told, move |told| told.complete(one, FAILURE, EXPIRY)),
            work(&told, move |told| {
                told.complete(two, FAILURE, EXPIRY);
                assert!(told.acquire(later).is_some());
                assert!(told.acquire(later).is_some());
                assert!(told.acquire(later).is_none());
            }),
        ]);
        let whys = [
            Why::Consecutive,
            Why::OpenTimeOver,
            Why::ProbeFailed,
            Why::OpenTimeOver,
        ];
        assert_eq!(told.told(), whys);
    });
}

/// The counts of a generation that ends while calls of it are being counted must not be
/// those of the next.
#[test]
fn invariant_04_what_is_counted_late_is_not_counted_in_the_next_generation() {
    let by_share = BreakerSettings {
        failure_rate: Some(1.0),
        min_calls: 2,
        ..BreakerSettings::default()
    };
    for settings in [in_a_row(2, 1), by_share] {
        check(move || {
            let told = Told::new(settings);
            let late = told.acquire(MS).unwrap();
            race(vec![
                work(&told, move |told| told.complete(late, FAILURE, MS)),
                work(&told, |told| {
                    told.breaker
                        .force_close(|transition| told.tell(*transition));
                    let permit = told.acquire(MS).unwrap();
                    told.complete(permit, FAILURE, MS);
                }),
            ]);
            assert_eq!(told.told(), [Why::Forced], "one failure since");
            let second = told.acquire(MS).unwrap();
            told.complete(second, FAILURE, MS);
            assert_eq!(told.breaker.state(), State::Open, "and another");
        });
    }
}

#[test]
fn invariant_06_a_lost_probe_is_noticed_once_by_racing_callers() {
    check(|| {
        let (told, _lost) = half_open(1);
        // The lease of ten seconds is over, and so is the open time after it.
        let later = EXPIRY + Duration::from_secs(12);
        let passed = Arc::new(AtomicU32::new(0));
        let callers = (0..2).map(|_| {
            let passed = passed.clone();
            work(&told, move |told| {
                passed.fetch_add(told.acquire(later).is_some().into(), SeqCst);
            })
        });
        race(callers.collect());
        assert_eq!(passed.load(SeqCst), 1);
        let whys = [
            Why::Consecutive,
            Why::OpenTimeOver,
            Why::ProbeLost,
            Why::OpenTimeOver,
        ];
        assert_eq!(told.told(), whys);
    });
}
