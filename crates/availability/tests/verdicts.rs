//! The two-stage rule and its error rates, enumerated rather than sampled.

use availability::{
    Bounds, Doubt, Judgement, Method, Probability, Proportion, Verdict, power,
    verdict::{
        FIRST_LEVEL, FirstLook, RERUN_LEVEL, Side, against_bounds, first_look, requests_to_judge,
        too_few, within_bounds,
    },
};
use statrs::distribution::{Binomial, Discrete};

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn seen(successes: u64, trials: u64) -> Proportion {
    Proportion::new(successes, trials).unwrap()
}

/// The probability that the rule says "fails" when each request succeeds with `truth`.
fn failing(prediction: f64, truth: f64, requests: u64) -> f64 {
    let law = Binomial::new(truth, requests).unwrap();
    let counts = (0..=requests).map(|x| (seen(x, requests), law.pmf(x)));
    // What is left out cannot add up to more than 1e-13.
    let counts: Vec<_> = counts.filter(|(_, weight)| *weight > 1e-16).collect();
    let look = |(first, weight): &(Proportion, f64)| match first_look(p(prediction), *first) {
        FirstLook::Holds => None,
        FirstLook::NeedsRerun(miss) => Some((miss, *weight)),
    };
    let first_misses: Vec<_> = counts.iter().filter_map(look).collect();
    let failing_on = |side| {
        let on_side = || first_misses.iter().filter(|(miss, _)| miss.side() == side);
        let Some((miss, _)) = on_side().next() else {
            return 0.0;
        };
        let fails = counts
            .iter()
            .filter(|(rerun, _)| miss.judge(*rerun) == Verdict::Fails);
        let rerun: f64 = fails.map(|(_, weight)| weight).sum();
        on_side().map(|(_, weight)| weight).sum::<f64>() * rerun
    };
    failing_on(Side::Below) + failing_on(Side::Above)
}

#[test]
fn a_sound_row_fails_at_most_five_times_in_a_million() {
    for requests in [1, 7, 60, 400] {
        for prediction in [0.001, 0.05, 0.5, 0.886_385, 0.960_596_01, 0.999] {
            let rate = failing(prediction, prediction, requests);
            assert!(rate <= 5e-6, "{prediction} {requests}: {rate}");
        }
    }
}

#[test]
fn forty_sound_rows_cry_wolf_in_at_most_two_of_ten_thousand_reports() {
    let rate = failing(0.960_596_01, 0.960_596_01, 500);
    assert!(1.0 - (1.0 - rate).powi(40) <= 2e-4, "{rate}");
}

#[test]
fn a_wrong_row_is_found() {
    assert!(failing(0.96, 0.90, 1_000) > 0.99);
    assert!(failing(0.90, 0.96, 1_000) > 0.99);
}

#[test]
fn twenty_thousand_requests_tell_a_fifth_hop_from_four() {
    let (four, five) = (p(0.99_f64.powi(4)), p(0.99_f64.powi(5)));
    let stage = |level| power::exact(20_000, five, four, Method::ClopperPearson, level).get();
    let found = stage(FIRST_LEVEL) * stage(RERUN_LEVEL);
    assert!(found > 0.9975, "{found}");
}

#[test]
fn the_size_asked_for_finds_the_distance_in_both_stages() {
    for (prediction, distance) in [(0.960_596, 0.009), (0.886, 0.012), (0.5, 0.05)] {
        let enough = requests_to_judge(p(prediction), p(distance)).unwrap();
        for truth in [prediction - distance, prediction + distance] {
            let stage = |level| {
                power::exact(
                    enough,
                    p(truth),
                    p(prediction),
                    Method::ClopperPearson,
                    level,
                )
                .get()
            };
            let found = stage(FIRST_LEVEL) * stage(RERUN_LEVEL);
            assert!(found > 0.9, "{prediction} {truth} {enough}: {found}");
        }
    }
}

#[test]
fn a_rerun_clears_a_row_unless_it_misses_on_the_same_side() {
    let FirstLook::NeedsRerun(miss) = first_look(p(0.96), seen(9_500, 10_000)) else {
        panic!("one point below is outside the 99 % interval")
    };
    assert_eq!(miss.side(), Side::Below);
    assert_eq!(miss.judge(seen(9_500, 10_000)), Verdict::Fails);
    assert_eq!(miss.judge(seen(9_600, 10_000)), Verdict::Holds);
    assert_eq!(miss.judge(seen(9_700, 10_000)), Verdict::Holds);
    assert_eq!(first_look(p(0.96), seen(9_600, 10_000)), FirstLook::Holds);
}

#[test]
fn a_certain_prediction_holds_only_without_exception() {
    assert_eq!(
        first_look(Probability::ZERO, seen(0, 1_600)),
        FirstLook::Holds
    );
    assert_ne!(
        first_look(Probability::ZERO, seen(1, 1_600)),
        FirstLook::Holds
    );
    assert_eq!(
        first_look(Probability::ONE, seen(1_600, 1_600)),
        FirstLook::Holds
    );
    assert_ne!(
        first_look(Probability::ONE, seen(1_599, 1_600)),
        FirstLook::Holds
    );
}

#[test]
fn too_few_requests_are_doubted_with_what_would_be_enough() {
    let (prediction, distance) = (p(0.960_596), p(0.009));
    let enough = requests_to_judge(prediction, distance).unwrap();
    assert!((12_000..13_000).contains(&enough), "{enough}");
    assert_eq!(too_few(prediction, distance, enough), None);
    let doubt = too_few(prediction, distance, 500).unwrap();
    let text = format!("500 requests are too few to tell; {enough} would be enough");
    assert_eq!(doubt.to_string(), text);
    assert!(too_few(prediction, Probability::ZERO, 10_000_000).is_some());
    assert_eq!(requests_to_judge(p(0.5), p(0.6)), Some(1));
}

#[test]
fn doubts_make_a_verdict_inconclusive_but_a_small_run_can_still_contradict() {
    let small = Doubt::TooFewRequests {
        requests: 10,
        enough: Some(100),
    };
    let late = Doubt::LateGenerator {
        late: 3,
        requests: 10,
    };
    let judged = |verdict: Verdict, doubt| Judgement::from(verdict).doubted([doubt]).verdict;
    assert_eq!(judged(Verdict::Holds, small), Verdict::Inconclusive);
    assert_eq!(judged(Verdict::Fails, small), Verdict::Fails);
    assert_eq!(judged(Verdict::Holds, late), Verdict::Inconclusive);
    assert_eq!(judged(Verdict::Fails, late), Verdict::Inconclusive);
    assert_eq!(
        Judgement::from(Verdict::Holds).doubted([]).verdict,
        Verdict::Holds
    );
}

#[test]
fn bounds_are_decided_by_the_whole_interval() {
    let between = Bounds::new(Some(p(0.95)), Some(p(0.97))).unwrap();
    let at_least = Bounds::new(Some(p(0.95)), None).unwrap();
    let verdict = |bounds, successes| against_bounds(bounds, seen(successes, 10_000)).verdict;
    assert_eq!(verdict(&between, 9_600), Verdict::Holds);
    assert_eq!(verdict(&between, 9_400), Verdict::Fails);
    assert_eq!(verdict(&between, 9_800), Verdict::Fails);
    assert_eq!(verdict(&between, 9_510), Verdict::Inconclusive);
    assert_eq!(verdict(&at_least, 10_000), Verdict::Holds);
    assert_eq!(verdict(&at_least, 9_510), Verdict::Inconclusive);
}

#[test]
fn a_straddled_bound_says_what_would_settle_it() {
    let bounds = Bounds::new(Some(p(0.95)), None).unwrap();
    let judged = against_bounds(&bounds, seen(9_530, 10_000));
    let [
        Doubt::TooFewRequests {
            requests: 10_000,
            enough: Some(enough),
        },
    ] = judged.doubts[..]
    else {
        panic!("{judged:?}")
    };
    assert!(enough > 10_000);
    let share = |n: u64| seen(n * 953 / 1_000, n);
    assert_eq!(
        against_bounds(&bounds, share(enough)).verdict,
        Verdict::Holds
    );
    let on_it = against_bounds(&bounds, seen(9_500, 10_000));
    assert_eq!(
        on_it.doubts,
        [Doubt::TooFewRequests {
            requests: 10_000,
            enough: None
        }]
    );
    let perfect = against_bounds(&bounds, seen(20, 20));
    assert!(matches!(
        perfect.doubts[..],
        [Doubt::TooFewRequests {
            enough: Some(_),
            ..
        }]
    ));
}

#[test]
fn verdicts_are_written_in_snake_case() {
    assert_eq!(
        serde_json::to_string(&Verdict::Inconclusive).unwrap(),
        r#""inconclusive""#
    );
    let doubt = Doubt::SpansLost {
        lost: 12,
        expected: 80_000,
    };
    let json = serde_json::to_value(doubt).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"doubt": "spans_lost", "lost": 12, "expected": 80_000})
    );
    let busy = Doubt::SaturatedHost { busy: p(0.97) };
    assert_eq!(
        busy.to_string(),
        "the host was 97 % busy; a lower rate would help"
    );
}

#[test]
fn what_fails_stays_so_beside_a_bound_that_can_not_be_told() {
    let across = Judgement::from(Verdict::Holds).doubted([Doubt::AcrossBound { requests: 10 }]);
    assert_eq!(across.verdict, Verdict::Inconclusive);
    let both = Judgement::from(Verdict::Fails).and(across.clone());
    assert_eq!(both.clone().doubted([]).verdict, Verdict::Fails);
    let late = Doubt::LateGenerator {
        late: 9,
        requests: 10,
    };
    assert_eq!(both.doubted([late]).verdict, Verdict::Inconclusive);
    let fine = Judgement::from(Verdict::Holds);
    assert_eq!(fine.clone().and(across).verdict, Verdict::Inconclusive);
    assert_eq!(fine.clone().and(fine).verdict, Verdict::Holds);
}

#[test]
fn bounds_that_hold_every_result_are_never_said_to_hold() {
    let seen = Proportion::new(700, 1000).unwrap();
    let interval = seen.clopper_pearson(FIRST_LEVEL);
    for (min, max) in [(Some(0.0), None), (None, Some(1.0)), (Some(0.0), Some(1.0))] {
        let bound = |value: Option<f64>| value.map(|value| Probability::new(value).unwrap());
        let bounds = Bounds::new(bound(min), bound(max)).unwrap();
        for judgement in [
            against_bounds(&bounds, seen),
            within_bounds(&bounds, &interval, 1000),
        ] {
            assert_eq!(judgement.verdict, Verdict::Inconclusive, "{bounds:?}");
            assert_eq!(judgement.doubts, [Doubt::NothingContradicts]);
        }
    }
    let bounds = Bounds::at_most(Probability::new(0.99).unwrap());
    assert_eq!(against_bounds(&bounds, seen).verdict, Verdict::Holds);
}
