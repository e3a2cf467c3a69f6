//! What must be true for any input, and at the edges.

use availability::{
    Bounds, Confidence, InvalidProportion, Method, Probability, Proportion,
    nines::{Downtime, Period, human, nines},
    power, redundancy,
    retry::{self, FaultPlace, RetriedHop, RetryOn},
    series,
};
use proptest::prelude::*;
use std::time::Duration;

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn probability() -> impl Strategy<Value = Probability> {
    prop_oneof![8 => (0.0..=1.0).prop_map(p), 1 => Just(Probability::ZERO), 1 => Just(Probability::ONE)]
}

fn probabilities() -> impl Strategy<Value = Vec<Probability>> {
    prop::collection::vec(probability(), 1..12)
}

fn chain() -> impl Strategy<Value = Vec<RetriedHop>> {
    let hop = (probability(), 0_u32..4);
    prop::collection::vec(
        hop.prop_map(|(failure, retries)| RetriedHop { failure, retries }),
        1..8,
    )
}

fn proportion() -> impl Strategy<Value = Proportion> {
    (1_u64..3_000).prop_flat_map(|trials| {
        (0..=trials).prop_map(move |successes| Proportion::new(successes, trials).unwrap())
    })
}

fn level() -> impl Strategy<Value = Confidence> {
    (0.5..0.9999).prop_map(|level| Confidence::new(level).unwrap())
}

fn close(a: Probability, b: Probability) -> bool {
    (a.get() - b.get()).abs() < 1e-12
}

proptest! {
    #[test]
    fn a_staircase_never_rises_and_ends_at_the_product(hops in probabilities()) {
        let stairs = series::cumulative(&hops);
        prop_assert_eq!(stairs.len(), hops.len());
        prop_assert!(stairs.is_sorted_by(|above, below| above >= below));
        prop_assert_eq!(stairs.last().copied(), Some(series::availability(hops)));
    }

    #[test]
    fn replicas_help_only_if_they_are_tried(replicas in probabilities()) {
        let best = replicas.iter().copied().fold(Probability::ZERO, |a, b| if a > b { a } else { b });
        let parallel = redundancy::parallel(replicas.iter().copied());
        prop_assert!(parallel.get() >= best.get() - 1e-12);
        prop_assert!(redundancy::balanced_without_retry(&replicas).get() <= best.get() + 1e-12);
        prop_assert!(close(redundancy::k_of_n(1, &replicas), parallel));
        let all = redundancy::k_of_n(replicas.len(), &replicas);
        prop_assert!(close(all, series::availability(replicas)));
    }

    #[test]
    fn needing_more_replicas_is_never_easier(replicas in probabilities()) {
        let needing: Vec<_> =
            (0..=replicas.len() + 1).map(|k| redundancy::k_of_n(k, &replicas)).collect();
        prop_assert!(needing.is_sorted_by(|fewer, more| fewer.get() >= more.get() - 1e-12));
        prop_assert!(close(needing[0], Probability::ONE));
        prop_assert_eq!(needing.last().copied(), Some(Probability::ZERO));
    }

    #[test]
    fn a_retry_gains_what_it_costs(failure in probability(), retries in 0_u32..6) {
        let gained = retry::success(failure, retries).get();
        let cost = retry::expected_attempts(failure, retries);
        prop_assert!((gained - failure.complement().get() * cost).abs() < 1e-9);
        prop_assert!((1.0 - 1e-12..=f64::from(retries) + 1.0 + 1e-9).contains(&cost));
    }

    #[test]
    fn without_retries_every_chain_is_a_plain_series(mut chain in chain()) {
        for hop in &mut chain { hop.retries = 0; }
        let product = series::availability(chain.iter().map(|hop| hop.failure.complement()));
        for retry_on in [RetryOn::All, RetryOn::Local] {
            let nested = retry::nested(&chain, FaultPlace::Entry, retry_on);
            prop_assert!(close(nested.availability(), product));
        }
        prop_assert!(close(retry::orchestrated(&chain).availability(), product));
    }

    #[test]
    fn retrying_all_succeeds_more_and_costs_more(chain in chain()) {
        let all = retry::nested(&chain, FaultPlace::Entry, RetryOn::All);
        let local = retry::nested(&chain, FaultPlace::Entry, RetryOn::Local);
        prop_assert!(all.availability().get() >= local.availability().get() - 1e-12);
        prop_assert!(all.deepest_visits() >= local.deepest_visits() - 1e-9);
        let exit = retry::nested(&chain, FaultPlace::Exit, RetryOn::All);
        prop_assert_eq!(exit.availability(), all.availability());
        prop_assert!(exit.deepest_visits() >= all.deepest_visits() - 1e-9);
    }

    #[test]
    fn intervals_surround_the_estimate_and_widen_with_the_level(seen in proportion(), level in level()) {
        let surer = Confidence::new(f64::midpoint(level.get(), 1.0)).unwrap();
        for method in [Method::Wilson, Method::ClopperPearson] {
            let interval = seen.interval(method, level);
            prop_assert!(interval.contains(seen.estimate()), "{method:?} {interval:?}");
            prop_assert!(seen.interval(method, surer).width() >= interval.width() - 1e-12);
        }
    }

    #[test]
    fn an_exact_interval_mirrors_when_success_and_failure_swap(seen in proportion(), level in level()) {
        let mirrored = Proportion::new(seen.trials() - seen.successes(), seen.trials()).unwrap();
        let (here, there) = (seen.clopper_pearson(level), mirrored.clopper_pearson(level));
        prop_assert!((here.low.get() - there.high.complement().get()).abs() < 1e-9);
        prop_assert!((here.high.get() - there.low.complement().get()).abs() < 1e-9);
    }

    #[test]
    fn fewer_nines_mean_more_downtime(a in probability(), b in probability()) {
        let (fewer, more) = if a < b { (a, b) } else { (b, a) };
        prop_assert!(nines(fewer) <= nines(more));
        for period in [Period::Year, Period::Month, Period::Week] {
            prop_assert!(Downtime::of(fewer, period).lost >= Downtime::of(more, period).lost);
            prop_assert!(Downtime::of(fewer, period).lost <= period.length());
        }
    }
}

#[test]
fn empty_arguments_have_the_neutral_answer() {
    assert_eq!(series::availability([]), Probability::ONE);
    assert_eq!(series::cumulative(&[]), []);
    assert_eq!(redundancy::parallel([]), Probability::ZERO);
    assert_eq!(redundancy::k_of_n(0, &[]), Probability::ONE);
    assert_eq!(redundancy::k_of_n(1, &[]), Probability::ZERO);
    assert_eq!(redundancy::balanced_without_retry(&[]), Probability::ZERO);
    assert_eq!(retry::orchestrated(&[]).availability(), Probability::ONE);
    let nested = retry::nested(&[], FaultPlace::Entry, RetryOn::All);
    assert_eq!(nested.availability(), Probability::ONE);
}

#[test]
fn a_dead_service_behind_a_retrying_edge_multiplies_the_load_by_the_layers_that_retry() {
    let hop = |failure| RetriedHop {
        failure,
        retries: 3,
    };
    let healthy = hop(Probability::ZERO);
    let chain = [healthy, healthy, healthy, hop(Probability::ONE)];
    let visits = retry::orchestrated(&chain).deepest_visits();
    assert!((visits - 16.0).abs() < 1e-9, "{visits}");
}

#[test]
fn intervals_at_the_edges_are_exact() {
    let none = Proportion::new(0, 1_000).unwrap();
    let all = Proportion::new(1_000, 1_000).unwrap();
    for method in [Method::Wilson, Method::ClopperPearson] {
        assert_eq!(
            none.interval(method, Confidence::P99).low,
            Probability::ZERO
        );
        assert_eq!(all.interval(method, Confidence::P99).high, Probability::ONE);
    }
    // A thousand successes of a thousand prove only (α/2)^(1/n), not 100 %.
    let low = all.clopper_pearson(Confidence::P99).low.get();
    assert!((low - 0.005_f64.powf(1e-3)).abs() < 1e-12, "{low}");
    let one = Proportion::new(1, 1)
        .unwrap()
        .clopper_pearson(Confidence::P95);
    assert!((one.low.get() - 0.025).abs() < 1e-12, "{one:?}");
}

#[test]
fn ten_million_requests_are_no_trouble() {
    let seen = Proportion::new(9_600_000, 10_000_000).unwrap();
    let (exact, score) = (
        seen.clopper_pearson(Confidence::P99),
        seen.wilson(Confidence::P99),
    );
    assert!((exact.low.get() - score.low.get()).abs() < 1e-6);
    assert!((exact.high.get() - score.high.get()).abs() < 1e-6);
}

#[test]
fn impossible_counts_are_refused() {
    assert_eq!(Proportion::new(0, 0), Err(InvalidProportion::NoTrials));
    let error = Proportion::new(3, 2).unwrap_err().to_string();
    assert_eq!(error, "successes: 3 of 2 trials; allowed: 0 to 2");
    let error = serde_json::from_str::<Proportion>(r#"{"successes":0,"trials":0}"#).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("0 says nothing about a proportion"),
        "{error}"
    );
}

#[test]
fn impossible_levels_and_bounds_are_refused() {
    for bad in [0.0, 1.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
        let error = Confidence::new(bad).unwrap_err().to_string();
        assert!(error.contains("allowed: above 0 and below 1"), "{error}");
    }
    let error = Bounds::new(None, None).unwrap_err().to_string();
    assert_eq!(
        error,
        "neither min nor max is stated; allowed: either, or both"
    );
    let error = Bounds::new(Some(p(0.9)), Some(p(0.8)))
        .unwrap_err()
        .to_string();
    assert_eq!(error, "min 0.9 is above max 0.8; allowed: min up to max");
}

#[test]
fn equal_availabilities_can_never_be_told_apart() {
    let same = p(0.96);
    assert_eq!(
        power::requests_to_tell(same, same, Confidence::P99, Confidence::P90),
        None
    );
    let never = power::exact(1_000, same, same, Method::Wilson, Confidence::P99);
    assert_eq!(never, Probability::ZERO);
    let (up, down) = (Probability::ONE, Probability::ZERO);
    assert_eq!(power::at(10, up, down, Confidence::P99), Probability::ONE);
    assert_eq!(power::at(0, up, down, Confidence::P99), Probability::ZERO);
}

#[test]
fn power_is_the_same_seen_from_either_side() {
    let up = power::exact(900, p(0.9), p(0.8), Method::ClopperPearson, Confidence::P99);
    let down = power::exact(900, p(0.1), p(0.2), Method::ClopperPearson, Confidence::P99);
    assert!((up.get() - down.get()).abs() < 1e-9, "{up:?} {down:?}");
}

#[test]
fn downtime_reads_like_speech() {
    let year = |a| Downtime::of(p(a), Period::Year).to_string();
    assert_eq!(year(0.0), "365 d a year");
    assert_eq!(year(0.960_596_01), "14.4 d a year");
    assert_eq!(year(0.99), "3.65 d a year");
    assert_eq!(year(0.999), "8.76 h a year");
    assert_eq!(year(0.9999), "52.6 min a year");
    assert_eq!(year(0.99999), "5.26 min a year");
    assert_eq!(year(0.999_999), "31.5 s a year");
    assert_eq!(year(1.0), "0 s a year");
    assert_eq!(
        Downtime::of(p(0.99), Period::Month).to_string(),
        "7.30 h a month"
    );
    assert_eq!(
        Downtime::of(p(0.99), Period::Week).to_string(),
        "1.68 h a week"
    );
}

#[test]
fn durations_change_units_where_three_digits_do() {
    let cases = [
        (59_960, "60.0 s"),
        (59_980, "1.00 min"),
        (9_996, "10.0 s"),
        (99, "99.0 ms"),
        (999, "999 ms"),
        (3_599_000, "1.00 h"),
        (86_400_000, "1.00 d"),
    ];
    for (millis, expected) in cases {
        assert_eq!(human(Duration::from_millis(millis)), expected);
    }
}

#[test]
fn levels_read_as_percentages() {
    assert_eq!(Confidence::P99.to_string(), "99 %");
    assert_eq!(Confidence::P999.to_string(), "99.9 %");
    assert!(nines(Probability::ONE).is_infinite());
    assert!(nines(Probability::ZERO).abs() < f64::EPSILON);
}
