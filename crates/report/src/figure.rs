//! The pictures of a report: pure functions from data to a picture.
//!
//! Small ones are as wide as a phone, so that text on them is as large as text beside them;
//! only the timeline is wider. What is predicted is a line, what is measured a dot with its
//! interval: shapes tell them apart, colours only help.

mod axis;
pub(crate) mod curve;
pub(crate) mod forest;
pub(crate) mod graph;
pub(crate) mod latency;
pub(crate) mod load;
pub(crate) mod losses;
pub(crate) mod policies;
pub(crate) mod scaling;
pub(crate) mod staircase;
pub(crate) mod timeline;

#[cfg(test)]
mod tests;

use crate::results::{proportion, shown_interval};
use traces::Ratio;

/// The width of small pictures.
const WIDTH: f64 = 360.0;
/// About how wide a character of a label is.
const CHARACTER: f64 = 6.2;

/// An estimate and its interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// The estimate.
    pub(crate) value: f64,
    /// The lower end of its interval.
    pub(crate) low: f64,
    /// The upper end.
    pub(crate) high: f64,
}

impl Seen {
    /// A share with the interval shown beside it; none of nothing.
    pub(crate) fn of(ratio: Ratio) -> Option<Self> {
        let interval = shown_interval(ratio)?;
        Some(Self {
            value: proportion(ratio)?.estimate().get(),
            low: interval.low.get(),
            high: interval.high.get(),
        })
    }
}

/// How many characters of a label fit into a width.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a width on a canvas, at least 0"
)]
fn fitting(width: f64) -> usize {
    (width / CHARACTER).max(1.0) as usize
}
