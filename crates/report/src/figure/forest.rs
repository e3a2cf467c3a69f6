//! How far a measurement lies from its prediction: a dot, its interval, and a line at 0.

use super::Seen;
use crate::{
    svg::{Picture, Scale, area, estimate_lying, line},
    words::difference,
};
use maud::html;

const SIZE: (f64, f64) = (150.0, 24.0);

/// One scenario: what was seen, and the range that was predicted, in shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) seen: Seen,
    /// What was predicted, or is likely.
    pub(crate) predicted: f64,
    /// What agrees with the prediction: its range, or what lies too near to it to be told
    /// apart.
    pub(crate) range: (f64, f64),
}

impl Row {
    /// The farthest that anything of it lies from the prediction.
    fn reach(&self) -> f64 {
        let (least, most) = self.range;
        let ends = [self.seen.low, self.seen.high, self.seen.value, least, most];
        let apart = ends.map(|end| (end - self.predicted).abs());
        apart
            .into_iter()
            .filter(|end| end.is_finite())
            .fold(0.0, f64::max)
    }
}

/// The row, on an axis of its own: what counts is where the interval lies in the area.
pub(crate) fn draw(id: String, row: &Row) -> Picture {
    let (width, height) = SIZE;
    let reach = row.reach();
    let scale = Scale::linear(-reach, reach, (6.0, width - 6.0));
    let (least, most) = row.range;
    let at = |share: f64| scale.at(share - row.predicted);
    let seen = row.seen;
    let apart = |share: f64| difference(share - row.predicted);
    Picture {
        id,
        size: SIZE,
        title: "Measured minus predicted".to_owned(),
        description: format!(
            "{}, 99 % interval {} to {}",
            apart(seen.value),
            apart(seen.low),
            apart(seen.high)
        ),
        marks: html! {
            (area((at(least), 3.0), (at(most) - at(least), height - 6.0), "near"))
            (line((at(row.predicted), 1.0), (at(row.predicted), height - 1.0), "predicted"))
            (estimate_lying((at(seen.value), height / 2.0), at(seen.low), at(seen.high), "measured"))
        },
    }
}
