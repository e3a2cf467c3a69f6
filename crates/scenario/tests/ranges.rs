//! Where a prediction is a range and not a point: against runs of the breaker itself, on a
//! clock that is only counted.

use resilience::circuit_breaker::{Breaker, BreakerPolicy, BreakerSettings, Outcome};
use scenario::{Class, Prediction, parse, predict};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};
use types::Cause;

fn of(load: &str, rest: &str) -> Prediction {
    let text = format!(
        "title = \"t\"\n[load]\n{load}\n[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n{rest}"
    );
    predict(&parse("test.toml", &text).unwrap_or_else(|errors| panic!("{errors}")))
}

fn fault(kind: &str, probability: f64, rest: &str) -> String {
    format!(
        "[faults.f]\nkind = \"{kind}\"\nprobability = {probability}\non = [\"database\"]\n{rest}\n"
    )
}

#[track_caller]
fn assert_near(actual: impl Into<f64>, expected: f64, tolerance: f64) {
    let actual = actual.into();
    let near = (actual - expected).abs() <= tolerance;
    assert!(near, "{actual} is not {expected}");
}

/// Numbers from 0 to 1.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Calls through a breaker, of which each fails with a probability that depends on when it
/// is sent, after `silence`; the share answered of those sent in each second.
fn run(
    settings: BreakerSettings,
    seed: u64,
    rate: f64,
    seconds: usize,
    silence: Duration,
    failing: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let breaker = Breaker::new(BreakerPolicy::new(settings).unwrap(), seed);
    let mut draws = Draws(seed);
    let (mut sent, mut answered) = (vec![0.0; seconds], vec![0.0; seconds]);
    let mut permits = Vec::new();
    let mut ends = BinaryHeap::new();
    let mut now = 0.0;
    loop {
        now -= (1.0 - draws.next()).ln() / rate;
        let time = Duration::from_secs_f64(now);
        let second = usize::try_from(time.as_secs()).unwrap();
        let Some(sent) = sent.get_mut(second) else {
            break;
        };
        while let Some(&Reverse((end, place))) = ends.peek()
            && end <= time
        {
            ends.pop();
            let permit = Option::take(&mut permits[place]).unwrap();
            breaker.complete(permit, Outcome::Failure(Cause::Timeout), end, |_| ());
        }
        *sent += 1.0;
        let Ok(permit) = breaker.try_acquire(time, |_| ()) else {
            continue;
        };
        if draws.next() < failing(now) {
            ends.push(Reverse((time + silence, permits.len())));
            permits.push(Some(permit));
        } else {
            breaker.complete(permit, Outcome::Success, time, |_| ());
            answered[second] += 1.0;
        }
    }
    answered
        .iter()
        .zip(sent)
        .map(|(ok, all)| ok / all)
        .collect()
}

fn mean(shares: &[f64]) -> f64 {
    shares.iter().sum::<f64>() / shares.len() as f64
}

#[test]
fn a_short_run_may_miss_what_the_long_run_refuses() {
    let policy = "[policy.breaker]\nconsecutive = 3\n";
    let predicted = of(
        "rate = 50\nfor = \"4s\"",
        &format!("{}{policy}", fault("error", 0.2, "")),
    );
    assert_eq!(predicted.class, Class::Bound);
    let range = predicted.range.unwrap();
    assert_near(range.max(), 0.8, 1e-9);
    let settings = BreakerSettings {
        consecutive: Some(3),
        ..BreakerSettings::default()
    };
    let seen: Vec<_> = (0..40)
        .map(|seed| mean(&run(settings, seed, 50.0, 4, Duration::ZERO, |_| 0.2)))
        .collect();
    let far = |seen: &&f64| (**seen - predicted.availability.get()).abs() > 0.1;
    assert!(seen.iter().filter(far).count() > 10, "{seen:?}");
    // Beyond the range there is only the luck of the draw.
    assert!(
        seen.iter()
            .all(|seen| *seen > range.min().get() && *seen < 0.8 + 0.12)
    );
}

#[test]
fn a_long_run_that_is_hardly_refused_anything_is_near_its_mean() {
    let policy = "[policy.breaker]\nconsecutive = 4\nopen = \"100ms\"\nmax_open = \"1s\"\nprobes = 1\njitter = 0\n";
    let faults = fault("error", 0.1, "");
    let load = "rate = 100\nfor = \"2000s\"";
    let predicted = of(load, &format!("{faults}{policy}"));
    assert_eq!(
        (predicted.class, predicted.range),
        (Class::Approximate, None)
    );
    let without = predicted.without_breaker.unwrap();
    assert!(predicted.availability < without);
    let settings = BreakerSettings {
        consecutive: Some(4),
        open: Duration::from_millis(100),
        max_open: Duration::from_secs(1),
        probes: 1,
        jitter: 0.0,
        ..BreakerSettings::default()
    };
    let seen = mean(&run(settings, 7, 100.0, 2_000, Duration::ZERO, |_| 0.1));
    assert_near(seen, predicted.availability.get(), 0.004);
    // Not if the run is short, or if what is refused could be told, or if attempts share
    // a draw.
    let short = of("rate = 100\nfor = \"40s\"", &format!("{faults}{policy}"));
    assert_eq!(short.class, Class::Bound);
    let distance = "[expect]\navailability = \"predicted\"\ndistance = 0.0001\n";
    let told = of(load, &format!("{faults}{policy}{distance}"));
    assert_eq!(told.class, Class::Bound);
    let sticky = fault("error", 0.1, "scope = \"request\"");
    let sticky = of(load, &format!("{sticky}{policy}[policy.retry]\n"));
    assert_eq!(sticky.class, Class::Bound);
}

#[test]
fn attempts_that_fail_together_open_a_breaker_that_others_would_not() {
    let load = "rate = 100\nfor = \"20s\"";
    let policy = "[policy.retry]\nretries = 2\n[policy.breaker]\nconsecutive = 6\n";
    let apart = of(load, &format!("{}{policy}", fault("error", 0.02, "")));
    assert_eq!(apart.class, Class::Exact);
    let together = fault("error", 0.02, "scope = \"request\"");
    let together = of(load, &format!("{together}{policy}"));
    assert_eq!(together.class, Class::Bound);
    assert_near(together.range.unwrap().max(), 0.98, 1e-9);
}

#[test]
fn what_a_partial_outage_has_opened_may_still_be_open_after_it() {
    let policy = "[policy.breaker]\nfailure_rate = 0.5\nwindow = \"1s\"\n";
    let phase = "[[phase]]\nat = \"4s\"\nfor = \"2s\"\n[phase.faults.bad]\nkind = \"error\"\nprobability = 0.95\non = [\"auth\"]\n";
    let predicted = of("rate = 100\nfor = \"12s\"", &format!("{policy}{phase}"));
    let [before, bad, after] = &predicted.phases[..] else {
        panic!("{predicted:?}")
    };
    assert_eq!(
        (before.class, bad.class, after.class),
        (Class::Exact, Class::Bound, Class::Bound)
    );
    assert_near(after.availability, 1.0, 1e-9);
    // It opens for a second, then for two.
    assert_near(after.range.unwrap().min(), 1.0 - 2.07 / 6.0, 0.01);
    let settings = BreakerSettings {
        failure_rate: Some(0.5),
        window: Duration::from_secs(1),
        ..BreakerSettings::default()
    };
    let failing = |now: f64| if (4.0..6.0).contains(&now) { 0.95 } else { 0.0 };
    let seen: Vec<_> = (0..20)
        .map(|seed| mean(&run(settings, seed, 100.0, 12, Duration::ZERO, failing)[6..]))
        .collect();
    let range = after.range.unwrap();
    assert!(
        seen.iter()
            .all(|seen| (range.min().get()..=1.0).contains(seen)),
        "{seen:?}"
    );
    assert!(seen.iter().any(|seen| *seen < 0.9), "{seen:?}");
}

#[test]
fn slow_failures_hardly_make_a_row_between_fast_successes() {
    let policy = "[policy]\nattempt_timeout = \"250ms\"\n[policy.breaker]\nconsecutive = 5\n";
    let predicted = of(
        "rate = 200\nfor = \"5s\"",
        &format!("{}{policy}", fault("hang", 0.9, "")),
    );
    assert_eq!(predicted.class, Class::Bound);
    let range = predicted.range.unwrap();
    assert_near(range.max(), 0.1, 1e-9);
    let settings = BreakerSettings {
        consecutive: Some(5),
        ..BreakerSettings::default()
    };
    let seen: Vec<_> = (0..20)
        .map(|seed| {
            mean(&run(
                settings,
                seed,
                200.0,
                5,
                Duration::from_millis(250),
                |_| 0.9,
            ))
        })
        .collect();
    assert_near(mean(&seen), predicted.availability.get(), 0.03);
    // Failures that are told at once do open it.
    let seen = mean(&run(settings, 1, 200.0, 5, Duration::ZERO, |_| 0.9));
    assert!(seen < 0.02, "{seen}");
}

/// Windows of half of the calls failing in a run of six seconds, each a second long.
fn windows(starts: &[u32], length: u32) -> Prediction {
    let policy = "[policy.retry]\nretries = 2\n[policy.retry.budget]\nratio = 0\nfloor = 0\ncapacity = 100\n";
    let phase = |start: &u32| {
        format!(
            "[[phase]]\nat = \"{start}s\"\nfor = \"{length}s\"\n[phase.faults.f{start}]\nkind = \"error\"\nprobability = 0.5\non = [\"database\"]\n"
        )
    };
    let phases: String = starts.iter().map(phase).collect();
    of("rate = 200\nfor = \"6s\"", &format!("{policy}{phases}"))
}

#[test]
fn a_budget_does_not_fill_up_at_the_end_of_a_phase() {
    let one = windows(&[1], 4);
    // A hundred retries, half of which succeed, for eight hundred calls.
    assert_near(one.availability, (400.0 + 400.0 + 50.0) / 1_200.0, 1e-6);
    // But for the requests on their way at the end of the window.
    let width = |run: &Prediction| {
        run.range
            .map_or(0.0, |range| range.max().get() - range.min().get())
    };
    assert!(width(&one) < 0.02, "{one:?}");
    let four = windows(&[1, 2, 3, 4], 1);
    assert_near(four.availability, one.availability.get(), 1e-3);
    assert_eq!(four.class, Class::Bound);
    let range = four.range.unwrap();
    assert_near(range.min(), one.availability.get(), 0.005);
    assert_near(range.max(), (400.0 + 4.0 * 150.0) / 1_200.0, 0.02);
    assert!(width(&four) > 0.12, "{four:?}");
}

#[test]
fn a_budget_fills_up_while_nothing_fails() {
    let policy = "[policy.retry]\nretries = 2\n[policy.retry.budget]\nratio = 0.5\nfloor = 0\ncapacity = 100\n";
    let phase = |start: u32| {
        format!(
            "[[phase]]\nat = \"{start}s\"\nfor = \"1s\"\n[phase.faults.f{start}]\nkind = \"error\"\nprobability = 0.9\non = [\"database\"]\n"
        )
    };
    let both = format!("{policy}{}{}", phase(1), phase(4));
    let run = of("rate = 200\nfor = \"6s\"", &both);
    assert_eq!(run.phases[1].range, run.phases[3].range);
    assert_near(
        run.phases[1].availability,
        run.phases[3].availability.get(),
        1e-9,
    );
}

/// A database that hangs for good from 2 s to 6 s of ten, behind a breaker.
fn cut_off_after(deadline: &str) -> Prediction {
    let policy =
        format!("[policy]\ndeadline = \"{deadline}\"\n[policy.breaker]\nconsecutive = 5\n");
    let phase = "[[phase]]\nat = \"2s\"\nfor = \"4s\"\n[phase.faults.dead]\nkind = \"hang\"\nprobability = 1\non = [\"database\"]\n";
    of("rate = 100\nfor = \"10s\"", &format!("{policy}{phase}"))
}

#[test]
fn a_breaker_is_blind_to_calls_that_are_cut_off_too_soon() {
    for blind in ["900ms", "1s"] {
        let run = cut_off_after(blind);
        let outage = run.phases[1].outage.as_ref().unwrap();
        assert_eq!((outage.opens_after_s, outage.recovery_s), (None, 0.0));
        assert_near(outage.recovery_at_most_s, 0.0, 0.0);
        assert_near(outage.reaching, outage.reaching_without, 1e-9);
        assert_eq!(
            (run.class, run.without_breaker),
            (Class::Exact, Some(run.availability))
        );
    }
    let perhaps = cut_off_after("1050ms");
    assert_eq!(perhaps.phases[1].class, Class::Bound);
    assert_near(perhaps.phases[2].range.unwrap().max(), 1.0, 1e-9);
    let sure = cut_off_after("1200ms");
    assert!(
        sure.phases[1]
            .outage
            .as_ref()
            .unwrap()
            .opens_after_s
            .is_some()
    );
    assert_eq!(sure.phases[1].class, Class::Exact);
}
