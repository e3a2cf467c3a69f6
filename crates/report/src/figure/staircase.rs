//! The staircase: how availability drops hop by hop.

use super::{Seen, WIDTH, axis, fitting};
use crate::{
    svg::{Anchor, Picture, Point, estimate, polygon, polyline, px, shortened, text},
    words::percent,
};
use maud::{Markup, html};

/// One hop.
#[derive(Debug, Clone)]
pub(crate) struct Step<'a> {
    /// Its name.
    pub(crate) hop: &'a str,
    /// The share of requests not lost down to here, as predicted.
    pub(crate) predicted: Option<f64>,
    /// The same as measured.
    pub(crate) seen: Option<Seen>,
}

const TOP: f64 = 22.0;
const BOTTOM: f64 = 196.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 6.0;
/// With more hops than this, names stand aslant and only the last value is written.
const ROOMY: usize = 5;

/// Predicted steps, and measured points with their intervals.
pub(crate) fn draw(id: String, steps: &[Step<'_>]) -> Picture {
    let predicted = steps.iter().filter_map(|step| step.predicted);
    let lows = steps.iter().filter_map(|step| Some(step.seen?.low));
    let scale = axis::shares(predicted.chain(lows), BOTTOM, TOP);
    let width = (RIGHT - LEFT) / steps.len().max(1) as f64;
    let place = Place { width, scale };
    let height = if steps.len() > ROOMY { 262.0 } else { 220.0 };
    Picture {
        id,
        size: (WIDTH, height),
        title: "The staircase of availability".to_owned(),
        description: describe(steps),
        marks: html! {
            (axis::share_lines(&scale, LEFT, RIGHT))
            (stairs(steps, &place))
            @for (nth, step) in steps.iter().enumerate() {
                (point(step, nth, steps.len(), &place))
                (name(step, nth, steps.len(), &place))
            }
        },
    }
}

struct Place {
    width: f64,
    scale: crate::svg::Scale,
}

impl Place {
    fn left(&self, nth: usize) -> f64 {
        LEFT + self.width * nth as f64
    }

    fn middle(&self, nth: usize) -> f64 {
        self.left(nth) + self.width / 2.0
    }
}

fn describe(steps: &[Step<'_>]) -> String {
    let one = |step: &Step<'_>| {
        let share = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), percent);
        let seen = share(step.seen.map(|seen| seen.value));
        format!(
            "down to {}: measured {seen}, predicted {}",
            step.hop,
            share(step.predicted)
        )
    };
    let all: Vec<_> = steps.iter().map(one).collect();
    all.join("; ")
}

/// The steps, and the ground they stand on. They begin at 100 %.
fn stairs(steps: &[Step<'_>], place: &Place) -> Markup {
    let mut corners: Vec<Point> = vec![(LEFT, place.scale.at(1.0))];
    for (nth, step) in steps.iter().enumerate() {
        if let Some(share) = step.predicted {
            let y = place.scale.at(share);
            corners.extend([(place.left(nth), y), (place.left(nth + 1), y)]);
        }
    }
    let right = corners.last().map_or(LEFT, |corner| corner.0);
    let ground = [corners.as_slice(), &[(right, BOTTOM), (LEFT, BOTTOM)]].concat();
    html! { (polygon(&ground, "ground")) (polyline(&corners, "predicted")) }
}

fn point(step: &Step<'_>, nth: usize, of: usize, place: &Place) -> Markup {
    let Some(seen) = step.seen else {
        return html! {};
    };
    let [y, low, high] = [seen.value, seen.low, seen.high].map(|share| place.scale.at(share));
    let is_last = nth + 1 == of;
    let x = place.middle(nth);
    let (at, anchor) = if of > ROOMY {
        (RIGHT, Anchor::End)
    } else {
        (x, Anchor::Middle)
    };
    html! {
        (estimate((x, y), low, high, "measured"))
        @if of <= ROOMY || is_last {
            (text((at, high - 8.0), anchor, "value", &percent(seen.value)))
        }
    }
}

fn name(step: &Step<'_>, nth: usize, of: usize, place: &Place) -> Markup {
    let x = place.middle(nth);
    if of <= ROOMY {
        let name = shortened(step.hop, fitting(place.width));
        return text((x, BOTTOM + 18.0), Anchor::Middle, "name", &name);
    }
    let y = BOTTOM + 14.0;
    html! {
        g transform={"rotate(-45 " (px(x)) " " (px(y)) ")"} {
            (text((x, y), Anchor::End, "name", &shortened(step.hop, 10)))
        }
    }
}
