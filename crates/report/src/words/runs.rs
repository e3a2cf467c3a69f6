//! Runs that do not count, loads that were lowered, and runs that are too small, in words.

use super::{count, percent};
use crate::{
    results::{Accounting, Line, RunResult},
    tables::expected,
};
use availability::format::rate;
use scenario::{Asked, Size};

/// What a run that does not count gave, and why it does not.
pub fn other_run(run: &RunResult) -> String {
    let ratio = run.analysis.root.outcomes.availability();
    let answered = ratio.value().map_or_else(|| "nothing".to_owned(), percent);
    let seed = run.seed;
    if run.doubts.is_empty() {
        return format!(
            "a first run (seed {seed}) measured {answered} and missed the prediction at 99 %"
        );
    }
    let doubts: Vec<_> = run.doubts.iter().map(ToString::to_string).collect();
    format!(
        "a run was discarded (seed {seed}, {answered} answered): {}",
        doubts.join("; ")
    )
}

/// Which observers' counts were compared.
pub fn counted_by(accounting: &Accounting) -> &'static str {
    let has_metrics = |line: &Line| {
        [&line.left, &line.right]
            .iter()
            .any(|it| it.by == "metrics")
    };
    if accounting.lines.iter().any(has_metrics) {
        "generator, metrics and spans"
    } else {
        "generator and spans (not metrics, which count other requests too)"
    }
}

/// How the load was lowered, if it was.
pub fn lowered(run: &RunResult) -> Option<String> {
    let check = run.host?;
    let lowered = check.lowered?;
    let carries = about(check.carries_per_s);
    let why = if lowered.after_a_disturbed_run {
        "this machine was too busy for the run before".to_owned()
    } else if check.is_busy() {
        format!("this machine is busy: it carries about {carries} requests/s of this chain now")
    } else {
        format!("this machine carries about {carries} requests/s of this chain")
    };
    Some(format!(
        "{why}; the load was lowered from {} to {} and takes {:.0} s instead of {:.0} s",
        rate(lowered.from_per_s),
        rate(lowered.to_per_s),
        lowered.to_s,
        lowered.from_s
    ))
}

/// What a number of requests can tell, beside what is asked.
pub fn size(size: &Size) -> String {
    let requests = count(size.requests);
    let enough = match size.enough {
        _ if size.is_enough() => String::new(),
        Some(enough) => format!(": about {} would be enough", count(rounded_up(enough))),
        None => ": no number would be enough".to_owned(),
    };
    let [tells, asked] =
        [size.tells, size.asked].map(|share| share.map(points).unwrap_or_default());
    match size.of {
        Asked::Prediction if size.tells.is_none() => {
            format!("{requests} requests can tell no difference from the prediction{enough}")
        }
        Asked::Prediction => format!(
            "{requests} requests can tell differences of {tells} percentage points or more; the \
             expectation asks for {asked}{enough}"
        ),
        Asked::Availability | Asked::Bound(scenario::Measure::FullQuality) => {
            let what = match size.of {
                Asked::Bound(of) => expected::name(of),
                _ => "availability",
            };
            format!(
                "{requests} requests can tell whether {what} keeps to a bound that is {tells} \
                 percentage points away or more; the nearest is {asked} away{enough}"
            )
        }
        Asked::Bound(of) => {
            let name = expected::name(of);
            let can = if size.is_enough() { "can" } else { "can't" };
            format!("{requests} requests {can} tell whether {name} keeps to its bound{enough}")
        }
    }
}

/// A share in percentage points, without digits that say nothing: `2.4`, `0.50`.
fn points(share: f64) -> String {
    let points = share * 100.0;
    let decimals = match points {
        points if points >= 1.0 => 1,
        points if points >= 0.1 => 2,
        _ => 3,
    };
    format!("{points:.decimals$}")
}

/// The next number of two digits and zeros.
fn rounded_up(number: u64) -> u64 {
    let digits = number.checked_ilog10().unwrap_or_default();
    let unit = 10_u64.pow(digits.saturating_sub(1));
    number.div_ceil(unit).saturating_mul(unit)
}

/// An estimate of a rate in two digits and zeros.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate above 0"
)]
fn about(rate: f64) -> String {
    let rate = rate.round() as u64;
    let unit = 10_u64.pow(rate.checked_ilog10().unwrap_or_default().saturating_sub(1));
    count((rate + unit / 2) / unit * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREDICTION: Size = Size {
        of: Asked::Prediction,
        requests: 1000,
        tells: Some(0.024),
        asked: Some(0.005),
        enough: Some(22_417),
    };

    #[test]
    fn a_run_that_is_too_small_says_what_would_be_enough() {
        assert_eq!(
            size(&PREDICTION),
            "1,000 requests can tell differences of 2.4 percentage points or more; the expectation \
             asks for 0.50: about 23,000 would be enough"
        );
        let enough = Size {
            enough: Some(1000),
            ..PREDICTION
        };
        assert!(size(&enough).ends_with("asks for 0.50"));
    }

    #[test]
    fn estimates_have_two_digits() {
        assert_eq!(
            [7, 99, 100, 101, 22_417].map(rounded_up),
            [7, 99, 100, 110, 23_000]
        );
        assert_eq!(
            [4.4, 87.0, 913.0, 1049.0].map(about),
            ["4", "87", "910", "1,000"]
        );
    }
}
