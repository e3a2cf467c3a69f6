//! The curve: availability over the depth of a nested chain.

use super::{Seen, WIDTH, axis};
use crate::{
    svg::{Anchor, Picture, Point, Scale, estimate, polyline, text},
    words::percent,
};
use maud::{Markup, html};

/// The lowest hops of a chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    /// How many hops.
    pub(crate) hops: usize,
    /// Their availability as predicted.
    pub(crate) predicted: f64,
    /// The same as measured.
    pub(crate) seen: Option<Seen>,
}

const TOP: f64 = 14.0;
const BOTTOM: f64 = 186.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 14.0;

/// The predicted curve, and measured points with their intervals.
pub(crate) fn draw(id: String, depths: &[Depth]) -> Picture {
    let lows = depths.iter().filter_map(|depth| Some(depth.seen?.low));
    let shares = depths.iter().map(|depth| depth.predicted).chain(lows);
    let most = depths.iter().map(|depth| depth.hops).max().unwrap_or(1);
    let (x, y) = (
        Scale::linear(0.5, most as f64 + 0.5, (LEFT, RIGHT)),
        axis::shares(shares, BOTTOM, TOP),
    );
    let line: Vec<Point> = depths
        .iter()
        .map(|depth| (x.at(depth.hops as f64), y.at(depth.predicted)))
        .collect();
    Picture {
        id,
        size: (WIDTH, 226.0),
        title: "Availability over the number of hops".to_owned(),
        description: describe(depths),
        marks: html! {
            (axis::share_lines(&y, LEFT, RIGHT))
            (polyline(&line, "predicted"))
            @for depth in depths { (point(depth, &x, &y, depth.hops == most)) }
            @let below = (f64::midpoint(LEFT, RIGHT), BOTTOM + 36.0);
            (text(below, Anchor::Middle, "label", "hops, counted from the last of the chain"))
        },
    }
}

fn describe(depths: &[Depth]) -> String {
    let one = |depth: &Depth| {
        let seen = depth.seen.map(|seen| percent(seen.value));
        let seen = seen.unwrap_or_else(|| "unknown".to_owned());
        format!(
            "{} hops: measured {seen}, predicted {}",
            depth.hops,
            percent(depth.predicted)
        )
    };
    depths.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn point(depth: &Depth, x: &Scale, y: &Scale, is_last: bool) -> Markup {
    let at = x.at(depth.hops as f64);
    html! {
        @if let Some(seen) = depth.seen {
            @let [value, low, high] = [seen.value, seen.low, seen.high].map(|share| y.at(share));
            (estimate((at, value), low, high, "measured"))
            @if is_last {
                (text((RIGHT + 10.0, low + 16.0), Anchor::End, "value", &percent(seen.value)))
            }
        }
        (text((at, BOTTOM + 18.0), Anchor::Middle, "label", &depth.hops.to_string()))
    }
}
