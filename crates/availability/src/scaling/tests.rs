use super::*;
use crate::confidence::Confidence;

const REPLICAS: [u32; 6] = [1, 2, 3, 4, 6, 8];

/// Points on a curve, each off by its error times what `noise` says.
fn points(curve: impl Fn(f64) -> f64, error: f64, mut noise: impl FnMut() -> f64) -> Vec<Point> {
    let point = |replicas: u32| {
        let exact = curve(f64::from(replicas));
        let deviation = exact * error;
        Point::new(replicas, exact + deviation * noise(), deviation).unwrap()
    };
    REPLICAS.into_iter().map(point).collect()
}

fn fitted(points: &[Point]) -> Fits {
    fits(points, Confidence::P99).unwrap()
}

fn is_near(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= 1e-6 * expected.abs().max(1e-3)
}

/// Normal draws from a seed: `SplitMix64` (Steele and others 2014), then Box and Muller 1958.
fn normal(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    move || {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * uniform()).cos()
    }
}

fn covers(estimate: &Estimate, truth: f64) -> bool {
    estimate.low <= truth && estimate.high.is_none_or(|high| truth <= high)
}

#[test]
fn points_on_amdahls_curve_give_its_parameters_and_ask_for_no_other_law() {
    let found = fitted(&points(|n| amdahl(50.0, 0.1, n), 0.01, || 0.0));
    let Fit {
        single,
        contention,
        ceiling,
        ..
    } = found.amdahl;
    assert!(is_near(single.value, 50.0) && is_near(contention.value, 0.1));
    assert!(is_near(ceiling.unwrap().value, 500.0));
    assert!(found.amdahl.agrees && found.universal.unwrap().agrees);
    assert_eq!(found.asked_for().law, Law::Amdahl);
    assert_eq!(found.amdahl.peak, None);
}

#[test]
fn points_on_the_universal_curve_give_its_parameters_and_its_peak() {
    let found = fitted(&points(|n| universal(50.0, 0.05, 0.05, n), 0.01, || 0.0));
    let fit = found.asked_for();
    assert_eq!(fit.law, Law::Universal);
    assert!(is_near(fit.single.value, 50.0) && is_near(fit.contention.value, 0.05));
    assert!(is_near(fit.coherence.value, 0.05));
    let peak = fit.peak.unwrap();
    assert!(is_near(peak.value, 19.0_f64.sqrt()), "{peak:?}");
    assert!(peak.low > 4.0 && peak.high.unwrap() < 5.0, "{peak:?}");
    assert!(!found.amdahl.agrees, "Amdahl's law knows no peak");
    for replicas in REPLICAS.map(f64::from) {
        assert!(is_near(
            fit.at(replicas),
            universal(50.0, 0.05, 0.05, replicas)
        ));
    }
}

#[test]
fn replicas_that_share_nothing_have_no_ceiling() {
    let found = fitted(&points(|n| 50.0 * n, 0.01, || 0.0)).amdahl;
    assert!(found.contention.value < 1e-9 && found.contention.high.unwrap() > 0.0);
    // The ceiling that is left is that of rounding.
    assert!(
        found
            .ceiling
            .is_none_or(|ceiling| ceiling.value > 1e9 && ceiling.high.is_none())
    );
}

#[test]
fn replicas_that_better_the_first_one_are_not_a_negative_share() {
    let found = fitted(&points(|n| 50.0 * n * (1.0 + n / 100.0), 0.01, || 0.0));
    for fit in [found.amdahl, found.universal.unwrap()] {
        assert!(fit.contention.value >= 0.0 && fit.contention.low >= 0.0);
        assert!(fit.coherence.value >= 0.0 && fit.coherence.low >= 0.0);
    }
}

#[test]
fn more_replicas_that_serve_the_same_are_all_serial() {
    let found = fitted(&points(|_| 50.0, 0.01, || 0.0)).amdahl;
    assert!(is_near(found.contention.value, 1.0), "{found:?}");
    assert!(is_near(found.ceiling.unwrap().value, 50.0));
}

#[test]
fn replicas_that_only_hinder_each_other_serve_most_alone() {
    let found = fitted(&points(|n| 50.0 / n, 0.01, || 0.0));
    let fit = found.asked_for();
    assert_eq!(fit.law, Law::Universal);
    assert!(
        fit.contention.value <= 1.0 && fit.contention.high <= Some(1.0),
        "{fit:?}"
    );
    // Points that are well known leave no doubt of it, and others do.
    for (error, most) in [(0.01, 1.0), (0.1, 3.0)] {
        let found = fitted(&points(|n| 50.0 / n, error, || 0.0));
        let peak = found.universal.unwrap().peak.unwrap();
        let high = peak.high.unwrap();
        assert!(is_near(peak.value, 1.0) && is_near(peak.low, 1.0));
        assert!(
            is_near(high, 1.0) == (error < 0.05) && high <= most,
            "{peak:?}"
        );
    }
}

#[test]
fn too_few_points_are_refused_with_the_number_that_would_do() {
    let all = points(|n| amdahl(50.0, 0.1, n), 0.01, || 0.0);
    for few in 0..3 {
        let error = fits(&all[..few], Confidence::P99).unwrap_err();
        assert_eq!(
            error,
            NoFit::TooFew {
                found: few,
                least: 3
            }
        );
        assert!(error.to_string().ends_with("allowed: 3 or more"));
    }
    let twice = [all[0], all[0], all[1], all[1]];
    assert!(fits(&twice, Confidence::P99).is_err(), "only two differ");
    assert_eq!(fitted(&all[..3]).universal, None);
}

#[test]
fn what_can_not_have_been_measured_is_no_point() {
    assert_eq!(Point::new(0, 50.0, 1.0), Err(InvalidPoint::NoReplicas));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for error in [Point::new(2, bad, 1.0), Point::new(2, 50.0, bad)] {
            let told = error.unwrap_err().to_string();
            assert!(
                told.contains("2 replicas") && told.contains("allowed: "),
                "{told}"
            );
        }
    }
}

/// 3,000 draws of intervals with 99 % miss 30 times on average; more than 60 times less than once
/// in a million seeds, and the seeds are fixed.
#[test]
fn the_intervals_cover_the_truth_as_often_as_they_say() {
    const DRAWS: u64 = 3_000;
    for (contention, coherence) in [(0.1, 0.0), (0.05, 0.05), (0.0, 0.02), (0.3, 0.001)] {
        let mut missed = [0; 4];
        let mut wrong_law = 0;
        for seed in 0..DRAWS {
            let curve = |n| universal(50.0, contention, coherence, n);
            let found = fitted(&points(curve, 0.02, normal(seed * 1_000_003)));
            let fit = found.universal.unwrap();
            let truths = [
                (&fit.single, 50.0),
                (&fit.contention, contention),
                (&fit.coherence, coherence),
            ];
            for (missed, (estimate, truth)) in missed.iter_mut().zip(truths) {
                *missed += u64::from(!covers(estimate, truth));
            }
            if let Some(peak) = fit.peak.filter(|_| coherence >= 0.02) {
                let truth = ((1.0 - contention) / coherence).sqrt();
                missed[3] += u64::from(!covers(&peak, truth));
            }
            wrong_law += u64::from(coherence == 0.0 && found.asked_for().law != Law::Amdahl);
        }
        assert!(
            missed.iter().all(|missed| *missed <= 60),
            "{contention} {coherence}: {missed:?}"
        );
        assert!(wrong_law <= 40, "{wrong_law} of {DRAWS}");
    }
}
