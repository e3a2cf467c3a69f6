//! What happened when: answers, latency, load and breakers on one axis of time.

use super::axis::percent;
use crate::{
    svg::{Anchor, Picture, Point, Scale, area, line, polygon, polyline, shortened, text},
    words::{counted, millis, often, round_millis},
};
use availability::format::rate;
use maud::{Markup, html};
use types::BreakerState;

/// A run over time; all times in seconds from its begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Course {
    /// How long it took.
    pub(crate) seconds: f64,
    /// Its phases.
    pub(crate) bands: Vec<Band>,
    /// It in slices.
    pub(crate) slices: Vec<Slice>,
    /// Attempts a second at each hop, one for each slice.
    pub(crate) loads: Vec<(String, Vec<f64>)>,
    /// How many replicas served when, of the service that was scaled.
    pub(crate) staff: Option<Staff>,
    /// When faults struck that come and go.
    pub(crate) outages: Vec<Outages>,
    /// What each breaker that opened did.
    pub(crate) breakers: Vec<Breaker>,
}

/// Replicas that come and go.
#[derive(Debug, Clone)]
pub(crate) struct Staff {
    /// The service.
    pub(crate) service: String,
    /// Each change: when, how many serve from then on, and how many are there.
    pub(crate) changes: Vec<(f64, f64, f64)>,
}

/// The outages of one place.
#[derive(Debug, Clone)]
pub(crate) struct Outages {
    /// The place.
    pub(crate) place: String,
    /// How many there were.
    pub(crate) times: u64,
    /// From when to when: of very many, the first.
    pub(crate) windows: Vec<(f64, f64)>,
}

/// A phase.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    /// When it begins.
    pub(crate) start: f64,
    /// When it ends.
    pub(crate) end: f64,
    /// What happens in it.
    pub(crate) title: String,
    /// Whether more goes wrong in it than all the time.
    pub(crate) is_trouble: bool,
}

/// A slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    /// When it begins.
    pub(crate) start: f64,
    /// When it ends.
    pub(crate) end: f64,
    /// The share of its requests that was answered; none without any.
    pub(crate) answered: Option<f64>,
    /// Their latency in milliseconds: p50 and p99.
    pub(crate) latency: Option<(f64, f64)>,
}

/// A circuit breaker.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    /// Whose it is, and whom it guards.
    pub(crate) name: String,
    /// Its states, each from when to when.
    pub(crate) states: Vec<(f64, f64, BreakerState)>,
}

impl Breaker {
    fn opened(&self) -> u64 {
        let open = self
            .states
            .iter()
            .filter(|(.., state)| *state == BreakerState::Open);
        open.count() as u64
    }
}

const WIDTH: f64 = 720.0;
const LEFT: f64 = 150.0;
pub(super) const RIGHT: f64 = WIDTH - 96.0;
/// The room for the titles of phases, if there are several.
const TITLES: f64 = 26.0;
/// The heights of the panels, and what lies between two.
const ANSWERED: f64 = 54.0;
const LATENCY: f64 = 66.0;
const LOAD: f64 = 22.0;
const STAFF: f64 = 34.0;
const BREAKER: f64 = 16.0;
const OUTAGES: f64 = 12.0;
const GAP: f64 = 14.0;
/// The least width of a state that is shown: a breaker that only probed is shown too.
const SLIVER: f64 = 2.0;
/// The least width of an outage, of which there may be hundreds.
const STROKE: f64 = 0.6;

/// The run from top to bottom.
pub(crate) fn draw(id: String, course: &Course) -> Picture {
    let x = Scale::linear(0.0, course.seconds, (LEFT, RIGHT));
    let several = course.bands.len() > 1;
    let answered = if several { TITLES + GAP } else { GAP };
    let latency = answered + ANSWERED + GAP;
    let loads = latency + LATENCY + GAP;
    let staff = loads + (LOAD + 6.0) * course.loads.len() as f64;
    let more = if course.staff.is_some() {
        STAFF + 6.0
    } else {
        0.0
    };
    let outages = staff + more + GAP / 2.0;
    let breakers = outages + (OUTAGES + 6.0) * course.outages.len() as f64;
    let bottom = breakers + (BREAKER + 8.0) * course.breakers.len() as f64;
    Picture {
        id,
        size: (WIDTH, bottom + 26.0),
        title: "The run over time".to_owned(),
        description: describe(course),
        marks: html! {
            @for band in &course.bands { (phase(band, course.bands.len(), &x, bottom)) }
            (seconds(&x, bottom))
            (answers(course, &x, answered))
            (latencies(course, &x, latency))
            @let most = most_load(course);
            @for (nth, (hop, load)) in course.loads.iter().enumerate() {
                (strip(hop, load, course, &x, loads + (LOAD + 6.0) * nth as f64, most))
            }
            @if let Some(replicas) = &course.staff { (steps(replicas, course.seconds, &x, staff)) }
            @for (nth, place) in course.outages.iter().enumerate() {
                (barcode(place, &x, outages + (OUTAGES + 6.0) * nth as f64))
            }
            @for (nth, breaker) in course.breakers.iter().enumerate() {
                (states(breaker, &x, breakers + (BREAKER + 8.0) * nth as f64))
            }
        },
    }
}

fn describe(course: &Course) -> String {
    let bands = course.bands.iter();
    let bands = bands.map(|band| format!("{:.1} to {:.1} s: {}", band.start, band.end, band.title));
    let breakers = course.breakers.iter();
    let breakers =
        breakers.map(|breaker| format!("{} opened {}", breaker.name, often(breaker.opened())));
    let outages = course.outages.iter();
    let outages = outages.map(|at| format!("{}: {}", at.place, counted(at.times, "outage")));
    let staff = course.staff.iter().map(|staff| {
        let most = staff.changes.iter().map(|(_, serving, _)| *serving);
        format!(
            "up to {} replicas of {}",
            most.fold(0.0, f64::max),
            staff.service
        )
    });
    let all: Vec<_> = bands.chain(staff).chain(outages).chain(breakers).collect();
    format!(
        "{:.1} s in {} slices; {}",
        course.seconds,
        course.slices.len(),
        all.join("; ")
    )
}

/// A phase as a band from top to bottom; one in which more goes wrong has a texture.
fn phase(band: &Band, of: usize, x: &Scale, bottom: f64) -> Markup {
    let (left, right) = (x.at(band.start), x.at(band.end));
    let room = super::fitting(right - left - 4.0);
    html! {
        @if band.is_trouble {
            (area((left, TITLES), (right - left, bottom - TITLES), "trouble"))
        }
        @if of > 1 {
            (line((left, TITLES - 20.0), (left, bottom), "begin"))
            (text((left + 4.0, TITLES - 8.0), Anchor::Start, "name", &shortened(&band.title, room)))
        }
    }
}

fn seconds(x: &Scale, bottom: f64) -> Markup {
    html! {
        (line((LEFT, bottom), (RIGHT, bottom), "axis"))
        @for tick in x.ticks(8) {
            (line((x.at(tick), bottom), (x.at(tick), bottom + 4.0), "axis"))
            (text((x.at(tick), bottom + 18.0), Anchor::Middle, "label", &in_seconds(tick)))
        }
    }
}

/// A time without decimals that say nothing.
fn in_seconds(tick: f64) -> String {
    let rounded = (tick * 100.0).round() / 100.0 + 0.0;
    format!("{rounded} s")
}

fn panel(name: &str, top: f64, height: f64) -> Markup {
    text((0.0, top + height / 2.0 + 4.0), Anchor::Start, "name", name)
}

/// The share answered, as a surface: what is missing above it was lost.
fn answers(course: &Course, x: &Scale, top: f64) -> Markup {
    let y = Scale::linear(0.0, 1.0, (top + ANSWERED, top));
    html! {
        (panel("answered", top, ANSWERED))
        @for share in [0.0, 0.5, 1.0] {
            (line((LEFT, y.at(share)), (RIGHT, y.at(share)), "grid"))
            (text((LEFT - 6.0, y.at(share) + 4.0), Anchor::End, "label", &percent(share, 1.0)))
        }
        @for slice in &course.slices {
            @if let Some(share) = slice.answered {
                @let (left, right) = (x.at(slice.start), x.at(slice.end));
                (area((left, y.at(share)), (right - left, y.at(0.0) - y.at(share)), "bar"))
            }
        }
    }
}

/// Two lines on a logarithmic axis, each with its name at its end.
fn latencies(course: &Course, x: &Scale, top: f64) -> Markup {
    let each = || course.slices.iter().filter_map(|slice| slice.latency);
    let low = each().map(|(p50, _)| p50).fold(f64::INFINITY, f64::min);
    let high = each().map(|(_, p99)| p99).fold(0.0, f64::max);
    let y = Scale::logarithmic(low / 1.3, high * 1.3, (top + LATENCY, top));
    let ends = course.slices.iter().rev().find_map(|slice| slice.latency);
    html! {
        (panel("latency", top, LATENCY))
        @for tick in y.ticks(3) {
            (line((LEFT, y.at(tick)), (RIGHT, y.at(tick)), "grid"))
            (text((LEFT - 6.0, y.at(tick) + 4.0), Anchor::End, "label", &round_millis(tick)))
        }
        (curve(course, x, &y, "measured", |(p50, _)| p50))
        (curve(course, x, &y, "tail", |(_, p99)| p99))
        @if let Some((p50, p99)) = ends {
            @let (low, high) = apart(y.at(p50), y.at(p99));
            (text((RIGHT + 6.0, low + 4.0), Anchor::Start, "value", &format!("p50 {}", millis(p50))))
            (text((RIGHT + 6.0, high + 4.0), Anchor::Start, "value", &format!("p99 {}", millis(p99))))
        }
    }
}

/// Two heights of which the second is above the first by at least a line of text.
fn apart(low: f64, high: f64) -> (f64, f64) {
    const LINE: f64 = 13.0;
    let lacking = (LINE - (low - high)).max(0.0) / 2.0;
    (low + lacking, high - lacking)
}

/// A line through the middles of slices, with gaps where nothing was measured.
fn curve(course: &Course, x: &Scale, y: &Scale, class: &str, of: fn((f64, f64)) -> f64) -> Markup {
    let places: Vec<Option<Point>> = course
        .slices
        .iter()
        .map(|slice| {
            let middle = f64::midpoint(slice.start, slice.end);
            slice
                .latency
                .map(|latency| (x.at(middle), y.at(of(latency))))
        })
        .collect();
    html! {
        @for run in places.split(Option::is_none) {
            @let run: Vec<Point> = run.iter().flatten().copied().collect();
            (polyline(&run, class))
            @if let [(x, y)] = run.as_slice() {
                (line((x - 2.0, *y), (x + 2.0, *y), class))
            }
        }
    }
}

fn most_load(course: &Course) -> f64 {
    let all = course.loads.iter().flat_map(|(_, load)| load).copied();
    all.filter(|load| load.is_finite()).fold(0.0, f64::max)
}

/// The load of one hop as a surface; all hops have the same scale.
fn strip(hop: &str, load: &[f64], course: &Course, x: &Scale, top: f64, most: f64) -> Markup {
    let y = Scale::linear(0.0, most, (top + LOAD, top));
    let mut corners: Vec<Point> = Vec::new();
    for (slice, load) in course.slices.iter().zip(load) {
        let at = y.at(*load);
        corners.extend([(x.at(slice.start), at), (x.at(slice.end), at)]);
    }
    if let (Some(first), Some(last)) = (corners.first().copied(), corners.last().copied()) {
        corners.extend([(last.0, y.at(0.0)), (first.0, y.at(0.0))]);
    }
    let own = load
        .iter()
        .copied()
        .filter(|load| load.is_finite())
        .fold(0.0, f64::max);
    let words = format!("up to {}", rate(own));
    html! {
        (panel(&shortened(&format!("at {hop}"), 20), top, LOAD))
        @if corners.len() > 2 { (polygon(&corners, "load")) }
        (line((LEFT, top + LOAD), (RIGHT, top + LOAD), "grid"))
        (text((RIGHT + 6.0, top + LOAD / 2.0 + 4.0), Anchor::Start, "label", &words))
    }
}

/// Replicas as stairs: those that serve as a surface, those that are there as a line above it.
fn steps(staff: &Staff, end: f64, x: &Scale, top: f64) -> Markup {
    let most = staff
        .changes
        .iter()
        .map(|(_, _, all)| *all)
        .fold(1.0, f64::max);
    let y = Scale::linear(0.0, most, (top + STAFF, top));
    let ends = staff
        .changes
        .iter()
        .skip(1)
        .map(|(at, ..)| *at)
        .chain([end]);
    let spans: Vec<_> = staff.changes.iter().zip(ends).collect();
    let stairs = |of: fn(&(f64, f64, f64)) -> f64| -> Vec<Point> {
        let step = |(from, to): &(&(f64, f64, f64), f64)| {
            [(x.at(from.0), y.at(of(from))), (x.at(*to), y.at(of(from)))]
        };
        spans.iter().flat_map(step).collect()
    };
    let mut serving = stairs(|(_, serving, _)| *serving);
    if let (Some(first), Some(last)) = (serving.first().copied(), serving.last().copied()) {
        serving.extend([(last.0, y.at(0.0)), (first.0, y.at(0.0))]);
    }
    let name = format!("replicas of {}", staff.service);
    html! {
        (panel(&shortened(&name, 22), top, STAFF))
        @if serving.len() > 2 { (polygon(&serving, "load")) }
        (polyline(&stairs(|(_, _, all)| *all), "predicted"))
        (line((LEFT, top + STAFF), (RIGHT, top + STAFF), "grid"))
        (text((RIGHT + 6.0, top + STAFF / 2.0 + 4.0), Anchor::Start, "label", &format!("up to {most}")))
    }
}

/// The outages of one place as strokes on a line.
fn barcode(outages: &Outages, x: &Scale, top: f64) -> Markup {
    let words = format!("{} ×", outages.times);
    let middle = top + OUTAGES / 2.0;
    html! {
        (panel(&shortened(&outages.place, 22), top, OUTAGES))
        (line((LEFT, middle), (RIGHT, middle), "grid"))
        @for (left, right) in strokes(&outages.windows, x) {
            (area((left, top), (right - left, OUTAGES), "down"))
        }
        (text((RIGHT + 6.0, middle + 4.0), Anchor::Start, "label", &words))
    }
}

/// Where outages are drawn, from left to right: those that touch on the canvas are one.
fn strokes(windows: &[(f64, f64)], x: &Scale) -> Vec<(f64, f64)> {
    let mut strokes: Vec<(f64, f64)> = Vec::new();
    for (from, to) in windows {
        let left = x.at(*from).min(RIGHT - STROKE);
        let right = x.at(*to).max(left + STROKE);
        match strokes.last_mut() {
            Some(last) if left - last.1 < STROKE => last.1 = last.1.max(right),
            _ => strokes.push((left, right)),
        }
    }
    strokes
}

/// A breaker: a thin line while closed, a hatched block while open, a low one while it probes.
fn states(breaker: &Breaker, x: &Scale, top: f64) -> Markup {
    let middle = top + BREAKER / 2.0;
    let block = |from: f64, to: f64| (x.at(from), (x.at(to) - x.at(from)).max(SLIVER));
    html! {
        (panel(&shortened(&breaker.name, 22), top, BREAKER))
        @for (from, to, state) in &breaker.states {
            @let (left, width) = block(*from, *to);
            @let left = left.min(RIGHT - width);
            @match state {
                BreakerState::Closed => (line((left, middle), (left + width, middle), "closed")),
                BreakerState::Open => (area((left, top), (width, BREAKER), "open")),
                BreakerState::HalfOpen => (area((left, middle - 3.0), (width, 6.0), "half-open")),
            }
        }
        (text((RIGHT + 6.0, middle + 4.0), Anchor::Start, "label", &opened(breaker.opened())))
    }
}

fn opened(times: u64) -> String {
    match times {
        1 => "opened once".to_owned(),
        times => format!("opened {times} ×"),
    }
}
