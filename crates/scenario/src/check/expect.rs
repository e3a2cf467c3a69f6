//! `[expect]`.

use super::{Check, Checked};
use crate::{
    plan::{Expectation, Expected},
    raw::{RawAvailability, RawBounds, RawExpect},
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
        Ok(Expectation {
            availability: availability?,
            distance: distance?,
        })
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
