use super::*;

const MS: Duration = Duration::from_millis(1);

fn nanos(latency: &Latency, now: Duration) -> f64 {
    latency.at(now).unwrap()
}

#[test]
fn nothing_is_known_before_the_first_call_and_its_time_after_it() {
    let latency = Latency::new();
    assert_eq!(latency.at(MS), None);
    latency.record(5 * MS, MS);
    assert!((nanos(&latency, MS) - 5e6).abs() < 1.0);
}

#[test]
fn an_average_moves_as_fast_as_time_goes_and_not_as_calls_come() {
    let moved_by = |calls: u32| {
        let latency = Latency::new();
        latency.record(10 * MS, Duration::ZERO);
        for call in 1..=calls {
            latency.record(20 * MS, MEMORY * call / calls);
        }
        nanos(&latency, MEMORY) / 1e6
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
    let latency = Latency::new();
    latency.record(10 * MS, MS);
    for _ in 0..1000 {
        latency.record(20 * MS, MS);
    }
    assert!(nanos(&latency, MS) > 16e6);
}

#[test]
fn a_replica_that_nobody_calls_is_forgiven() {
    let latency = Latency::new();
    latency.record(Duration::from_secs(1), MS);
    assert!(nanos(&latency, Duration::from_secs(8)) < 1e6);
}

#[test]
fn a_call_given_up_counts_only_if_it_took_longer_than_others_do() {
    let latency = Latency::new();
    latency.record(10 * MS, MS);
    latency.at_least(2 * MS, 500 * MS);
    assert!((nanos(&latency, MS) - 1e7).abs() < 1.0);
    latency.at_least(100 * MS, 500 * MS);
    assert!(nanos(&latency, 500 * MS) > 4e7);
}

#[test]
fn a_clock_that_lags_or_wraps_around_harms_nothing() {
    let latency = Latency::new();
    let early = Duration::from_hours(1_000_000);
    let late = early + MS;
    latency.record(10 * MS, late);
    latency.record(10 * MS, early);
    assert!((nanos(&latency, early) - 1e7).abs() < 1.0);
    assert!(nanos(&latency, late + 5 * MEMORY) < 1e6);
    latency.record(Duration::MAX, Duration::MAX);
    latency.record(Duration::ZERO, Duration::MAX);
    assert!(nanos(&latency, Duration::MAX).is_finite());
}
