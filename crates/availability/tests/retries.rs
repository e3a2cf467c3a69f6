//! What must be true of retries, budgets, outages and breakers, for any input.

use availability::{
    Dependency, Probability,
    breaker::{self, Breaker},
    budget::{self, Deposit, TokenBucket},
    call_tree::{self, Heard, Visit, VisitForecast},
    outage::{self, Failures},
    replicas::{self, Choice, ReplicatedHop},
    retry::{self, FaultPlace, RetriedHop, RetryOn},
    throttle::Throttle,
    trips,
};
use proptest::prelude::*;
use std::{num::NonZeroU32, time::Duration};

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn probability() -> impl Strategy<Value = Probability> {
    prop_oneof![8 => (0.0..=1.0).prop_map(p), 1 => Just(Probability::ZERO), 1 => Just(Probability::ONE)]
}

fn retry_on() -> impl Strategy<Value = RetryOn> {
    prop_oneof![Just(RetryOn::All), Just(RetryOn::Local)]
}

/// A visit that answers or says why not, with neither budget nor breaker.
fn plain(hop: RetriedHop, calls: Vec<Visit>) -> Visit {
    Visit {
        failure: hop.failure,
        silence: Probability::ZERO,
        heard_by: Heard::Nobody,
        retries: hop.retries,
        granted: Probability::ONE,
        refused: Probability::ZERO,
        is_soft: false,
        is_parallel: false,
        calls,
    }
}

fn hop() -> impl Strategy<Value = RetriedHop> {
    (probability(), 0_u32..4).prop_map(|(failure, retries)| RetriedHop { failure, retries })
}

fn hops() -> impl Strategy<Value = Vec<RetriedHop>> {
    prop::collection::vec(hop(), 1..6)
}

fn heard_by() -> impl Strategy<Value = Heard> {
    prop_oneof![Just(Heard::At(0)), Just(Heard::At(1)), Just(Heard::Nobody)]
}

fn visit() -> impl Strategy<Value = Visit> {
    let leaf = (
        hop(),
        probability(),
        heard_by(),
        probability(),
        probability(),
    );
    let leaf = leaf.prop_map(|(hop, silence, heard_by, granted, refused)| Visit {
        silence,
        heard_by,
        granted,
        refused,
        ..plain(hop, Vec::new())
    });
    leaf.prop_recursive(4, 16, 3, |below| {
        (below.clone(), prop::collection::vec(below, 0..3))
            .prop_map(|(visit, calls)| Visit { calls, ..visit })
    })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(1.0)
}

fn lost(forecast: &[VisitForecast]) -> f64 {
    forecast.iter().map(|visit| visit.lost.get()).sum()
}

proptest! {
    #[test]
    fn a_chain_is_a_tree_with_one_branch(chain in hops(), retry_on in retry_on()) {
        let below = chain.iter().rev().fold(Vec::new(), |below, hop| vec![plain(*hop, below)]);
        let tree = call_tree::forecast(&below[0], retry_on);
        let nested = retry::nested(&chain, FaultPlace::Entry, retry_on);
        for (visit, hop) in tree.iter().zip(&nested.hops) {
            prop_assert!(close(visit.attempt.get(), hop.attempt.get()));
            prop_assert!(close(visit.call.get(), hop.call.get()));
            prop_assert!(close(visit.attempts_per_call, hop.attempts_per_call));
            prop_assert!(close(visit.attempts, hop.visits));
        }
    }

    #[test]
    fn a_sequence_is_a_tree_of_leaves(steps in hops()) {
        let (edge, rest) = steps.split_first().unwrap();
        let leaves = rest.iter().map(|step| plain(*step, Vec::new())).collect();
        let tree = call_tree::forecast(&plain(*edge, leaves), RetryOn::All);
        let orchestrated = retry::orchestrated(&steps);
        for (visit, hop) in tree.iter().zip(&orchestrated.hops) {
            prop_assert!(close(visit.call.get(), hop.call.get()));
            prop_assert!(close(visit.attempts, hop.visits));
        }
    }

    #[test]
    fn what_is_not_answered_is_lost_somewhere_once(root in visit(), retry_on in retry_on()) {
        let tree = call_tree::forecast(&root, retry_on);
        prop_assert!(close(tree[0].call.get() + lost(&tree), 1.0), "{tree:?}");
    }

    #[test]
    fn success_is_what_attempts_make_of_it(root in visit(), retry_on in retry_on()) {
        for visit in call_tree::forecast(&root, retry_on) {
            let wald = visit.attempt.get() * visit.attempts_per_call;
            prop_assert!(close(visit.call.get(), wald.min(1.0)), "{visit:?}");
            prop_assert!(close(visit.attempts, visit.calls * visit.attempts_per_call));
            prop_assert!(visit.cut <= visit.attempts + 1e-9 && visit.silences <= visit.attempts + 1e-9);
        }
    }

    #[test]
    fn to_try_everything_again_never_answers_less(root in visit()) {
        let edge = |retry_on| call_tree::forecast(&root, retry_on)[0];
        prop_assert!(edge(RetryOn::All).call.get() >= edge(RetryOn::Local).call.get() - 1e-9);
    }

    #[test]
    fn an_open_breaker_never_raises_availability(root in visit(), retry_on in retry_on()) {
        fn closed(visit: &Visit) -> Visit {
            let calls = visit.calls.iter().map(closed).collect();
            Visit { refused: Probability::ZERO, calls, ..visit.clone() }
        }
        let with = call_tree::forecast(&root, retry_on)[0];
        let without = call_tree::forecast(&closed(&root), retry_on)[0];
        prop_assert!(with.call.get() <= without.call.get() + 1e-9);
    }

    #[test]
    fn a_budget_adds_at_most_what_is_earned(failure in probability(), retries in 0_u32..4, ratio in 0.0..1.0) {
        for deposit in [Deposit::Request, Deposit::Success] {
            let fluid = budget::fluid(failure, retries, ratio, deposit);
            prop_assert!(fluid.attempts_per_call <= retry::expected_attempts(failure, retries) + 1e-9);
            if deposit == Deposit::Request {
                prop_assert!(fluid.attempts_per_call <= 1.0 + ratio + 1e-9);
            }
            prop_assert!(fluid.call <= retry::success(failure, retries) || close(fluid.call.get(), retry::success(failure, retries).get()));
        }
    }

    #[test]
    fn a_bucket_never_beats_its_flow_by_more_than_it_holds(
        failure in probability(), retries in 0_u32..4, deposit in 0_u32..10, capacity in 0_u32..60, calls in 1_u32..80,
    ) {
        let bucket = TokenBucket { deposit, price: 10, capacity };
        let run = bucket.over(calls, failure, retries, Deposit::Request).unwrap();
        let tokens = f64::from(capacity) / 10.0 / f64::from(calls) + f64::from(deposit) / 10.0;
        prop_assert!(run.attempts_per_call >= 1.0 - 1e-9);
        prop_assert!(run.attempts_per_call <= 1.0 + tokens + 1e-9);
        prop_assert!(run.attempts_per_call <= retry::expected_attempts(failure, retries) + 1e-9);
        let long = bucket.forecast(failure, retries, Deposit::Request).unwrap();
        prop_assert!((1.0 - 1e-9..=1.0 + f64::from(deposit) / 10.0 + 1e-9).contains(&long.attempts_per_call));
    }

    #[test]
    fn a_throttle_never_answers_more_than_unbounded_retries(
        failure in probability(), retries in 0_u32..4, gain in 0_u32..10, loss in 0_u32..20, most in 1_u32..60,
    ) {
        let throttle = Throttle { loss, gain, most };
        let (call, attempts) = throttle.forecast(failure, retries).unwrap();
        let (free, most) = retry::forecast(failure, retries);
        prop_assert!(call.get() <= free.get() + 1e-9 && attempts <= most + 1e-9 && attempts >= 1.0 - 1e-9);
    }

    #[test]
    fn another_replica_is_the_better_choice(
        down in probability(), transient in probability(), replicas in 1_u32..4, retries in 0_u32..4,
    ) {
        let hop = ReplicatedHop { down, transient, replicas, retries };
        let of = |choice| replicas::forecast(&[hop; 2], choice).unwrap().call.get();
        prop_assert!(of(Choice::Same) <= of(Choice::Random) + 1e-9);
        // One that is up may fail and be tried again, so two rounds may beat one replica more.
        if retries < replicas {
            prop_assert!(of(Choice::Random) <= of(Choice::Distinct) + 1e-9);
        }
        let alone = ReplicatedHop { replicas: 1, down: Probability::ZERO, ..hop };
        let nested = retry::nested(
            &[RetriedHop { failure: transient, retries }; 2], FaultPlace::Entry, RetryOn::All,
        );
        let single = replicas::forecast(&[alone; 2], Choice::Same).unwrap();
        prop_assert!(close(single.call.get(), nested.availability().get()));
        prop_assert!(close(single.attempts[1], nested.deepest_visits()));
    }

    #[test]
    fn retries_gain_between_nothing_and_the_window(
        up in 1_u64..100_000, down in 1_u64..100_000, pauses in prop::collection::vec(0_u64..10_000, 0..5),
    ) {
        let dependency = Dependency::new(Duration::from_millis(up), Duration::from_millis(down)).unwrap();
        let pauses: Vec<_> = pauses.into_iter().map(Duration::from_millis).collect();
        let retried = outage::retried(dependency, Failures::HARD, &pauses).get();
        let jittered = outage::retried_with_jitter(dependency, Failures::HARD, &pauses).get();
        let window = pauses.iter().sum();
        let best = outage::best_within(dependency, window).get();
        prop_assert!(dependency.availability().get() <= jittered + 1e-9);
        prop_assert!(jittered <= retried + 1e-9, "a pause cut short gains less");
        prop_assert!(retried <= best + 1e-9);
    }

    #[test]
    fn a_breaker_in_front_of_a_dependency_never_raises_its_availability(
        up in 1_u64..100_000, down in 1_u64..100_000, rate in 0.1..1_000.0, in_a_row in 1_u32..8,
        open in 0_u64..60_000, e_up in probability(), e_down in probability(),
    ) {
        let dependency = Dependency::new(Duration::from_millis(up), Duration::from_millis(down)).unwrap();
        let in_a_row = NonZeroU32::new(in_a_row).unwrap();
        let breaker = Breaker::new(rate, in_a_row, Duration::from_millis(open)).unwrap();
        // It only refuses more in bad times if bad times are the worse ones.
        let failures = Failures { up: p(e_up.get().min(e_down.get())), down: p(e_up.get().max(e_down.get())) };
        let with = breaker::forecast(&breaker, dependency, failures);
        let parts = with.availability.get() + with.refused.get() + with.failed.get();
        prop_assert!(close(parts, 1.0), "every request is answered, failed or refused: {with:?}");
        // Each refused request would have been answered or not; none is answered by refusing.
        prop_assert!(with.availability.get() <= 1.0 - with.refused.get() + 1e-9);
    }

    #[test]
    fn a_breaker_refuses_more_the_more_fails(in_a_row in 1_u32..6, open in 0.01..5.0, probes in 1_u32..4) {
        let refused = |failure| trips::refused(p(failure), in_a_row, 50.0, &[open, 2.0 * open], probes).get();
        let shares: Vec<_> = (0..=20).map(|n| refused(f64::from(n) / 20.0)).collect();
        prop_assert!(close(shares[0], 0.0));
        prop_assert!(shares.is_sorted_by(|less, more| *less <= *more + 1e-9), "{shares:?}");
        prop_assert!(shares[20] < 1.0, "its probes get through");
    }
}

#[test]
fn a_breaker_alone_never_raises_availability() {
    // Hard outages: what is refused in an outage would have failed, what is refused after it
    // would have been answered.
    for open in [0, 100, 1_000, 30_000] {
        let dependency = Dependency::new(Duration::from_mins(1), Duration::from_secs(3)).unwrap();
        let five = NonZeroU32::new(5).unwrap();
        let breaker = Breaker::new(20.0, five, Duration::from_millis(open)).unwrap();
        let with = breaker::forecast(&breaker, dependency, Failures::HARD).availability;
        assert!(with.get() <= breaker::without(dependency, Failures::HARD).get() + 1e-12);
    }
}

#[test]
fn a_bucket_that_starts_full_runs_dry_and_then_gives_what_it_earns() {
    let bucket = TokenBucket {
        deposit: 1,
        price: 10,
        capacity: 100,
    };
    let over = |calls| {
        let run = bucket.over(calls, Probability::ONE, 2, Deposit::Request);
        (run.unwrap().attempts_per_call - 1.0) * f64::from(calls)
    };
    // Ten saved up, and a tenth per call except from the first, for which there was no room.
    assert!((over(1) - 2.0).abs() < 1e-9);
    assert!((over(1_000) - 109.0).abs() < 1e-9);
    assert!((budget::worst_amplification(0.1, 3) - 1.331).abs() < 1e-12);
}

#[test]
fn what_is_too_large_to_compute_is_refused_and_not_begun() {
    let huge = TokenBucket {
        deposit: 1,
        price: 10,
        capacity: u32::MAX,
    };
    let half = p(0.5);
    assert!(huge.forecast(half, 2, Deposit::Request).is_none());
    assert!(huge.over(u32::MAX, half, 2, Deposit::Request).is_none());
    let many = ReplicatedHop {
        down: half,
        transient: half,
        replicas: u32::MAX,
        retries: 1,
    };
    assert!(replicas::forecast(&[many; 3], Choice::Same).is_none());
    assert_eq!(
        trips::calls_to_full_window(half, trips::LARGEST_WINDOW + 1, 3),
        None
    );
    assert_eq!(trips::calls_to_full_window(half, 0, 0), None);
    assert_eq!(Dependency::new(Duration::ZERO, Duration::MAX), None);
    let one = NonZeroU32::MIN;
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Breaker::new(rate, one, Duration::ZERO), None);
    }
    assert_eq!(Breaker::new(1.0, NonZeroU32::MAX, Duration::ZERO), None);
}

#[test]
fn calls_to_trip_at_the_ends() {
    let endless = |calls: f64| calls.is_infinite();
    assert!(endless(trips::calls_to_failures_in_a_row(
        Probability::ZERO,
        3
    )));
    assert!((trips::calls_to_failures_in_a_row(Probability::ONE, 3) - 3.0).abs() < 1e-12);
    assert!(endless(
        trips::calls_to_full_window(Probability::ZERO, 5, 2).unwrap()
    ));
    let certain = trips::calls_to_full_window(Probability::ONE, 5, 2).unwrap();
    assert!((certain - 5.0).abs() < 1e-12);
    assert_eq!(trips::refused(p(0.5), 3, 10.0, &[], 1), Probability::ZERO);
}

fn needs(failure: f64, calls: Vec<Visit>) -> Visit {
    let failure = Probability::new(failure).unwrap();
    let hop = RetriedHop {
        failure,
        retries: 0,
    };
    plain(hop, calls)
}

fn soft(failure: f64) -> Visit {
    Visit {
        is_soft: true,
        ..needs(failure, Vec::new())
    }
}

#[test]
fn a_soft_call_costs_quality_and_no_availability() {
    let root = needs(0.1, vec![soft(0.2), needs(0.3, Vec::new())]);
    let forecast = call_tree::forecast(&root, RetryOn::Local);
    assert!(close(forecast[0].call.get(), 0.9 * 0.7));
    assert!(close(forecast[0].full.get(), 0.9 * 0.8 * 0.7));
    // Whatever becomes of the soft call, the next is made.
    assert!(close(forecast[2].calls, 0.9));
    assert!(close(forecast[1].lost.get(), 0.0));
    assert!(close(lost(&forecast), 1.0 - 0.9 * 0.7));
}

#[test]
fn a_soft_call_is_tried_again_and_what_it_repairs_is_quality() {
    let again = Visit {
        retries: 2,
        ..soft(0.2)
    };
    let forecast = call_tree::forecast(&needs(0.0, vec![again]), RetryOn::Local);
    assert!(close(forecast[0].full.get(), 1.0 - 0.008));
    assert!(close(forecast[0].call.get(), 1.0));
    assert!(close(forecast[1].attempts, 1.24));
}

#[test]
fn calls_at_once_are_all_made_and_fail_no_less() {
    let calls = vec![needs(0.2, Vec::new()), needs(0.3, Vec::new())];
    let in_turn = needs(0.1, calls);
    let at_once = Visit {
        is_parallel: true,
        ..in_turn.clone()
    };
    let [in_turn, at_once] =
        [in_turn, at_once].map(|root| call_tree::forecast(&root, RetryOn::Local));
    assert!(close(in_turn[2].calls, 0.9 * 0.8));
    assert!(close(at_once[2].calls, 0.9));
    assert!(close(at_once[0].call.get(), 0.9 * 0.8 * 0.7));
    for (in_turn, at_once) in in_turn.iter().zip(&at_once) {
        assert_eq!(in_turn.lost, at_once.lost);
    }
}
