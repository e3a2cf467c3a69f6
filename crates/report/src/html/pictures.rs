//! The pictures of one scenario, and what is taken from the results for them.

use super::table::scrolling;
use crate::{
    facts,
    figure::{
        Seen, curve, graph, latency, load, losses, staircase,
        timeline::{self, Band, Breaker, Course, Outages, Slice, Staff},
    },
    gain,
    results::{RunResult, Scaled, ScenarioResult, Scheduled, Timeline},
    svg::Picture,
    words::{is_out_of_the_usual, phase_name, share},
};
use availability::Confidence;
use maud::{Markup, html};
use scenario::{Plan, Topology};
use traces::analysis::{Latency, Stretch};
use types::BreakerState;

const GRAPH: &str = "Own: availability of a service’s own work. Call: of calls to it. \
                     Thick frame: most was lost here.";
const LOAD: &str = "Bars: measured, with 99 % intervals. Upright lines: predicted.";
const COURSE: &str = "Answered: share of the requests that began then. \
                      Latency: p50 (line), p99 (dashed). At a hop: attempts a second.";

const LOSSES: &str = "Bars: what was lost at each hop. Dots: what users would gain if it \
                      never failed, with 99 % intervals.";

/// A picture, and what it shows.
pub(crate) struct Captioned {
    /// What it is called among those of its scenario.
    pub(crate) name: &'static str,
    /// The picture.
    pub(crate) picture: Picture,
    /// What its marks mean.
    pub(crate) caption: String,
}

/// The small pictures, side by side where there is room.
pub(super) fn gallery(id: &str, result: &ScenarioResult, run: &RunResult) -> Markup {
    html! {
        div.gallery {
            @for one in small(id, result, run) { (figure(&one)) }
        }
    }
}

/// The small pictures of a scenario.
pub(crate) fn small(id: &str, result: &ScenarioResult, run: &RunResult) -> Vec<Captioned> {
    let captioned = |name, caption: &str, draw: &dyn Fn(String) -> Picture| Captioned {
        name,
        picture: draw(format!("{id}-{name}")),
        caption: caption.to_owned(),
    };
    let hops = if facts::is_curve(result) {
        let caption = "Line: predicted. Dots: measured, with intervals that together have 99 %.";
        captioned("curve", caption, &|id| curve_of(id, result, run))
    } else {
        let caption = "Line: predicted. Dots: measured, with their 99 % intervals.";
        captioned("stairs", caption, &|id| stairs_of(id, result, run))
    };
    let graph = captioned("graph", GRAPH, &|id| graph_of(id, result, run));
    let losses = gain::losses(&result.plan, run, Confidence::P99);
    let lost = (!losses.is_empty() && !facts::is_curve(result))
        .then(|| captioned("losses", LOSSES, &|id| losses_of(id, &losses, run)));
    let load = result
        .tries_again()
        .then(|| captioned("load", LOAD, &|id| load_of(id, result, run)));
    let latency = run.analysis.root.latency.as_ref().map(|all| {
        let caption = latency_caption(run);
        captioned("latency", caption, &|id| latency_of(id, result, run, all))
    });
    [Some(hops), Some(graph), lost, load, latency]
        .into_iter()
        .flatten()
        .collect()
}

fn latency_caption(run: &RunResult) -> &'static str {
    match (answered_apart(run), run.analysis.root.latency_ok) {
        (Some(_), _) => "Dots: all requests. Squares: those answered in full.",
        (None, Some(_)) => "All requests; those answered in full differ by less than 5 %.",
        (None, None) => "All requests; none was answered in full.",
    }
}

/// The latency of what was answered in full, where it is not that of all requests.
fn answered_apart(run: &RunResult) -> Option<&Latency> {
    let root = &run.analysis.root;
    let (all, answered) = (root.latency.as_ref()?, root.latency_ok.as_ref()?);
    let apart = |of: fn(&Latency) -> f64| (of(answered) / of(all) - 1.0).abs() > 0.05;
    let parts: [fn(&Latency) -> f64; 4] = [|l| l.p50_ms, |l| l.p90_ms, |l| l.p99_ms, |l| l.p999_ms];
    parts.into_iter().any(apart).then_some(answered)
}

pub(super) fn figure(one: &Captioned) -> Markup {
    let Captioned {
        picture, caption, ..
    } = one;
    html! { figure { p.title { (picture.title) } (picture) figcaption { (caption) } } }
}

/// The run over time: wider than a phone, so that it scrolls in a box of its own.
pub(super) fn timeline(id: &str, result: &ScenarioResult, run: &RunResult) -> Markup {
    let Some(one) = over_time(id, result, run) else {
        return html! {};
    };
    html! {
        figure.wide {
            p.title { (one.picture.title) }
            (scrolling("The run over time", &html! { (one.picture) }))
            figcaption { (one.caption) }
        }
    }
}

/// The run over time; none if nothing happened.
pub(crate) fn over_time(id: &str, result: &ScenarioResult, run: &RunResult) -> Option<Captioned> {
    let course = course(result, run);
    if course.slices.is_empty() {
        return None;
    }
    let mut caption = COURSE.to_owned();
    if !course.outages.is_empty() {
        caption += " Strokes: outages, as the seed has them.";
    }
    if course.staff.is_some() {
        caption += " Replicas: surface those that serve, line those that are there.";
    }
    if !course.breakers.is_empty() {
        caption += " Breakers: thin line closed, hatched block open, low block half-open.";
    }
    Some(Captioned {
        name: "time",
        picture: timeline::draw(format!("{id}-time"), &course),
        caption,
    })
}

fn losses_of(id: String, losses: &[gain::Loss<'_>], run: &RunResult) -> Picture {
    let offered = run.analysis.root.outcomes.offered.max(1) as f64;
    let row = |loss: &gain::Loss<'_>| {
        let (lost, gain) = (loss.hop.lost_here as f64 / offered, loss.gain);
        losses::Row {
            hop: loss.hop.hop.clone(),
            lost,
            gain: gain.map(|gain| Seen {
                value: gain.value,
                low: gain.low,
                high: gain.high,
            }),
            words: match gain {
                Some(gain) => format!("lost {}, to gain {}", share(lost), share(gain.value)),
                None => format!("lost {}", share(lost)),
            },
        }
    };
    losses::draw(id, &losses.iter().map(row).collect::<Vec<_>>())
}

fn stairs_of(id: String, result: &ScenarioResult, run: &RunResult) -> Picture {
    let stairs = facts::predicted_stairs(&result.prediction, &run.analysis.hops);
    let hops = run.analysis.hops.iter().zip(stairs);
    let steps = hops.map(|(hop, predicted)| staircase::Step {
        hop: &hop.hop,
        predicted,
        seen: Seen::of(hop.cumulative),
    });
    staircase::draw(id, &steps.collect::<Vec<_>>())
}

fn curve_of(id: String, result: &ScenarioResult, run: &RunResult) -> Picture {
    let depths = facts::depths(&result.prediction, run);
    let depth = |depth: &facts::SeenDepth<'_>| curve::Depth {
        hops: depth.predicted.hops,
        predicted: depth.predicted.availability.get(),
        seen: depth.seen.map(|(seen, interval)| Seen {
            value: seen.estimate().get(),
            low: interval.low.get(),
            high: interval.high.get(),
        }),
    };
    curve::draw(id, &depths.iter().map(depth).collect::<Vec<_>>())
}

fn load_of(id: String, result: &ScenarioResult, run: &RunResult) -> Picture {
    let rows = run.analysis.hops.iter().map(|hop| load::Row {
        hop: &hop.hop,
        seen: facts::load(hop, run),
        predicted: facts::predicted_load(&result.prediction, &hop.hop),
    });
    load::draw(id, &rows.collect::<Vec<_>>())
}

fn latency_of(id: String, result: &ScenarioResult, run: &RunResult, all: &Latency) -> Picture {
    let patience = result.plan.phases().first();
    let patience = patience.map(|phase| phase.load.patience.as_secs_f64() * 1e3);
    latency::draw(id, all, answered_apart(run), patience)
}

/// The services in the order of their first visit, and the calls between them.
fn graph_of(id: String, result: &ScenarioResult, run: &RunResult) -> Picture {
    let topology = result.plan.topology();
    let mut depths: Vec<(scenario::Name, usize)> = Vec::new();
    for visit in topology.visits() {
        match depths.iter_mut().find(|(name, _)| *name == visit.service) {
            Some((_, depth)) => *depth = visit.depth.max(*depth),
            None => depths.push((visit.service, visit.depth)),
        }
    }
    let most = run.analysis.hops.iter().map(|hop| hop.lost_here).max();
    let nodes: Vec<_> = depths
        .iter()
        .map(|(name, depth)| {
            let hop = run.analysis.hop(name);
            let lost = hop.map_or(0, |hop| hop.lost_here);
            let is_worst = lost > 0 && Some(lost) == most;
            graph::Node {
                name,
                depth: *depth,
                own: hop.and_then(|hop| hop.own.value()),
                call: hop.and_then(|hop| hop.effective.value()),
                is_worst,
            }
        })
        .collect();
    graph::draw(id, &nodes, &arrows(topology, &depths))
}

fn arrows(topology: &Topology, services: &[(scenario::Name, usize)]) -> Vec<graph::Arrow> {
    let place = |name: &scenario::Name| services.iter().position(|(known, _)| known == name);
    let mut arrows = Vec::new();
    for (from, (caller, _)) in services.iter().enumerate() {
        let calls = topology.calls(caller);
        let to = calls.iter().map(place).enumerate();
        arrows.extend(to.filter_map(|(nth, to)| {
            let nth = (calls.len() > 1).then_some(nth + 1);
            Some(graph::Arrow { from, to: to?, nth })
        }));
    }
    arrows
}

/// The run over time as it is drawn.
fn course(result: &ScenarioResult, run: &RunResult) -> Course {
    let timeline = &run.timeline;
    let end = timeline
        .phases
        .last()
        .map_or(0.0, |last| timeline.seconds(last.end));
    let slice = |slice: &Stretch| Slice {
        start: timeline.seconds(slice.start),
        end: timeline.seconds(slice.end),
        answered: slice.requests.availability().value(),
        latency: slice
            .latency
            .map(|latency| (latency.p50_ms, latency.p99_ms)),
    };
    let load = |name: &String| {
        let per_second = |slice: &Stretch| {
            let attempts = slice.hops.get(name).map_or(0, |hop| hop.attempts);
            attempts as f64 * 1e9 / (slice.end - slice.start).max(1) as f64
        };
        (
            name.clone(),
            timeline.slices.iter().map(per_second).collect(),
        )
    };
    Course {
        seconds: end,
        bands: bands(&result.plan, timeline),
        slices: timeline.slices.iter().map(slice).collect(),
        loads: run.analysis.hops.iter().map(|hop| load(&hop.hop)).collect(),
        staff: run.scaled.as_ref().map(staff),
        outages: run.schedule.iter().map(outages).collect(),
        breakers: breakers(timeline, end),
    }
}

fn staff(scaled: &Scaled) -> Staff {
    let change = |(at, serving, starting): &(u64, u32, u32)| {
        let serving = f64::from(*serving);
        (*at as f64 / 1e3, serving, serving + f64::from(*starting))
    };
    Staff {
        service: scaled.service.clone(),
        changes: scaled.staff.changes.iter().map(change).collect(),
    }
}

fn outages(fault: &Scheduled) -> Outages {
    let replica = fault.replica.map(|number| format!("-{number}"));
    let replica = replica.unwrap_or_default();
    Outages {
        place: format!("{}{replica}: {}", fault.service, fault.fault),
        times: fault.outages,
        windows: fault.windows_s.clone(),
    }
}

fn bands(plan: &Plan, timeline: &Timeline) -> Vec<Band> {
    let phases = plan.phases().iter().zip(&timeline.phases);
    let band = |(phase, stretch): (&scenario::Phase, &Stretch)| Band {
        start: timeline.seconds(stretch.start),
        end: timeline.seconds(stretch.end),
        title: phase_name(plan, phase),
        is_trouble: is_out_of_the_usual(plan, phase),
    };
    phases.map(band).collect()
}

/// Each breaker that did anything: closed at first, then as it told.
fn breakers(timeline: &Timeline, end: f64) -> Vec<Breaker> {
    let mut breakers: Vec<((&str, &str), Breaker)> = Vec::new();
    for change in &timeline.transitions {
        let pair = change.breaker();
        let place = breakers.iter().position(|(known, _)| *known == pair);
        let place = place.unwrap_or_else(|| {
            let name = format!("{} → {}", pair.0, pair.1);
            let states = vec![(0.0, end, BreakerState::Closed)];
            breakers.push((pair, Breaker { name, states }));
            breakers.len() - 1
        });
        let (at, states) = (timeline.seconds(change.at), &mut breakers[place].1.states);
        if let Some(last) = states.last_mut() {
            last.1 = at;
        }
        states.push((at, end, change.to));
    }
    breakers.into_iter().map(|(_, breaker)| breaker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use traces::analysis::Transition;
    use types::BreakerState::{Closed, HalfOpen, Open};

    #[test]
    fn a_state_of_a_breaker_lasts_until_the_next_and_the_last_until_the_end() {
        let change = |at, callee: &str, from, to| Transition {
            at,
            caller: "a".to_owned(),
            caller_replica: None,
            callee: callee.to_owned(),
            replica: None,
            from,
            to,
        };
        let timeline = Timeline {
            begin: 1_000_000_000,
            phases: Vec::new(),
            slices: Vec::new(),
            replicas: Vec::new(),
            transitions: vec![
                change(2_000_000_000, "b", Closed, Open),
                change(2_500_000_000, "c", Closed, Open),
                change(3_000_000_000, "b", Open, HalfOpen),
            ],
        };
        let found: Vec<_> = breakers(&timeline, 5.0)
            .into_iter()
            .map(|breaker| (breaker.name, breaker.states))
            .collect();
        let b = vec![(0.0, 1.0, Closed), (1.0, 2.0, Open), (2.0, 5.0, HalfOpen)];
        let c = vec![(0.0, 1.5, Closed), (1.5, 5.0, Open)];
        assert_eq!(found, [("a → b".to_owned(), b), ("a → c".to_owned(), c)]);
    }
}
