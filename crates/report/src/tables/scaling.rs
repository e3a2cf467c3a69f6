//! Throughput by the number of replicas, beside the laws that it follows.

use super::Sheet;
use crate::{
    scaling::{Replicas, Scaling},
    words,
};
use availability::{
    format::{rate, rate_interval},
    scaling::{Estimate, Fit, Fits},
};

/// A row per number of replicas.
pub(crate) fn sheet(scaling: &Scaling) -> Sheet {
    let header = [
        "replicas",
        "predicted",
        "measured",
        "99 % interval",
        "Amdahl",
        "universal",
        "efficiency",
    ];
    let mut table = Sheet::new("Throughput by the number of replicas", &header, 0);
    for point in &scaling.points {
        table.add_row(row(point, scaling.laws.as_ref()));
    }
    table.note = Some(note(scaling));
    table
}

fn row(point: &Replicas, laws: Option<&Fits>) -> [String; 7] {
    let by = |law: Option<&Fit>| {
        let fitted = law.map(|law| law.at(f64::from(point.replicas)));
        fitted.map_or_else(dash, rate)
    };
    let seen = point.measured;
    [
        point.replicas.to_string(),
        point.predicted_per_s.map_or_else(dash, rate),
        seen.map_or_else(dash, |seen| rate(seen.per_s)),
        seen.map_or_else(dash, |seen| rate_interval(seen.low_per_s, seen.high_per_s)),
        by(laws.map(|laws| &laws.amdahl)),
        by(laws.and_then(|laws| laws.universal.as_ref())),
        seen.map_or_else(dash, |seen| words::share(seen.efficiency)),
    ]
}

fn note(scaling: &Scaling) -> String {
    let mut lines = if let Some(laws) = &scaling.laws {
        by_laws(laws)
    } else {
        let why = scaling.no_laws.as_deref().unwrap_or("nothing was measured");
        vec![format!("no law: {why}")]
    };
    lines.extend(left_out(&scaling.points));
    lines.join("\n")
}

fn by_laws(laws: &Fits) -> Vec<String> {
    let universal = laws.universal.as_ref().map(universal);
    let lines = [Some(amdahl(&laws.amdahl)), universal, Some(asked_for(laws))];
    let wide = "the intervals are wider than they need be: each answer counts as a draw of its own, \
                and slots that are all taken answer more evenly";
    let lines = lines.into_iter().flatten();
    lines.chain([wide.to_owned()]).collect()
}

/// Which replicas say nothing of the laws.
fn left_out(points: &[Replicas]) -> Option<String> {
    let is_left_out = |point: &&Replicas| point.measured.is_some_and(|seen| !seen.all_taken);
    let numbers = points.iter().filter(is_left_out);
    let numbers: Vec<_> = numbers.map(|point| point.replicas.to_string()).collect();
    let who = match &*numbers {
        [] => return None,
        [one] if one == "1" => "1 replica".to_owned(),
        numbers => format!("{} replicas", numbers.join(", ")),
    };
    Some(format!(
        "{who}: left out of the laws, for fewer than a tenth of the requests found all slots \
         taken, so what could be served is not known; raise the rate"
    ))
}

fn amdahl(fit: &Fit) -> String {
    let ceiling = fit.ceiling.as_ref();
    let ceiling = ceiling.map_or_else(
        || "no ceiling".to_owned(),
        |ceiling| match ceiling.high {
            Some(_) => format!("ceiling {}", per_second(ceiling)),
            None => format!("no ceiling seen; at least {}", rate(ceiling.low)),
        },
    );
    format!("Amdahl: {}; {ceiling}", common(fit))
}

fn universal(fit: &Fit) -> String {
    let peak = fit.peak.as_ref();
    let peak = peak.map_or_else(
        || "more always serve more".to_owned(),
        |peak| match peak.high {
            Some(_) => format!("most at {}", with_unit(peak, 1, " replicas")),
            None => format!("no peak seen; at {:.1} replicas or more", peak.low),
        },
    );
    format!(
        "universal: {}, κ {}; {peak}",
        common(fit),
        share(&fit.coherence)
    )
}

/// What both laws have.
fn common(fit: &Fit) -> String {
    let one = per_second(&fit.single);
    format!("one replica {one}, σ {}", share(&fit.contention))
}

fn asked_for(laws: &Fits) -> String {
    let fit = laws.asked_for();
    let which = match (laws.universal, fit.coherence.low > 0.0) {
        (None, _) => "four different numbers of replicas could tell the two laws apart",
        (_, true) => "the points ask for the universal law: κ is above 0",
        (_, false) => "the points do not ask for more than Amdahl's law: κ may be 0",
    };
    if fit.agrees {
        which.to_owned()
    } else {
        format!("{which}; they do not follow it as closely as their intervals would have it")
    }
}

fn with_unit(estimate: &Estimate, decimals: usize, unit: &str) -> String {
    let Estimate { value, low, high } = *estimate;
    let high = high.map_or_else(|| "?".to_owned(), |high| format!("{high:.decimals$}"));
    format!("{value:.decimals$}{unit} ({low:.decimals$} – {high}{unit})")
}

fn share(estimate: &Estimate) -> String {
    let percent = |value: f64| value * 100.0;
    let inside = Estimate {
        value: percent(estimate.value),
        low: percent(estimate.low),
        high: estimate.high.map(percent),
    };
    with_unit(&inside, 2, " %")
}

/// A rate with its interval, which may be open.
fn per_second(estimate: &Estimate) -> String {
    let Estimate { value, low, high } = *estimate;
    let inside = high.map_or_else(
        || format!("{} – ?", rate(low)),
        |high| rate_interval(low, high),
    );
    format!("{} ({inside})", rate(value))
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Throughput;
    use availability::{
        Confidence,
        scaling::{Point, fits, universal},
    };

    fn scaling(numbers: &[u32], contention: f64, coherence: f64) -> Scaling {
        let curve = |n: u32| universal(50.0, contention, coherence, f64::from(n));
        let points = numbers.iter().map(|n| Replicas {
            replicas: *n,
            predicted_per_s: Some(curve(*n)),
            measured: Some(Throughput {
                per_s: curve(*n),
                low_per_s: curve(*n) * 0.98,
                high_per_s: curve(*n) * 1.02,
                efficiency: curve(*n) / 50.0 / f64::from(*n),
                all_taken: true,
            }),
        });
        let measured = numbers
            .iter()
            .map(|n| Point::new(*n, curve(*n), curve(*n) * 0.01).unwrap());
        let laws = fits(&measured.collect::<Vec<_>>(), Confidence::P99);
        Scaling {
            scenario: "s".to_owned(),
            service: "back".into(),
            points: points.collect(),
            no_laws: laws.err().map(|error| error.to_string()),
            laws: laws.ok(),
        }
    }

    #[test]
    fn a_ceiling_stands_beside_amdahls_law_and_a_peak_beside_the_universal_one() {
        let sheet = sheet(&scaling(&[1, 2, 4, 8], 0.1, 0.0));
        assert_eq!(sheet.rows[3][..3], ["8", "235.3/s", "235.3/s"]);
        assert_eq!(sheet.rows[3][6], "58.82 %");
        let note = sheet.note.unwrap();
        assert!(
            note.contains("ceiling 500/s (") && note.contains("κ may be 0"),
            "{note}"
        );
        let note = super::sheet(&scaling(&[1, 2, 4, 8], 0.05, 0.05))
            .note
            .unwrap();
        assert!(
            note.contains("most at 4.4 replicas (") && note.contains("κ is above 0"),
            "{note}"
        );
    }

    #[test]
    fn a_ceiling_or_a_peak_whose_interval_has_no_end_is_not_seen() {
        // A hundredth of the ceiling is reached: less than the errors of the points.
        let note = sheet(&scaling(&[1, 2, 3, 4], 0.002, 0.0002)).note.unwrap();
        assert!(note.contains("no ceiling seen; at least "), "{note}");
        assert!(note.contains("no peak seen; at "), "{note}");
        assert!(!note.contains('?'), "{note}");
    }

    #[test]
    fn replicas_that_were_not_all_taken_are_named() {
        let mut scaling = scaling(&[1, 2, 4, 8], 0.1, 0.0);
        for last in &mut scaling.points[2..] {
            last.measured.as_mut().unwrap().all_taken = false;
        }
        let note = sheet(&scaling).note.unwrap();
        let told = "4, 8 replicas: left out of the laws, for fewer than a tenth of the requests \
                    found all slots taken, so what could be served is not known; raise the rate";
        assert!(note.ends_with(told), "{note}");
    }

    #[test]
    fn too_few_numbers_of_replicas_have_no_law_and_are_shown_all_the_same() {
        let sheet = sheet(&scaling(&[1, 2], 0.1, 0.0));
        assert_eq!(sheet.rows[1][4..6], ["-", "-"]);
        assert_eq!(
            sheet.note.unwrap(),
            "no law: 2 different numbers of replicas; allowed: 3 or more"
        );
    }
}
