//! Latency by percentile: each further nine is one step to the right.

use super::WIDTH;
use crate::{
    svg::{Anchor, Picture, Point, Scale, area, dot, line, polyline, text},
    words::{millis, round_millis},
};
use maud::{Markup, html};
use traces::analysis::Latency;

const TOP: f64 = 26.0;
const BOTTOM: f64 = 186.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 38.0;
/// The names of the percentiles.
const NAMES: [&str; 4] = ["p50", "p90", "p99", "p99.9"];

/// All requests, and those answered in full, on a logarithmic axis of time.
pub(crate) fn draw(
    id: String,
    all: &Latency,
    answered: Option<&Latency>,
    patience_ms: Option<f64>,
) -> Picture {
    let patience_ms = patience_ms.filter(|patience| all.max_ms >= *patience);
    let both = [Some(all), answered];
    let values = || both.into_iter().flatten().flat_map(at).chain(patience_ms);
    let low = values().fold(f64::INFINITY, f64::min) / 1.6;
    let high = values().fold(0.0, f64::max) * 1.6;
    let y = Scale::logarithmic(low, high, (BOTTOM, TOP));
    let x = Scale::linear(0.0, 3.0, (LEFT + 22.0, RIGHT));
    Picture {
        id,
        size: (WIDTH, 214.0),
        title: "Latency by percentile".to_owned(),
        description: describe(all, answered),
        marks: html! {
            (lines(&y))
            @if let Some(patience) = patience_ms { (limit(y.at(patience), patience)) }
            @if let Some(answered) = answered { (series(answered, &x, &y, false)) }
            (series(all, &x, &y, true))
            @for (nth, name) in (0_u32..).zip(NAMES) {
                (text((x.at(f64::from(nth)), BOTTOM + 18.0), Anchor::Middle, "label", name))
            }
        },
    }
}

fn at(latency: &Latency) -> [f64; 4] {
    [
        latency.p50_ms,
        latency.p90_ms,
        latency.p99_ms,
        latency.p999_ms,
    ]
}

fn describe(all: &Latency, answered: Option<&Latency>) -> String {
    let in_words = |latency: &Latency| {
        let pairs = NAMES.iter().zip(at(latency));
        let pairs: Vec<_> = pairs
            .map(|(name, ms)| format!("{name} {}", millis(ms)))
            .collect();
        pairs.join(", ")
    };
    let answered = answered.map_or_else(String::new, |latency| {
        format!("; answered in full: {}", in_words(latency))
    });
    format!("all requests: {}{answered}", in_words(all))
}

fn lines(y: &Scale) -> Markup {
    html! {
        @for tick in y.ticks(5) {
            @let at = y.at(tick);
            (line((LEFT, at), (WIDTH - 4.0, at), "grid"))
            (text((LEFT - 6.0, at + 4.0), Anchor::End, "label", &round_millis(tick)))
        }
    }
}

fn limit(y: f64, patience_ms: f64) -> Markup {
    let words = format!("the client gives up: {}", millis(patience_ms));
    html! {
        (line((LEFT, y), (WIDTH - 4.0, y), "limit"))
        (text((LEFT + 4.0, y - 6.0), Anchor::Start, "label", &words))
    }
}

fn series(latency: &Latency, x: &Scale, y: &Scale, is_all: bool) -> Markup {
    let points: Vec<Point> = (0_u32..)
        .zip(at(latency))
        .map(|(nth, ms)| (x.at(f64::from(nth)), y.at(ms)))
        .collect();
    let class = if is_all { "measured" } else { "answered" };
    html! {
        (polyline(&points, class))
        @for ((px, py), ms) in points.iter().copied().zip(at(latency)) {
            @if is_all {
                (dot((px, py), 3.5, class))
                (text((px, py - 10.0), Anchor::Middle, "value", &millis(ms)))
            } @else {
                (area((px - 3.5, py - 3.5), (7.0, 7.0), class))
            }
        }
    }
}
