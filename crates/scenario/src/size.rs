//! Whether a run is large enough to tell what is asked of it: known before it starts.

use crate::{
    plan::{Bound, Expected, Length, Measure, Model, Plan},
    predict::Prediction,
};
use availability::{
    Bounds, Confidence, Probability,
    power::requests_to_tell,
    quantile::ranks,
    verdict::{FIRST_LEVEL, POWER, requests_to_judge},
};
use serde::Serialize;

/// What a number of requests can tell, beside what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// What is asked.
    pub of: Asked,
    /// How many requests the run is expected to make.
    pub requests: u64,
    /// The smallest distance that this number of requests can tell, as a share; none if they can tell
    /// none, or if no distance is asked.
    pub tells: Option<f64>,
    /// The distance that is asked, as a share.
    pub asked: Option<f64>,
    /// How many requests would be enough; none if no number is.
    pub enough: Option<u64>,
}

/// What a run is asked to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Its availability from one that is farther from the prediction than `expect.distance`.
    Prediction,
    /// That its availability is inside the stated bounds, or outside.
    Availability,
    /// The same of another measure.
    Bound(Measure),
}

impl Size {
    /// Whether the run can tell what is asked.
    pub fn is_enough(&self) -> bool {
        self.enough.is_some_and(|enough| self.requests >= enough)
    }
}

/// What the run of `plan` can tell of each of its expectations, as far as that is known before.
///
/// How many requests a closed load makes is known when it is over, and what clustered failures
/// say of a bound as well: then there is nothing to say here.
pub fn sizes(plan: &Plan, prediction: &Prediction) -> Vec<Size> {
    let load = plan.load();
    if matches!(
        (load.model, load.length),
        (Model::Closed { .. }, Length::For(_))
    ) {
        return Vec::new();
    }
    let requests = whole(plan.expected_requests());
    let expectation = plan.expectation();
    let clustered = plan.depends_on_time();
    // Without a prediction, nothing tells how large a run must be.
    let availability = prediction
        .value()
        .and_then(|value| match expectation.availability {
            Expected::Predicted => Some(judged(requests, value, expectation.distance)),
            Expected::Within(_) if clustered => None,
            Expected::Within(bounds) => settled(Asked::Availability, requests, value, &bounds),
        });
    let others = expectation.bounds.iter();
    let is_sized = |bound: &&Bound| {
        let is_time = matches!(bound.of, Measure::P50 | Measure::P99 | Measure::P999);
        // How much requests affect each other is known when the run is over.
        !(is_time && plan.requests_affect_each_other())
    };
    let others = others.filter(is_sized);
    let others = others.filter_map(|bound| of_bound(bound, requests, prediction, clustered));
    availability.into_iter().chain(others).collect()
}

/// Against the prediction.
fn judged(requests: u64, value: Probability, distance: Probability) -> Size {
    let needed = |distance: f64| {
        let distance = Probability::new(distance).ok()?;
        requests_to_judge(value, distance)
    };
    Size {
        of: Asked::Prediction,
        requests,
        tells: smallest(requests, needed),
        asked: Some(distance.get()),
        enough: needed(distance.get()),
    }
}

/// Against the bound that is nearest to what is expected.
fn settled(of: Asked, requests: u64, value: Probability, bounds: &Bounds) -> Option<Size> {
    let real = |bound: &Probability| *bound > Probability::ZERO && *bound < Probability::ONE;
    let ends = [bounds.min(), bounds.max()].into_iter().filter(real);
    let distance = |bound: &Probability| (bound.get() - value.get()).abs();
    let nearest = ends.min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
    let sign = (nearest.get() - value.get()).signum();
    let needed = |distance: f64| {
        let bound = Probability::new(value.get() + sign * distance).ok()?;
        requests_to_tell(bound, value, FIRST_LEVEL, POWER)
    };
    Some(Size {
        of,
        requests,
        tells: smallest(requests, needed),
        asked: Some(distance(&nearest)),
        enough: needed(distance(&nearest)),
    })
}

/// The smallest distance that `requests` requests can tell, if `needed` of them can tell `distance`.
fn smallest(requests: u64, needed: impl Fn(f64) -> Option<u64>) -> Option<f64> {
    let is_told = |distance: f64| needed(distance).is_some_and(|needed| needed <= requests);
    let (mut low, mut high) = (0.0, 1.0);
    // The larger the distance, the fewer are needed; 2⁻⁴⁰ is finer than anyone asks.
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        // A distance beyond every possible value is none that could be told.
        if is_told(middle) || needed(middle).is_none() {
            high = middle;
        } else {
            low = middle;
        }
    }
    is_told(high).then_some(high)
}

fn of_bound(
    bound: &Bound,
    requests: u64,
    prediction: &Prediction,
    clustered: bool,
) -> Option<Size> {
    let of = Asked::Bound(bound.of);
    let share = match bound.of {
        Measure::FullQuality if clustered || prediction.value().is_none() => return None,
        Measure::FullQuality => {
            let end = |end: Option<f64>| end.and_then(|end| Probability::new(end).ok());
            let bounds = Bounds::new(end(bound.min), end(bound.max)).ok()?;
            return settled(of, requests, prediction.full_quality, &bounds);
        }
        Measure::P50 => 0.5,
        Measure::P99 => 0.99,
        Measure::P999 => 0.999,
        // The first has no interval that is known before, and the second is a count.
        Measure::Amplification | Measure::Lost => return None,
    };
    Some(Size {
        of,
        requests,
        tells: None,
        asked: None,
        enough: enough_for_quantile(Probability::new(share).ok()?, bound),
    })
}

/// The fewest requests of which a quantile has the ends of its interval that the bound needs.
fn enough_for_quantile(quantile: Probability, bound: &Bound) -> Option<u64> {
    const MOST: u64 = 10_000_000;
    let has_ends = |requests: u64| {
        ranks(requests, quantile, Confidence::P99).is_some_and(|ranks| {
            (bound.min.is_none() || ranks.low.is_some())
                && (bound.max.is_none() || ranks.high.is_some())
        })
    };
    let (mut low, mut high) = (1, MOST);
    while low < high {
        let middle = u64::midpoint(low, high);
        if has_ends(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    has_ends(low).then_some(low)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "plans have at most some millions of requests"
)]
fn whole(requests: f64) -> u64 {
    requests.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{parse, predict};
    use availability::verdict::too_few;

    fn sizes_of(load: &str, expect: &str) -> Vec<Size> {
        let text = format!(
            "title = \"t\"\n[load]\n{load}\n[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n\
             [faults.f]\nkind = \"error\"\nprobability = 0.01\n[expect]\n{expect}\n"
        );
        let plan = parse("t", &text).unwrap_or_else(|errors| panic!("{errors}"));
        sizes(&plan, &predict(&plan))
    }

    const THOUSAND: &str = "rate = 100\nrequests = 1000";

    #[test]
    fn a_run_that_is_too_small_is_known_before_as_it_is_judged_after() {
        for (load, distance) in [
            (THOUSAND, 0.005),
            (THOUSAND, 0.05),
            ("rate = 1400\nrequests = 20000", 0.009),
        ] {
            let size = sizes_of(load, &format!("distance = {distance}"))[0];
            let value = Probability::new(0.99_f64.powi(4)).unwrap();
            let asked = Probability::new(distance).unwrap();
            let doubt = too_few(value, asked, size.requests);
            assert_eq!(size.is_enough(), doubt.is_none(), "{size:?}");
            assert_eq!(
                size.tells.unwrap() <= distance,
                size.is_enough(),
                "{size:?}"
            );
        }
    }

    #[test]
    fn as_many_as_are_enough_can_tell_what_is_asked_and_fewer_can_not() {
        let enough = sizes_of(THOUSAND, "distance = 0.005")[0].enough.unwrap();
        for (requests, is_enough) in [(enough, true), (enough - 1, false)] {
            let load = format!("rate = 1000\nrequests = {requests}");
            let size = sizes_of(&load, "distance = 0.005")[0];
            assert_eq!(size.is_enough(), is_enough, "{size:?}");
        }
    }

    #[test]
    fn a_bound_asks_more_the_nearer_it_is_to_the_prediction() {
        let near = sizes_of(THOUSAND, "availability = { min = 0.955 }")[0];
        let far = sizes_of(THOUSAND, "availability = { min = 0.8 }")[0];
        assert!(!near.is_enough() && far.is_enough(), "{near:?} {far:?}");
        assert!(near.enough.unwrap() > 100 * far.enough.unwrap());
        assert!((near.asked.unwrap() - 0.0056).abs() < 1e-4, "{near:?}");
    }

    #[test]
    fn a_percentile_needs_enough_requests_beyond_it() {
        let p99 = |requests: u64| {
            let load = format!("rate = 100\nrequests = {requests}");
            sizes_of(&load, "p99 = { max = \"1s\" }")[1]
        };
        // 0.99^n ≤ 0.005.
        assert_eq!(p99(400).enough, Some(528));
        assert!(!p99(500).is_enough() && p99(600).is_enough());
    }

    #[test]
    fn what_is_known_only_afterwards_is_not_judged_beforehand() {
        let closed = "model = \"closed\"\nworkers = 2\nfor = \"2s\"";
        assert_eq!(sizes_of(closed, "distance = 0.01"), []);
        assert_eq!(
            sizes_of(THOUSAND, "availability = { min = 0.9 }\nlost = { max = 0 }").len(),
            1
        );
    }
}
