//! `[expect]`.

use super::{Check, Checked};
use crate::{
    plan::{Bound, Expectation, Expected, Measure},
    raw::{RawAvailability, RawBounds, RawExpect, RawTimes},
};
use availability::Bounds;
use toml::Spanned;
use types::Probability;

/// The distance in availability that a run must be able to tell if it states none: one
/// point. For a chain at 96 % that takes some 10,000 requests.
pub const DEFAULT_DISTANCE: f64 = 0.01;

const AVAILABILITY: &[&str] = &["expect", "availability"];
const DISTANCE: &[&str] = &["expect", "distance"];

impl Check<'_> {
    pub(super) fn expectation(&mut self, expect: &RawExpect) -> Checked<Expectation> {
        let availability = match &expect.availability {
            Some(availability) => self.expected(availability),
            None => Ok(Expected::Predicted),
        };
        let distance = self.distance(expect.distance.as_ref());
        let bounds = self.all_bounds(expect);
        Ok(Expectation {
            availability: availability?,
            distance: distance?,
            bounds: bounds?,
        })
    }

    /// What else must hold, in a fixed order.
    fn all_bounds(&mut self, expect: &RawExpect) -> Checked<Vec<Bound>> {
        let quality = expect.full_quality.as_ref();
        let quality = quality.map(|raw| self.numbers(Measure::FullQuality, raw, 1.0));
        let times = [
            (Measure::P50, &expect.p50),
            (Measure::P99, &expect.p99),
            (Measure::P999, &expect.p999),
        ];
        let times = times.map(|(of, raw)| raw.as_ref().map(|raw| self.times_of(of, raw)));
        let counts = [
            (Measure::Amplification, &expect.amplification),
            (Measure::Lost, &expect.lost),
        ];
        let counts = counts.map(|(of, raw)| raw.as_ref().map(|raw| self.numbers(of, raw, 1e6)));
        let all = [quality].into_iter().chain(times).chain(counts);
        all.flatten().collect()
    }

    /// Bounds that are plain numbers from 0 to `most`.
    fn numbers(&mut self, of: Measure, raw: &Spanned<RawBounds>, most: f64) -> Checked<Bound> {
        let RawBounds { min, max } = *raw.get_ref();
        let fits = |value: f64| (0.0..=most).contains(&value);
        if [min, max].into_iter().flatten().all(fits) {
            self.in_order(raw, Bound { of, min, max })
        } else {
            self.refuse(&["expect", of.as_str()], raw)
        }
    }

    /// Bounds that are durations, in milliseconds.
    fn times_of(&mut self, of: Measure, raw: &Spanned<RawTimes>) -> Checked<Bound> {
        let mut millis = |key, text: &Option<_>| {
            let path = ["expect", of.as_str(), key];
            let time = self.optional_duration(&path, text.as_ref());
            time.map(|time| time.map(|time| time.as_secs_f64() * 1e3))
        };
        let RawTimes { min, max } = raw.get_ref();
        let (min, max) = (millis("min", min), millis("max", max));
        let (min, max) = (min?, max?);
        self.in_order(raw, Bound { of, min, max })
    }

    fn in_order<N>(&mut self, raw: &Spanned<N>, bound: Bound) -> Checked<Bound> {
        let path = ["expect", bound.of.as_str()];
        match (bound.min, bound.max) {
            (None, None) => self.refuse(&path, raw),
            (Some(min), Some(max)) if min > max => {
                let reason = "min is above max; allowed: not above it".to_owned();
                self.conflict(&path, raw, reason)
            }
            _ => Ok(bound),
        }
    }

    fn expected(&mut self, expected: &Spanned<RawAvailability>) -> Checked<Expected> {
        match expected.get_ref() {
            RawAvailability::Word(word) if word == "predicted" => Ok(Expected::Predicted),
            RawAvailability::Word(_) => self.refuse(AVAILABILITY, expected),
            RawAvailability::Bounds(bounds) => self.bounds(expected, bounds),
        }
    }

    fn bounds(
        &mut self,
        whole: &Spanned<RawAvailability>,
        RawBounds { min, max }: &RawBounds,
    ) -> Checked<Expected> {
        let probability = |value: &Option<f64>| value.map(Probability::new).transpose();
        let (Ok(min), Ok(max)) = (probability(min), probability(max)) else {
            return self.refuse(AVAILABILITY, whole);
        };
        match Bounds::new(min, max) {
            Ok(bounds) => Ok(Expected::Within(bounds)),
            Err(error) => self.conflict(AVAILABILITY, whole, error.to_string()),
        }
    }

    fn distance(&mut self, distance: Option<&Spanned<f64>>) -> Checked<Probability> {
        let default = Spanned::new(0..0, DEFAULT_DISTANCE);
        let distance = distance.unwrap_or(&default);
        match Probability::new(*distance.get_ref()) {
            Ok(value) if value > Probability::ZERO && value < Probability::ONE => Ok(value),
            _ => self.refuse(DISTANCE, distance),
        }
    }
}
