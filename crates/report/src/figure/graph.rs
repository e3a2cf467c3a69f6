//! Who calls whom, with the availability of each: of its own work, and of calls to it.

use super::{WIDTH, fitting};
use crate::{
    svg::{Anchor, Picture, Point, area, line, polygon, shortened, text},
    words::percent,
};
use maud::{Markup, html};

/// A service.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// How many calls stand above it, at most.
    pub(crate) depth: usize,
    /// The availability of its own work.
    pub(crate) own: Option<f64>,
    /// That of calls to it.
    pub(crate) call: Option<f64>,
    /// Whether most of what was lost was lost here.
    pub(crate) is_worst: bool,
}

/// A call: from one place in the list of services to another, and which of its caller's it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrow {
    /// The caller.
    pub(crate) from: usize,
    /// The callee.
    pub(crate) to: usize,
    /// Which call of the caller's it is, if it makes several.
    pub(crate) nth: Option<usize>,
}

/// How many services stand beside each other at most.
const BESIDE: usize = 4;
/// How many do in a chain that turns at its ends.
const TURNING: usize = 3;
const HEIGHT: f64 = 54.0;
const BELOW: f64 = 92.0;
const MARGIN: f64 = 6.0;

/// Services as boxes, calls as arrows.
pub(crate) fn draw(id: String, nodes: &[Node<'_>], arrows: &[Arrow]) -> Picture {
    let boxes = if is_long_chain(nodes) {
        turning(nodes.len())
    } else {
        layered(nodes)
    };
    let bottom = boxes
        .iter()
        .map(|place| place.y + HEIGHT)
        .fold(0.0, f64::max);
    Picture {
        id,
        size: (WIDTH, bottom + MARGIN),
        title: "Who calls whom".to_owned(),
        description: describe(nodes, arrows),
        marks: html! {
            @for arrow in arrows {
                @if let (Some(from), Some(to)) = (boxes.get(arrow.from), boxes.get(arrow.to)) {
                    (call(*from, *to, arrow.nth))
                }
            }
            @for (node, place) in nodes.iter().zip(&boxes) { (service(node, *place)) }
        },
    }
}

/// The upper left corner of a box, and its width.
#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
}

fn is_long_chain(nodes: &[Node<'_>]) -> bool {
    nodes.len() > TURNING
        && nodes
            .iter()
            .enumerate()
            .all(|(nth, node)| node.depth == nth)
}

/// A chain as a line that turns at its ends, as a plough does.
fn turning(count: usize) -> Vec<Place> {
    let pitch = (WIDTH - 2.0 * MARGIN) / TURNING as f64;
    let place = |nth: usize| {
        let (row, column) = (nth / TURNING, nth % TURNING);
        let column = if row.is_multiple_of(2) {
            column
        } else {
            TURNING - 1 - column
        };
        Place {
            x: MARGIN + pitch * column as f64 + 12.0,
            y: MARGIN + (HEIGHT + 26.0) * row as f64,
            width: pitch - 24.0,
        }
    };
    (0..count).map(place).collect()
}

/// Callers above the called; a layer with many services takes several lines.
fn layered(nodes: &[Node<'_>]) -> Vec<Place> {
    let mut places = vec![
        Place {
            x: MARGIN,
            y: MARGIN,
            width: 0.0
        };
        nodes.len()
    ];
    let deepest = nodes
        .iter()
        .map(|node| node.depth)
        .max()
        .unwrap_or_default();
    let mut y = MARGIN;
    for depth in 0..=deepest {
        let layer: Vec<usize> = (0..nodes.len())
            .filter(|nth| nodes[*nth].depth == depth)
            .collect();
        for beside in layer.chunks(BESIDE) {
            let pitch = (WIDTH - 2.0 * MARGIN) / beside.len() as f64;
            let width = (pitch - 6.0).min(104.0);
            for (column, nth) in beside.iter().enumerate() {
                let middle = MARGIN + pitch * (column as f64 + 0.5);
                places[*nth] = Place {
                    x: middle - width / 2.0,
                    y,
                    width,
                };
            }
            y += BELOW;
        }
    }
    places
}

fn describe(nodes: &[Node<'_>], arrows: &[Arrow]) -> String {
    let name = |nth: usize| nodes.get(nth).map_or("unknown", |node| node.name);
    let calls = arrows
        .iter()
        .map(|arrow| format!("{} calls {}", name(arrow.from), name(arrow.to)));
    let services = nodes.iter().filter_map(|node| {
        let (own, call) = (percent(node.own?), percent(node.call?));
        Some(format!("{}: own {own}, calls {call}", node.name))
    });
    calls.chain(services).collect::<Vec<_>>().join("; ")
}

fn service(node: &Node<'_>, place: Place) -> Markup {
    let middle = place.x + place.width / 2.0;
    let name = shortened(node.name, fitting(place.width - 4.0));
    let share = |what: &str, value: f64| format!("{what} {}", percent(value));
    let class = if node.is_worst { "node worst" } else { "node" };
    let numbers = [
        node.own.map(|own| share("own", own)),
        node.call.map(|call| share("call", call)),
    ];
    html! {
        (area((place.x, place.y), (place.width, HEIGHT), class))
        (text((middle, place.y + 17.0), Anchor::Middle, "name", &name))
        @for (nth, number) in (0_u32..).zip(numbers.iter().flatten()) {
            (text((middle, place.y + 32.0 + 15.0 * f64::from(nth)), Anchor::Middle, "value", number))
        }
    }
}

/// An arrow from the side of one box to that of another.
fn call(from: Place, to: Place, nth: Option<usize>) -> Markup {
    let middle = |place: Place| place.x + place.width / 2.0;
    let (start, end) = if to.y > from.y {
        ((middle(from), from.y + HEIGHT), (middle(to), to.y))
    } else if to.x > from.x {
        (
            (from.x + from.width, from.y + HEIGHT / 2.0),
            (to.x, to.y + HEIGHT / 2.0),
        )
    } else {
        (
            (from.x, from.y + HEIGHT / 2.0),
            (to.x + to.width, to.y + HEIGHT / 2.0),
        )
    };
    let at = (
        end.0 + (start.0 - end.0) * 0.35 + 6.0,
        end.1 + (start.1 - end.1) * 0.35 + 4.0,
    );
    html! {
        (line(start, end, "call"))
        (head(start, end))
        @if let Some(nth) = nth {
            (text(at, Anchor::Start, "label", &nth.to_string()))
        }
    }
}

/// The head of an arrow.
fn head(start: Point, end: Point) -> Markup {
    const LONG: f64 = 8.0;
    const WIDE: f64 = 3.5;
    let (dx, dy) = (end.0 - start.0, end.1 - start.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let back = (end.0 - ux * LONG, end.1 - uy * LONG);
    let sides = [
        end,
        (back.0 - uy * WIDE, back.1 + ux * WIDE),
        (back.0 + uy * WIDE, back.1 - ux * WIDE),
    ];
    polygon(&sides, "head")
}
