//! Attempts at each hop for one request of the client: what retries cost.

use super::{WIDTH, fitting};
use crate::{
    svg::{Anchor, Picture, Scale, area, line, shortened, text},
    words::{times, times_about},
};
use maud::{Markup, html};

/// One hop.
#[derive(Debug, Clone)]
pub(crate) struct Row<'a> {
    /// Its name.
    pub(crate) hop: &'a str,
    /// Attempts for one request, and the half-width of their 99 % interval.
    pub(crate) seen: Option<(f64, Option<f64>)>,
    /// The same as predicted.
    pub(crate) predicted: Option<f64>,
}

const LEFT: f64 = 6.0;
const RIGHT: f64 = WIDTH - 6.0;
const TOP: f64 = 8.0;
const ROW: f64 = 42.0;
const BAR: f64 = 12.0;

/// A bar per hop, with a line across it where it was predicted to end.
pub(crate) fn draw(id: String, rows: &[Row<'_>]) -> Picture {
    let ends = rows.iter().flat_map(|row| {
        let seen = row.seen.map(|(load, half)| load + half.unwrap_or_default());
        [seen, row.predicted]
    });
    let most = ends
        .flatten()
        .filter(|end| end.is_finite())
        .fold(1.0, f64::max);
    let scale = Scale::linear(0.0, most * 1.02, (LEFT, RIGHT));
    Picture {
        id,
        size: (WIDTH, TOP * 2.0 + ROW * rows.len() as f64),
        title: "Attempts for one request, at each hop".to_owned(),
        description: describe(rows),
        marks: html! {
            @for (nth, row) in rows.iter().enumerate() { (bar(row, TOP + ROW * nth as f64, &scale)) }
        },
    }
}

fn describe(rows: &[Row<'_>]) -> String {
    let one = |row: &Row<'_>| format!("{}: {}", row.hop, in_words(row));
    rows.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn in_words(row: &Row<'_>) -> String {
    let seen = row.seen.map(|(load, half)| times_about(load, half));
    let seen = seen.unwrap_or_else(|| "not measured".to_owned());
    match row.predicted {
        Some(predicted) => format!("{seen}, predicted {}", times(predicted)),
        None => seen,
    }
}

fn bar(row: &Row<'_>, y: f64, scale: &Scale) -> Markup {
    let words = in_words(row);
    let room = (RIGHT - LEFT) - (words.chars().count() + 1) as f64 * super::CHARACTER;
    let (top, middle) = (y + 18.0, y + 18.0 + BAR / 2.0);
    html! {
        (text((LEFT, y + 12.0), Anchor::Start, "name", &shortened(row.hop, fitting(room))))
        (text((RIGHT, y + 12.0), Anchor::End, "value", &words))
        @if let Some((load, half)) = row.seen {
            (area((LEFT, top), (scale.at(load) - LEFT, BAR), "bar"))
            @let half = half.unwrap_or_default();
            (line((scale.at(load - half), middle), (scale.at(load + half), middle), "whisker"))
        }
        @if let Some(predicted) = row.predicted {
            @let x = scale.at(predicted);
            (line((x, top - 3.0), (x, top + BAR + 3.0), "predicted"))
        }
    }
}
