//! Replicas that fail together, stand by, or are replaced by a cache: what must be true for
//! any input, and at the edges.

use availability::{
    Dependency, Probability,
    cache::{self, Kept},
    correlated::{self, Placed},
    failover::{self, Detection, Standby},
    hedge, redundancy, series,
};
use proptest::prelude::*;
use std::time::Duration;

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn probability() -> impl Strategy<Value = Probability> {
    prop_oneof![8 => (0.0..=1.0).prop_map(p), 1 => Just(Probability::ZERO), 1 => Just(Probability::ONE)]
}

fn dependency() -> impl Strategy<Value = Dependency> {
    let time = 0.001..1e4;
    (time.clone(), time).prop_map(|(up, down)| {
        let [up, down] = [up, down].map(Duration::from_secs_f64);
        Dependency::new(up, down).unwrap()
    })
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![1 => Just(Duration::ZERO), 8 => (0.0..1e4).prop_map(Duration::from_secs_f64)]
}

fn close(a: Probability, b: Probability) -> bool {
    (a.get() - b.get()).abs() < 1e-9
}

fn no_more(a: Probability, b: Probability) -> bool {
    a.get() <= b.get() + 1e-9
}

proptest! {
    #[test]
    fn a_split_leaves_a_replica_its_probability(p in probability(), beta in probability()) {
        let parts = correlated::split(p, beta);
        let works = series::availability([parts.common.complement(), parts.own.complement()]);
        prop_assert!(close(works, p.complement()), "{parts:?}");
        prop_assert!((-1e-9..=1.0 + 1e-9).contains(&correlated::pairwise(p, beta)));
    }

    #[test]
    fn what_is_common_no_replica_makes_good(p in probability(), beta in probability(), n in 1_usize..9) {
        let apart = correlated::k_of_n(1, n, p, Probability::ZERO);
        prop_assert!(close(apart, redundancy::parallel(vec![p.complement(); n])));
        let together = correlated::k_of_n(1, n, p, beta);
        prop_assert!(no_more(together, apart));
        let ceiling = correlated::split(p, beta).common.complement();
        prop_assert!(no_more(together, ceiling));
        prop_assert!(close(correlated::k_of_n(1, n, p, Probability::ONE), p.complement()));
    }

    #[test]
    fn in_a_random_environment_more_replicas_never_hurt(p in probability(), rho in probability(), n in 1_u32..9) {
        let fewer = correlated::in_random_environment(n, p, rho);
        let more = correlated::in_random_environment(n + 1, p, rho);
        prop_assert!(no_more(fewer, more), "{fewer:?} {more:?}");
        prop_assert!(no_more(p.complement(), fewer));
    }

    #[test]
    fn groups_that_never_go_down_change_nothing(
        failures in prop::collection::vec(probability(), 1..6),
        replicas in 1_usize..4,
    ) {
        let placed = |failure: &Probability| Placed { failure: *failure, groups: (0..replicas).collect() };
        let services: Vec<_> = failures.iter().map(placed).collect();
        let alone = failures.iter().map(|p| redundancy::parallel(vec![p.complement(); replicas]));
        let expected = series::availability(alone);
        for groups in [vec![], vec![Probability::ZERO; 3]] {
            prop_assert!(close(correlated::in_groups(&groups, &services), expected));
        }
    }

    #[test]
    fn a_hedge_never_makes_more_late(late in probability(), later in probability(), delay in duration(), limit in duration()) {
        let tail = |time: Duration| if time.is_zero() { Probability::ONE } else if time < limit { late } else { later };
        let hedged = hedge::forecast(tail, delay, limit);
        prop_assert!(no_more(hedged.missed, tail(limit)));
    }

    #[test]
    fn a_cache_never_takes_anything_away(service in dependency(), fresh in duration(), stale in duration(), rate in 1e-3..1e4) {
        let kept = Kept { fresh, stale, rate };
        let seen = cache::in_outages(service, &kept).unwrap();
        prop_assert!(no_more(service.availability(), seen.answered), "{seen:?}");
        let longer = Kept { stale: stale + Duration::from_secs(1), ..kept };
        prop_assert!(no_more(seen.answered, cache::in_outages(service, &longer).unwrap().answered));
        prop_assert!(seen.fresh.get() + seen.stale.get() <= seen.answered.get() + 1e-9, "{seen:?}");
    }

    #[test]
    fn a_longer_take_over_is_never_better(unit in dependency(), takeover in duration(), failing in 0.0..1.0) {
        let pair = Standby {
            unit,
            detection: Duration::ZERO,
            takeover,
            failing,
            coverage: Probability::ONE,
            uncovered: Duration::ZERO,
        };
        let longer = Standby { takeover: takeover * 2 + Duration::from_secs(1), ..pair };
        let [soon, late] = [pair, longer].map(|pair| failover::active_passive(&pair));
        prop_assert!(no_more(late, soon), "{late:?} {soon:?}");
    }

    #[test]
    fn whoever_is_noticed_at_once_and_all_are_left_out_but_one_is_what_redundancy_says(
        unit in dependency(), n in 1_u32..6,
    ) {
        let at_once = failover::active_active(unit, Duration::ZERO, n, 0);
        let all = vec![unit.availability(); n as usize];
        prop_assert!(close(at_once, redundancy::parallel(all)), "{at_once:?}");
        let never = failover::active_active(unit, Duration::from_secs(1 << 40), n, 0);
        prop_assert!(close(never, unit.availability()), "{never:?}");
    }
}

#[test]
fn at_the_edges_there_is_an_answer_too() {
    let [zero, one] = [Probability::ZERO, Probability::ONE];
    assert_eq!(correlated::split(one, one).own, zero);
    assert!(correlated::pairwise(zero, one).abs() < 1e-12);
    assert_eq!(correlated::in_random_environment(3, p(0.25), one), p(0.75));
    assert_eq!(correlated::in_groups(&[one], &[]), one);
    let gone = Placed {
        failure: zero,
        groups: vec![0, 0],
    };
    assert_eq!(correlated::in_groups(&[one], &[gone]), zero);
    for (load, capacity) in [
        (1.0, 0.0),
        (f64::NAN, 1.0),
        (f64::INFINITY, 1.0),
        (1.0, -1.0),
    ] {
        assert_eq!(correlated::enough_for(load, capacity), None);
    }
    assert_eq!(correlated::enough_for(2.2, 1.0), Some(3));
    assert_eq!(correlated::enough_for(0.0, 1.0), Some(0));
}

#[test]
fn nobody_who_asks_is_no_cache_to_speak_of() {
    let service = Dependency::new(Duration::from_secs(1), Duration::from_secs(1)).unwrap();
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let kept = Kept {
            fresh: Duration::ZERO,
            stale: Duration::ZERO,
            rate,
        };
        assert_eq!(cache::in_outages(service, &kept), None, "{rate}");
    }
}

#[test]
fn heartbeats_notice_between_the_first_and_the_last_moment_they_can() {
    let [every, timeout] = [1000, 400].map(Duration::from_millis);
    let detection = Detection::new(every, 3, timeout);
    let millis =
        [detection.least(), detection.mean(), detection.most()].map(|time| time.as_millis());
    assert_eq!(millis, [2400, 2900, 3400]);
    assert_eq!(detection.heartbeats_to_false_alarm(Probability::ZERO), None);
    assert_eq!(
        detection.heartbeats_to_false_alarm(Probability::ONE),
        Some(3.0)
    );
    let some = detection.heartbeats_to_false_alarm(p(0.5)).unwrap();
    // As for a coin: 2 + 4 + 8 throws until three heads in a row.
    assert!((some - 14.0).abs() < 1e-9, "{some}");
}

#[test]
fn to_first_order_is_near_where_outages_are_rare() {
    let pair = Standby {
        unit: Dependency::new(Duration::from_secs(100_000), Duration::from_secs(100)).unwrap(),
        detection: Duration::from_secs(1),
        takeover: Duration::from_secs(4),
        failing: 1.0,
        coverage: p(0.99),
        uncovered: Duration::from_mins(10),
    };
    let exact = failover::active_passive(&pair).complement().get();
    let rough = failover::active_passive_roughly(&pair).complement().get();
    assert!((rough / exact - 1.0).abs() < 0.03, "{exact} {rough}");
}
