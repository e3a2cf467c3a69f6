use super::*;

const MS: Duration = Duration::from_millis(1);

/// A latency as a sample: in nanoseconds.
fn ns(latency: Duration) -> f64 {
    latency.as_nanos() as f64
}

fn nanos(average: &Average, now: Duration) -> f64 {
    average.at(now).unwrap()
}

#[test]
fn nothing_is_known_before_the_first_call_and_its_time_after_it() {
    let average = Average::new();
    assert_eq!(average.at(MS), None);
    average.record(ns(5 * MS), MS);
    assert!((nanos(&average, MS) - 5e6).abs() < 1.0);
}

#[test]
fn an_average_moves_as_fast_as_time_goes_and_not_as_calls_come() {
    let moved_by = |calls: u32| {
        let average = Average::new();
        average.record(ns(10 * MS), Duration::ZERO);
        for call in 1..=calls {
            average.record(ns(20 * MS), MEMORY * call / calls);
        }
        nanos(&average, MEMORY) / 1e6
    };
    // After the time of its memory, 1 − 1/e of the way.
    let expected = 20.0 - 10.0 / std::f64::consts::E;
    for calls in [1, 10, 200] {
        let moved = moved_by(calls);
        assert!((moved - expected).abs() < 0.1, "{calls} calls: {moved}");
    }
}

#[test]
fn under_any_load_a_thousand_calls_are_enough_to_know_better() {
    let average = Average::new();
    average.record(ns(10 * MS), MS);
    for _ in 0..1000 {
        average.record(ns(20 * MS), MS);
    }
    assert!(nanos(&average, MS) > 16e6);
}

#[test]
fn a_replica_that_nobody_calls_is_forgiven() {
    let average = Average::new();
    average.record(ns(Duration::from_secs(1)), MS);
    assert!(nanos(&average, Duration::from_secs(8)) < 1e6);
}

#[test]
fn a_call_given_up_counts_only_if_it_took_longer_than_others_do() {
    let average = Average::new();
    average.record(ns(10 * MS), MS);
    average.at_least(ns(2 * MS), 500 * MS);
    assert!((nanos(&average, MS) - 1e7).abs() < 1.0);
    average.at_least(ns(100 * MS), 500 * MS);
    assert!(nanos(&average, 500 * MS) > 4e7);
}

#[test]
fn a_clock_that_lags_or_wraps_around_harms_nothing() {
    let average = Average::new();
    let early = Duration::from_hours(1_000_000);
    let late = early + MS;
    average.record(ns(10 * MS), late);
    average.record(ns(10 * MS), early);
    assert!((nanos(&average, early) - 1e7).abs() < 1.0);
    assert!(nanos(&average, late + 5 * MEMORY) < 1e6);
    average.record(ns(Duration::MAX), Duration::MAX);
    average.record(ns(Duration::ZERO), Duration::MAX);
    assert!(nanos(&average, Duration::MAX).is_finite());
}

#[test]
fn a_sample_that_only_raises_the_average_is_never_the_first_and_never_lowers_it() {
    let average = Average::new();
    average.raise(5.0, MS);
    assert_eq!(average.at(MS), None);
    average.record(5.0, MS);
    average.raise(4.0, 500 * MS);
    assert_eq!(average.at(MS), Some(5.0));
    average.raise(50.0, 500 * MS);
    assert!(average.at(500 * MS).unwrap() > 20.0);
}

#[test]
fn a_share_of_nothing_is_known_and_next_to_zero() {
    let average = Average::new();
    average.record(0.0, MS);
    assert!(average.at(MS).unwrap() < 1e-30);
    average.record(1.0, MS + MEMORY);
    assert!((average.at(MS + MEMORY).unwrap() - 0.632).abs() < 0.001);
}
