use super::*;
use crate::{FaultKind, Scope};
use proptest::prelude::*;
use types::Probability;

pub(crate) fn renewing(up_ms: u64, down_ms: u64, law: Law) -> Fault {
    Fault {
        id: "outages".into(),
        kind: FaultKind::Error,
        probability: Probability::ONE,
        scope: Scope::Attempt,
        when: When::Renewal(Renewal {
            up: Duration::from_millis(up_ms),
            down: Duration::from_millis(down_ms),
            law,
        }),
        shared: None,
    }
}

fn of(seed: u64, fault: &Fault) -> Schedule {
    schedule(seed, "auth", "auth-0", fault)
}

fn law() -> impl Strategy<Value = Law> {
    prop_oneof![Just(Law::Exponential), Just(Law::Fixed)]
}

proptest! {
    #[test]
    fn windows_come_in_order_and_apart_from_each_other(
        seed: u64, up in 1_u64..500, down in 1_u64..500, law in law(),
    ) {
        let windows: Vec<_> = of(seed, &renewing(up, down, law)).take(1_000).collect();
        for pair in windows.windows(2) {
            prop_assert!(pair[0].end() < pair[1].at);
            prop_assert!(!pair[0].length.is_zero());
        }
    }

    #[test]
    fn fixed_outages_come_exactly_once_in_each_cycle(
        seed: u64, up in 1_u64..500, down in 1_u64..500,
    ) {
        let windows: Vec<_> = of(seed, &renewing(up, down, Law::Fixed)).take(100).collect();
        let cycle = Duration::from_millis(up + down);
        prop_assert!(windows[0].at <= cycle);
        for (n, window) in (0..).zip(&windows[1..]) {
            prop_assert_eq!(window.length, Duration::from_millis(down));
            prop_assert_eq!(window.at, windows[1].at + cycle * n);
        }
    }
}

/// The windows of `schedule` that end after `from`, with their begin cut to it.
fn after(schedule: Schedule, from: Duration) -> Vec<(Duration, Duration)> {
    let late = schedule.filter(|window| window.end() > from);
    let cut = late.map(|window| (window.at.max(from), window.end()));
    cut.take(200).collect()
}

#[test]
fn a_schedule_that_skips_goes_on_as_one_that_does_not() {
    for law in [Law::Exponential, Law::Fixed] {
        for seed in 0..20 {
            let fault = renewing(3, 2, law);
            let mut skipped = of(seed, &fault);
            let from = skipped.skip_to(Duration::from_secs(170)).unwrap();
            // Three epochs of ten thousand cycles of five milliseconds.
            assert_eq!(from, Duration::from_secs(150));
            assert_eq!(
                after(skipped, from),
                after(of(seed, &fault), from),
                "{law:?} {seed}"
            );
        }
    }
}

#[test]
fn no_epoch_repeats_another() {
    let fault = renewing(3, 2, Law::Exponential);
    let mut second = of(1, &fault);
    let begin = second.skip_to(Duration::from_secs(50)).unwrap();
    let lengths = |schedule: Schedule| schedule.map(|window| window.length).take(9);
    assert_eq!(begin, Duration::from_secs(50));
    assert!(lengths(second).ne(lengths(of(1, &fault))));
}

#[test]
fn where_an_epoch_ends_outages_stay_in_order_and_apart() {
    for seed in 0..20 {
        let fault = renewing(1, 2, Law::Exponential);
        let windows: Vec<_> = of(seed, &fault).skip(9_000).take(2_000).collect();
        for pair in windows.windows(2) {
            assert!(pair[0].end() < pair[1].at, "{pair:?}");
        }
    }
}

#[test]
fn fixed_outages_do_not_notice_that_an_epoch_ends() {
    for seed in 0..20 {
        let windows: Vec<_> = of(seed, &renewing(3, 2, Law::Fixed)).take(25_000).collect();
        let cycle = Duration::from_millis(5);
        for (n, window) in (0..).zip(&windows[1..]) {
            assert_eq!(window.at, windows[1].at + cycle * n);
            assert_eq!(window.length, Duration::from_millis(2));
        }
    }
}

#[test]
fn time_goes_on_at_its_very_end() {
    for law in [Law::Exponential, Law::Fixed] {
        let mut schedule = of(1, &renewing(1, 1, law));
        schedule.skip_to(Duration::MAX);
        assert_eq!(schedule.take(3).count(), 3);
    }
}

/// Of windows up to `run`, the time inside.
fn time_down(schedule: Schedule, run: Duration) -> f64 {
    let inside = |window: Window| window.end().min(run).saturating_sub(window.at);
    schedule
        .within(run)
        .map(inside)
        .sum::<Duration>()
        .as_secs_f64()
}

#[test]
fn in_the_long_run_the_share_of_outages_is_that_of_their_mean() {
    let (run, up, down) = (Duration::from_hours(1), 0.190, 0.010);
    let seconds = run.as_secs_f64();
    let share = time_down(of(42, &renewing(190, 10, Law::Exponential)), run) / seconds;
    // The time down of exponential outages has the variance 2 u² d² t / (u + d)³ (Takács 1957).
    let variance = 2.0 * (up * down * f64::sqrt(seconds)).powi(2) / f64::powi(up + down, 3);
    let sigma = variance.sqrt() / seconds;
    assert!((share - 0.05).abs() < 6.0 * sigma, "{share} ± {sigma}");
    let fixed = time_down(of(42, &renewing(190, 10, Law::Fixed)), run) / seconds;
    assert!((fixed - 0.05).abs() < 1e-5, "{fixed}");
}

#[test]
fn exponential_times_vary_like_exponential_times() {
    let fault = renewing(190, 10, Law::Exponential);
    let windows: Vec<_> = of(7, &fault).skip(1).take(10_000).collect();
    let long = |least: u64| {
        let longer = |window: &&Window| window.length > Duration::from_millis(least);
        windows.iter().filter(longer).count() as f64
    };
    // Longer than once, twice the mean: e⁻¹ and e⁻² of all, within six sigma.
    for (least, share) in [(10, (-1.0_f64).exp()), (20, (-2.0_f64).exp())] {
        let sigma = f64::sqrt(1e4 * share * (1.0 - share));
        assert!((long(least) - 1e4 * share).abs() < 6.0 * sigma, "{least}");
    }
}

/// Of 20,000 processes, how many are down at `instant`.
fn down_at(instant: Duration, law: Law) -> f64 {
    let fault = renewing(30, 10, law);
    let is_down = |seed: &u64| {
        of(*seed, &fault)
            .within(instant + NANO)
            .any(|w| w.holds(instant))
    };
    (0..20_000).filter(is_down).count() as f64
}

const NANO: Duration = Duration::from_nanos(1);

#[test]
fn the_process_has_been_going_on_forever_when_the_run_begins() {
    let sigma = f64::sqrt(20_000.0 * 0.25 * 0.75);
    for law in [Law::Exponential, Law::Fixed] {
        for instant in [0, 3, 11, 25] {
            let down = down_at(Duration::from_millis(instant), law);
            assert!(
                (down - 5_000.0).abs() < 6.0 * sigma,
                "{law:?} {instant}: {down}"
            );
        }
    }
}

#[test]
fn replicas_services_and_faults_go_down_independently_of_each_other() {
    let fault = renewing(30, 10, Law::Exponential);
    let other = Fault {
        id: "other".into(),
        ..fault.clone()
    };
    let first: Vec<_> = of(1, &fault).take(3).collect();
    assert_eq!(first, of(1, &fault).take(3).collect::<Vec<_>>());
    for different in [
        schedule(2, "auth", "auth-0", &fault),
        schedule(1, "profile", "auth-0", &fault),
        schedule(1, "auth", "auth-1", &fault),
        schedule(1, "auth", "auth-0", &other),
    ] {
        assert_ne!(first, different.take(3).collect::<Vec<_>>());
    }
}

#[test]
fn stated_windows_are_kept_and_without_any_a_fault_always_acts() {
    let window = Window {
        at: Duration::from_secs(1),
        length: Duration::from_secs(2),
    };
    let mut fault = renewing(1, 1, Law::Fixed);
    fault.when = When::Windows(vec![window]);
    assert_eq!(of(1, &fault).collect::<Vec<_>>(), [window]);
    fault.when = When::Always;
    assert!(of(1, &fault).all(|window| window.holds(Duration::from_hours(24))));
}
