//! Does the measurement agree with the prediction?
//!
//! A prediction is judged in two stages. If it lies in the 99 % interval of the first run,
//! it holds. If not, one rerun of the same size with a fresh seed is judged at 99.9 %, and
//! the prediction fails only if both runs miss it on the same side.
//!
//! Why two: at 99 % alone, every hundredth sound row would be called wrong, and a report of
//! forty rows would cry wolf once in three readings. With the rerun a sound row fails at
//! most five times in a million, and a wrong one is still found.
//!
//! | first run, 99 % | rerun, 99.9 % | verdict |
//! |---|---|---|
//! | contains the prediction | - | holds |
//! | misses it | contains it, or misses it on the other side | holds |
//! | misses it | misses it on the same side | fails |
//!
//! A prediction or a bound that every result agrees with is never said to hold: that is
//! inconclusive.
//!
//! The intervals are those of Clopper and Pearson, which never cover less than they claim.

use crate::{
    bounds::Bounds,
    confidence::Confidence,
    doubt::Doubt,
    interval::{Interval, Proportion},
    power,
    probability::{Probability, nearest},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The level of the first look, and of verdicts against bounds.
pub const FIRST_LEVEL: Confidence = Confidence::P99;
/// The level of the rerun.
pub const RERUN_LEVEL: Confidence = Confidence::P999;
/// The probability with which a rerun of sufficient size finds the distance that matters.
///
/// A first run of this size, judged less strictly, finds it with 99 %: together above 90 %.
pub const POWER: Confidence = Confidence::P95;

/// What a run says about an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It agrees with the expectation, and would have shown a difference that matters.
    Holds,
    /// It contradicts the expectation.
    Fails,
    /// It could not have told.
    Inconclusive,
}

impl Verdict {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A verdict, and the doubts behind it if it is inconclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why the run could not have told; empty if it could.
    pub doubts: Vec<Doubt>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            doubts: Vec::new(),
        }
    }
}

impl Judgement {
    /// The worse of two: one that fails, else one that could not have told; with the doubts of
    /// both, each once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let verdicts = [self.verdict, other.verdict];
        let any = |verdict| verdicts.contains(&verdict);
        self.verdict = if any(Verdict::Fails) {
            Verdict::Fails
        } else if any(Verdict::Inconclusive) {
            Verdict::Inconclusive
        } else {
            Verdict::Holds
        };
        let known = std::mem::take(&mut self.doubts);
        for doubt in known.into_iter().chain(other.doubts) {
            // Several expectations may have the same doubt.
            if !self.doubts.contains(&doubt) {
                self.doubts.push(doubt);
            }
        }
        self
    }

    /// The judgement in view of further doubts: with any that matters, it is inconclusive.
    ///
    /// A small run matters only to what holds: a contradiction found with few requests is
    /// one nevertheless, for the interval knows how few there were.
    #[must_use]
    pub fn doubted(mut self, doubts: impl IntoIterator<Item = Doubt>) -> Self {
        let fails = self.verdict == Verdict::Fails;
        let matters = |doubt: &Doubt| !(fails && matches!(doubt, Doubt::TooFewRequests { .. }));
        let known = self.doubts.len();
        self.doubts.extend(doubts.into_iter().filter(matters));
        if self.doubts.len() > known {
            self.verdict = Verdict::Inconclusive;
        }
        self
    }
}

/// The side on which a measurement misses a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Less available than predicted.
    Below,
    /// More available than predicted.
    Above,
}

/// What the first run says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FirstLook {
    /// The prediction holds.
    Holds,
    /// The prediction was missed: run once more, with a fresh seed and the same size.
    NeedsRerun(Miss),
}

/// A first miss, waiting for its rerun.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Miss {
    prediction: Probability,
    side: Side,
}

/// Looks at the first run.
pub fn first_look(prediction: Probability, seen: Proportion) -> FirstLook {
    match missed_side(prediction, &seen.clopper_pearson(FIRST_LEVEL)) {
        None => FirstLook::Holds,
        Some(side) => FirstLook::NeedsRerun(Miss { prediction, side }),
    }
}

impl Miss {
    /// The side on which the first run missed.
    pub const fn side(self) -> Side {
        self.side
    }

    /// The same miss, for a rerun of which something else is predicted.
    #[must_use]
    pub const fn against(self, prediction: Probability) -> Self {
        Self { prediction, ..self }
    }

    /// Judges by the rerun.
    pub fn judge(self, rerun: Proportion) -> Verdict {
        match missed_side(self.prediction, &rerun.clopper_pearson(RERUN_LEVEL)) {
            Some(side) if side == self.side => Verdict::Fails,
            _ => Verdict::Holds,
        }
    }
}

/// The side on which the interval misses the prediction, if it does.
fn missed_side(prediction: Probability, interval: &Interval) -> Option<Side> {
    if interval.high < prediction {
        Some(Side::Below)
    } else if interval.low > prediction {
        Some(Side::Above)
    } else {
        None
    }
}

/// The requests with which both stages find an availability `distance` away from the
/// prediction; none for a distance of 0, one if nothing can be that far away.
///
/// The harder side and the harder stage decide: the rerun's 99.9 %, with [`POWER`].
pub fn requests_to_judge(prediction: Probability, distance: Probability) -> Option<u64> {
    let below = prediction.get() - distance.get();
    let above = prediction.get() + distance.get();
    let possible = [below, above]
        .into_iter()
        .filter(|truth| (0.0..=1.0).contains(truth));
    let needed = |truth| power::requests_to_tell(prediction, nearest(truth), RERUN_LEVEL, POWER);
    possible.map(needed).max().unwrap_or(Some(1))
}

/// The doubt that `requests` requests can't tell `distance`, if so.
pub fn too_few(prediction: Probability, distance: Probability, requests: u64) -> Option<Doubt> {
    let enough = requests_to_judge(prediction, distance);
    let doubt = Doubt::TooFewRequests { requests, enough };
    enough
        .is_none_or(|enough| requests < enough)
        .then_some(doubt)
}

/// The doubt that bounds hold every result, if they do. A verdict against them could only be
/// that they hold, whatever was measured.
pub fn vacuous(bounds: &Bounds) -> Option<Doubt> {
    bounds
        .hold_everything()
        .then_some(Doubt::NothingContradicts)
}

/// Judges a run against stated bounds by an interval that knows how failures cluster: inside
/// them it holds, outside it fails, and across one of them it is inconclusive.
pub fn within_bounds(bounds: &Bounds, interval: &Interval, requests: u64) -> Judgement {
    if bounds.contain(interval.low) && bounds.contain(interval.high) {
        Judgement::from(Verdict::Holds).doubted(vacuous(bounds))
    } else if interval.high < bounds.min() || interval.low > bounds.max() {
        Verdict::Fails.into()
    } else {
        Judgement::from(Verdict::Holds).doubted([Doubt::AcrossBound { requests }])
    }
}

/// Judges a run against stated bounds by its 99 % interval: inside them it holds, outside it
/// fails, and across one of them it is inconclusive.
///
/// The number of requests that would settle it is that for a truth equal to the measurement.
pub fn against_bounds(bounds: &Bounds, seen: Proportion) -> Judgement {
    let interval = seen.clopper_pearson(FIRST_LEVEL);
    if bounds.contain(interval.low) && bounds.contain(interval.high) {
        return Judgement::from(Verdict::Holds).doubted(vacuous(bounds));
    }
    if interval.high < bounds.min() || interval.low > bounds.max() {
        return Verdict::Fails.into();
    }
    let (min, max) = (bounds.min(), bounds.max());
    let crossed = [(interval.low < min, min), (interval.high > max, max)];
    let settle = |bound| power::requests_to_tell(bound, seen.estimate(), FIRST_LEVEL, POWER);
    let enough = crossed
        .into_iter()
        .filter(|(is_crossed, _)| *is_crossed)
        .map(|(_, bound)| settle(bound))
        // What was not enough this time is not enough, whatever an approximation says.
        .try_fold(seen.trials() + 1, |most, needed| Some(needed?.max(most)));
    Judgement::from(Verdict::Holds).doubted([Doubt::TooFewRequests {
        requests: seen.trials(),
        enough,
    }])
}
