//! What each policy buys and costs: a picture per measure, in each a row per policy.

use super::{Seen, WIDTH, axis, fitting};
use crate::{
    svg::{Anchor, Picture, Scale, area, dot, estimate_lying, line, shortened, text},
    words::round_millis,
};
use maud::{Markup, html};

/// What is measured of one policy.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    /// A share, and the one that was predicted, if any was.
    Share(Seen, Option<f64>),
    /// Latencies in milliseconds: p50, p99 and p99.9.
    Latency([f64; 3]),
    /// An amount.
    Amount(f64),
}

/// A policy.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What it is called.
    pub(crate) name: String,
    /// Its value in words.
    pub(crate) words: String,
    /// Its value; none if nothing was measured.
    pub(crate) mark: Option<Mark>,
}

const LEFT: f64 = 6.0;
/// To the right of it stand the words.
const MIDDLE: f64 = WIDTH - 118.0;
const RIGHT: f64 = WIDTH - 6.0;
const TOP: f64 = 6.0;
const ROW: f64 = 40.0;
const AXIS: f64 = 22.0;

/// A row per policy, all on one axis.
pub(crate) fn draw(id: String, title: String, rows: &[Row]) -> Picture {
    let scale = scale(rows);
    let bottom = TOP + ROW * rows.len() as f64;
    let one = |row: &Row| format!("{}: {}", row.name, row.words);
    Picture {
        id,
        size: (WIDTH, bottom + AXIS),
        description: rows.iter().map(one).collect::<Vec<_>>().join("; "),
        title,
        marks: html! {
            (ticks(rows, &scale, bottom))
            @for (nth, row) in rows.iter().enumerate() {
                (policy(row, TOP + ROW * nth as f64, &scale))
            }
        },
    }
}

fn values(row: &Row) -> Vec<f64> {
    match row.mark {
        Some(Mark::Share(seen, predicted)) => {
            [seen.low, seen.high].into_iter().chain(predicted).collect()
        }
        Some(Mark::Latency(latency)) => latency.into(),
        Some(Mark::Amount(amount)) => vec![amount],
        None => Vec::new(),
    }
}

fn scale(rows: &[Row]) -> Scale {
    let values = || rows.iter().flat_map(values);
    let most = values().fold(0.0, f64::max);
    let least = values().fold(f64::INFINITY, f64::min);
    match rows.iter().find_map(|row| row.mark) {
        Some(Mark::Share(..)) => axis::shares(values(), LEFT, MIDDLE),
        Some(Mark::Latency(_)) => Scale::logarithmic(least / 1.3, most * 1.3, (LEFT, MIDDLE)),
        _ => Scale::linear(0.0, most, (LEFT, MIDDLE)),
    }
}

fn ticks(rows: &[Row], scale: &Scale, bottom: f64) -> Markup {
    let ticks = scale.ticks(3);
    let step = match ticks.as_slice() {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let label = |tick: f64| match rows.iter().find_map(|row| row.mark) {
        Some(Mark::Share(..)) => axis::percent(tick, step),
        Some(Mark::Latency(_)) => round_millis(tick),
        _ => format!("{}", (tick * 1e3).round() / 1e3),
    };
    html! {
        @for tick in &ticks {
            @let x = scale.at(*tick);
            (line((x, TOP), (x, bottom), "grid"))
            (text((x.max(LEFT + 12.0), bottom + 14.0), Anchor::Middle, "label", &label(*tick)))
        }
    }
}

fn policy(row: &Row, top: f64, scale: &Scale) -> Markup {
    let y = top + 24.0;
    html! {
        (text((LEFT, top + 12.0), Anchor::Start, "name", &shortened(&row.name, fitting(RIGHT - LEFT))))
        (text((RIGHT, y + 4.0), Anchor::End, "value", &row.words))
        @match row.mark {
            Some(Mark::Share(seen, predicted)) => {
                @if let Some(x) = predicted.map(|share| scale.at(share)) {
                    (line((x, y - 8.0), (x, y + 8.0), "predicted"))
                }
                (estimate_lying((scale.at(seen.value), y), scale.at(seen.low), scale.at(seen.high), "measured"))
            }
            Some(Mark::Latency([p50, p99, p999])) => {
                (line((scale.at(p50), y), (scale.at(p999), y), "measured"))
                (dot((scale.at(p50), y), 3.5, "measured"))
                (area((scale.at(p99) - 3.5, y - 3.5), (7.0, 7.0), "answered"))
                (line((scale.at(p999), y - 5.0), (scale.at(p999), y + 5.0), "measured"))
            }
            Some(Mark::Amount(amount)) => {
                (area((LEFT, y - 6.0), (scale.at(amount) - LEFT, 12.0), "bar"))
            }
            None => {}
        }
    }
}
