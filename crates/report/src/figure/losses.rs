//! Where the nines went: what each hop lost, and what would be gained if it never failed.

use super::{Seen, WIDTH, axis::percent, fitting};
use crate::svg::{Anchor, Picture, Scale, area, estimate_lying, line, shortened, text};
use maud::{Markup, html};

/// One hop, in shares of all requests.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) hop: String,
    /// What was lost there.
    pub(crate) lost: f64,
    /// What would be gained if it never failed; none where that is not predicted.
    pub(crate) gain: Option<Seen>,
    /// Both in words.
    pub(crate) words: String,
}

const LEFT: f64 = 6.0;
const RIGHT: f64 = WIDTH - 6.0;
const TOP: f64 = 8.0;
const ROW: f64 = 42.0;
const BAR: f64 = 14.0;
const AXIS: f64 = 20.0;

/// A bar per hop for what was lost; across it, what would be gained.
pub(crate) fn draw(id: String, rows: &[Row]) -> Picture {
    let high = |row: &Row| row.gain.map_or(0.0, |gain| gain.high);
    let most = rows.iter().flat_map(|row| [row.lost, high(row)]);
    let most = most.filter(|end| end.is_finite()).fold(1e-4, f64::max);
    let scale = Scale::linear(0.0, most * 1.02, (LEFT, RIGHT));
    let bottom = TOP + ROW * rows.len() as f64;
    let one = |row: &Row| format!("{}: {}", row.hop, row.words);
    Picture {
        id,
        size: (WIDTH, bottom + AXIS),
        title: "Where the nines went".to_owned(),
        description: rows.iter().map(one).collect::<Vec<_>>().join("; "),
        marks: html! {
            (ticks(&scale, bottom))
            @for (nth, row) in rows.iter().enumerate() { (bar(row, TOP + ROW * nth as f64, &scale)) }
        },
    }
}

fn ticks(scale: &Scale, bottom: f64) -> Markup {
    let ticks = scale.ticks(4);
    let step = match ticks.as_slice() {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    html! {
        @for tick in ticks.iter().filter(|tick| scale.at(**tick) < RIGHT - 12.0) {
            @let x = scale.at(*tick);
            (line((x, TOP), (x, bottom), "grid"))
            (text((x.max(LEFT + 10.0), bottom + 13.0), Anchor::Middle, "label", &percent(*tick, step)))
        }
    }
}

fn bar(row: &Row, y: f64, scale: &Scale) -> Markup {
    let room = (RIGHT - LEFT) - (row.words.chars().count() + 1) as f64 * super::CHARACTER;
    let (top, middle) = (y + 18.0, y + 18.0 + BAR / 2.0);
    html! {
        (text((LEFT, y + 12.0), Anchor::Start, "name", &shortened(&row.hop, fitting(room))))
        (text((RIGHT, y + 12.0), Anchor::End, "value", &row.words))
        (area((LEFT, top), (scale.at(row.lost) - LEFT, BAR), "bar"))
        @if let Some(gain) = row.gain {
            (estimate_lying((scale.at(gain.value), middle), scale.at(gain.low), scale.at(gain.high), "measured"))
        }
    }
}
