//! Throughput over the number of replicas: points, the laws through them, and their limits.

use super::WIDTH;
use crate::{
    scaling::{Replicas, Scaling},
    svg::{Anchor, Picture, Point, Scale, area, estimate, line, polyline, text},
};
use availability::{
    format::rate,
    scaling::{Fit, Law},
};
use maud::{Markup, html};

const TOP: f64 = 22.0;
const BOTTOM: f64 = 206.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = WIDTH - 12.0;
/// So much further than the points the curves go: a law says nothing far beyond them.
const BEYOND: f64 = 1.25;
/// A ceiling that is so many times as high as all points is not drawn.
const IN_SIGHT: f64 = 2.5;
/// In how many straight pieces a curve is drawn.
const PIECES: u32 = 60;

/// Points with their intervals, both curves, the ceiling and the peak.
pub(crate) fn draw(id: String, scaling: &Scaling) -> Picture {
    let last = scaling
        .points
        .last()
        .map_or(1.0, |last| f64::from(last.replicas));
    let x = Scale::linear(0.0, last * BEYOND, (LEFT, RIGHT));
    let y = Scale::linear(0.0, highest(scaling) * 1.1, (BOTTOM, TOP));
    let laws = scaling.laws.as_ref();
    let both = [
        laws.map(|laws| &laws.amdahl),
        laws.and_then(|laws| laws.universal.as_ref()),
    ];
    Picture {
        id,
        size: (WIDTH, BOTTOM + 42.0),
        title: "Throughput by the number of replicas".to_owned(),
        description: describe(scaling),
        marks: html! {
            (rates(&y))
            @if let Some(laws) = laws { (alone(laws.amdahl.single.value, last, &x, &y)) }
            @for law in both.into_iter().flatten() { (curve(law, last, &x, &y)) }
            @if let Some(laws) = laws { (limit(laws.asked_for(), &x, &y, highest(scaling))) }
            @for one in &scaling.points { (point(one, &x, &y)) }
            @let below = (f64::midpoint(LEFT, RIGHT), BOTTOM + 34.0);
            (text(below, Anchor::Middle, "label", &format!("replicas of {}", scaling.service)))
            (text((LEFT, TOP - 10.0), Anchor::Start, "label", "answered a second"))
        },
    }
}

/// The most of all that is drawn: points, and a ceiling that is in sight.
fn highest(scaling: &Scaling) -> f64 {
    let points = scaling.points.iter().flat_map(|point| {
        let high = point.measured.map(|seen| seen.high_per_s);
        [point.predicted_per_s, high]
    });
    let points = points.flatten().fold(0.0, f64::max);
    let laws = scaling.laws.as_ref();
    let ceiling = laws.and_then(|laws| laws.asked_for().ceiling);
    let ceiling = ceiling.filter(|ceiling| ceiling.value <= points * IN_SIGHT);
    ceiling.map_or(points, |ceiling| ceiling.value.max(points))
}

fn describe(scaling: &Scaling) -> String {
    let one = |point: &Replicas| {
        let seen = point.measured.map(|seen| rate(seen.per_s));
        let seen = seen.unwrap_or_else(|| "unknown".to_owned());
        let predicted = point.predicted_per_s.map(rate);
        let predicted = predicted.map(|rate| format!(", predicted {rate}"));
        let (replicas, predicted) = (point.replicas, predicted.unwrap_or_default());
        format!("{replicas} replicas: measured {seen}{predicted}")
    };
    let points: Vec<_> = scaling.points.iter().map(one).collect();
    points.join("; ")
}

fn rates(y: &Scale) -> Markup {
    html! {
        @for tick in y.ticks(5) {
            (line((LEFT, y.at(tick)), (RIGHT, y.at(tick)), "grid"))
            (text((LEFT - 6.0, y.at(tick) + 4.0), Anchor::End, "label", &format!("{tick}")))
        }
    }
}

/// What replicas would serve that have nothing to do with each other.
fn alone(single: f64, last: f64, x: &Scale, y: &Scale) -> Markup {
    // To the top of the picture and no further.
    let most = (0..=PIECES)
        .map(|nth| f64::from(nth) / f64::from(PIECES) * last * BEYOND)
        .take_while(|replicas| y.at(single * replicas) > TOP + 0.01);
    let line: Vec<Point> = most
        .map(|replicas| (x.at(replicas), y.at(single * replicas)))
        .collect();
    polyline(&line, "answered")
}

fn curve(law: &Fit, last: f64, x: &Scale, y: &Scale) -> Markup {
    let pieces = (0..=PIECES).map(|nth| f64::from(nth) / f64::from(PIECES));
    let at = |share: f64| {
        let replicas = share * last * BEYOND;
        (x.at(replicas), y.at(law.at(replicas)))
    };
    let class = match law.law {
        Law::Amdahl => "predicted",
        Law::Universal => "tail",
    };
    polyline(&pieces.map(at).collect::<Vec<_>>(), class)
}

/// The ceiling or the peak, whichever the law has that the points ask for.
fn limit(law: &Fit, x: &Scale, y: &Scale, highest: f64) -> Markup {
    let ceiling = law
        .ceiling
        .filter(|ceiling| ceiling.value <= highest * 1.001 && ceiling.high.is_some());
    let peak = law.peak.filter(|peak| peak.high.is_some());
    html! {
        @if let Some(ceiling) = ceiling {
            @let at = y.at(ceiling.value);
            (line((LEFT, at), (RIGHT, at), "limit"))
            (text((RIGHT, at - 5.0), Anchor::End, "value", &format!("ceiling {}", rate(ceiling.value))))
        }
        @if let Some(peak) = peak.filter(|peak| x.at(peak.value) < RIGHT) {
            @let at = x.at(peak.value);
            (line((at, TOP), (at, BOTTOM), "limit"))
            (text((at + 5.0, BOTTOM - 8.0), Anchor::Start, "value", &format!("most at {:.1}", peak.value)))
        }
    }
}

fn point(one: &Replicas, x: &Scale, y: &Scale) -> Markup {
    let at = x.at(f64::from(one.replicas));
    html! {
        @if let Some(rate) = one.predicted_per_s {
            (area((at - 4.0, y.at(rate) - 4.0), (8.0, 8.0), "answered"))
        }
        @if let Some(seen) = one.measured.map(|seen| seen.seen()) {
            @let [value, low, high] = [seen.value, seen.low, seen.high].map(|rate| y.at(rate));
            (estimate((at, value), low, high, "measured"))
        }
        (text((at, BOTTOM + 16.0), Anchor::Middle, "label", &one.replicas.to_string()))
    }
}
