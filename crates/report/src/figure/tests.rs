//! No data breaks a picture: whatever is drawn, it is drawn with finite numbers and inside.

use super::{
    Seen,
    curve::{self, Depth},
    forest,
    graph::{self, Arrow, Node},
    latency,
    load::{self, Row},
    losses,
    policies::{self, Mark},
    scaling,
    staircase::{self, Step},
    timeline::{self, Band, Breaker, Course, Outages, Slice, Staff},
};
use crate::{
    scaling::{Replicas, Scaling, Throughput},
    svg::Picture,
};
use availability::{
    Confidence,
    scaling::{Point, fits},
};
use maud::Render;
use roxmltree::Document;
use traces::analysis::{Intervals, Latency};
use types::BreakerState;

/// Numbers that no run measures, and some that it does.
const WILD: [f64; 10] = [
    0.0,
    1.0,
    0.961,
    -1.0,
    1e-300,
    1e300,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
];

/// Every coordinate is a number on the canvas; text may hang over by its own length.
fn is_sound(picture: &Picture) {
    let svg = picture.render().into_string();
    let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
    let (width, height) = picture.size;
    let inside = |value: f64, most: f64| (-0.01..=most + 0.01).contains(&value);
    for node in document.descendants() {
        let number = |name: &str| {
            let value = node.attribute(name)?;
            Some(
                value
                    .parse::<f64>()
                    .unwrap_or_else(|_| panic!("{name}={value}")),
            )
        };
        for (name, most) in [
            ("x", width),
            ("x1", width),
            ("x2", width),
            ("cx", width),
            ("y", height),
            ("y1", height),
            ("y2", height),
            ("cy", height),
        ] {
            let value = number(name).unwrap_or_default();
            assert!(inside(value, most), "{name}={value}: {svg}");
        }
        if let (Some(x), Some(wide)) = (number("x"), number("width")) {
            assert!(wide >= 0.0 && inside(x + wide, width), "{svg}");
        }
        if let (Some(y), Some(high)) = (number("y"), number("height")) {
            assert!(high >= 0.0 && inside(y + high, height), "{svg}");
        }
        for point in node
            .attribute("points")
            .into_iter()
            .flat_map(|points| points.split(' '))
        {
            let (x, y) = point.split_once(',').unwrap();
            assert!(
                inside(x.parse().unwrap(), width) && inside(y.parse().unwrap(), height),
                "{point}: {svg}"
            );
        }
    }
}

fn seen(value: f64) -> Seen {
    Seen {
        value,
        low: value - 0.01,
        high: value + 0.01,
    }
}

fn id() -> String {
    "p".to_owned()
}

#[test]
fn a_staircase_stands_whatever_its_steps() {
    let step = |value: f64| Step {
        hop: "a-service-with-a-long-name",
        predicted: Some(value),
        seen: Some(seen(value)),
    };
    for count in [0, 1, 4, 12, 40] {
        for value in WILD {
            is_sound(&staircase::draw(id(), &vec![step(value); count]));
        }
        let blind = Step {
            predicted: None,
            seen: None,
            ..step(0.0)
        };
        is_sound(&staircase::draw(id(), &vec![blind; count]));
    }
    is_sound(&staircase::draw(id(), &WILD.map(step)));
}

#[test]
fn a_curve_stands_whatever_its_depths() {
    let depth = |hops: usize, value: f64| Depth {
        hops,
        predicted: value,
        seen: Some(seen(value)),
    };
    for value in WILD {
        is_sound(&curve::draw(id(), &[]));
        is_sound(&curve::draw(id(), &[depth(1, value)]));
        let many: Vec<_> = (1..=32).map(|hops| depth(hops, value)).collect();
        is_sound(&curve::draw(id(), &many));
    }
}

#[test]
fn throughput_of_any_size_is_drawn_with_whatever_law_it_has() {
    for value in WILD {
        let replicas = |nth: u32| Replicas {
            replicas: nth,
            predicted_per_s: Some(value),
            measured: Some(Throughput {
                per_s: value,
                low_per_s: value / 2.0,
                high_per_s: value * 2.0,
                efficiency: value,
                all_taken: true,
            }),
        };
        let point = |nth: u32| Point::new(nth, value * f64::from(nth), value / 10.0).ok();
        let points: Option<Vec<_>> = [1, 2, 4, 8].into_iter().map(point).collect();
        let scaling = |number: u32| Scaling {
            scenario: "s".to_owned(),
            service: "a".into(),
            points: (1..=number).map(replicas).collect(),
            laws: points
                .as_ref()
                .and_then(|it| fits(it, Confidence::P99).ok()),
            no_laws: None,
        };
        for number in [0, 1, 16] {
            is_sound(&scaling::draw(id(), &scaling(number)));
        }
    }
}

#[test]
fn loads_and_latencies_stand_whatever_their_size() {
    for value in WILD {
        let row = Row {
            hop: "a",
            seen: Some((value, Some(value))),
            predicted: Some(value),
        };
        is_sound(&load::draw(id(), &[]));
        is_sound(&load::draw(id(), &vec![row; 5]));
        let latency = Latency {
            count: 1,
            p50_ms: value,
            p90_ms: 1.0,
            p99_ms: value,
            p999_ms: value,
            max_ms: value,
            intervals: Intervals::default(),
        };
        is_sound(&latency::draw(id(), &latency, Some(&latency), Some(1.0)));
        is_sound(&latency::draw(id(), &latency, None, None));
        let forest = forest::Row {
            seen: seen(value),
            predicted: 0.5,
            range: (value, 1.0),
        };
        is_sound(&forest::draw(id(), &forest));
    }
}

#[test]
fn losses_and_comparisons_stand_whatever_their_size() {
    for value in WILD {
        let lost = losses::Row {
            hop: "a hop with a name that is much too long".into(),
            lost: value,
            gain: Some(seen(value)),
            words: "lost 1 %".into(),
        };
        is_sound(&losses::draw(id(), &[]));
        is_sound(&losses::draw(id(), &vec![lost; 5]));
        for mark in [
            Mark::Share(seen(value), Some(value)),
            Mark::Latency([value, 1.0, value]),
            Mark::Amount(value),
        ] {
            let row = policies::Row {
                name: "a policy with a name that is much too long for a phone".into(),
                words: "96.06 %".into(),
                mark: Some(mark),
            };
            let nothing = policies::Row {
                mark: None,
                ..row.clone()
            };
            is_sound(&policies::draw(id(), "title".into(), &[row, nothing]));
        }
    }
    is_sound(&policies::draw(id(), "title".into(), &[]));
}

fn outages(place: &str, windows: Vec<(f64, f64)>) -> Outages {
    Outages {
        place: place.to_owned(),
        times: 2,
        windows,
    }
}

#[test]
fn a_timeline_stands_whatever_happened() {
    for value in WILD {
        let slice = |start: f64| Slice {
            start,
            end: start + 1.0,
            answered: Some(value),
            latency: Some((value, value)),
        };
        let band = Band {
            start: value,
            end: 3.0,
            title: "a phase with a long title".into(),
            is_trouble: true,
        };
        let states = vec![
            (0.0, value, BreakerState::Closed),
            (value, 1.0, BreakerState::Open),
            (5.0, value, BreakerState::HalfOpen),
        ];
        let course = Course {
            staff: Some(Staff {
                service: "a".into(),
                changes: vec![(0.0, value, 1.0), (value, 2.0, value)],
            }),
            seconds: 5.0,
            bands: vec![band.clone(), band],
            slices: vec![
                slice(0.0),
                slice(1.0),
                Slice {
                    answered: None,
                    latency: None,
                    ..slice(2.0)
                },
                slice(3.0),
            ],
            loads: vec![
                ("a".into(), vec![value; 4]),
                ("b".into(), vec![]),
                ("c".into(), vec![0.0; 2]),
            ],
            outages: vec![
                outages("a", vec![(0.0, value), (value, 1.0)]),
                outages("b", vec![]),
            ],
            breakers: vec![Breaker {
                name: "a → b".into(),
                states,
            }],
        };
        is_sound(&timeline::draw(id(), &course));
        is_sound(&timeline::draw(
            id(),
            &Course {
                seconds: value,
                ..course
            },
        ));
    }
    is_sound(&timeline::draw(id(), &Course::default()));
}

#[test]
fn a_breaker_that_opens_at_the_last_moment_is_seen_and_stays_on_the_axis() {
    let course = Course {
        seconds: 5.0,
        breakers: vec![Breaker {
            name: "a → b".into(),
            states: vec![(4.999, 5.0, BreakerState::Open)],
        }],
        ..Course::default()
    };
    let svg = timeline::draw(id(), &course).render().into_string();
    let document = Document::parse(&svg).unwrap();
    let is_open = |node: &roxmltree::Node<'_, '_>| node.attribute("class") == Some("open");
    let open = document.descendants().find(is_open).unwrap();
    let [x, width] =
        ["x", "width"].map(|name| open.attribute(name).unwrap().parse::<f64>().unwrap());
    assert!(width > 1.0 && x + width <= timeline::RIGHT, "{svg}");
}

#[test]
fn a_graph_stands_whatever_its_shape() {
    let node = |depth: usize| Node {
        name: "a-service",
        depth,
        own: Some(f64::NAN),
        call: None,
        is_worst: depth == 1,
    };
    let arrow = |from, to| Arrow {
        from,
        to,
        nth: Some(1),
    };
    let chain: Vec<_> = (0..12).map(node).collect();
    let calls: Vec<_> = (0..11).map(|nth| arrow(nth, nth + 1)).collect();
    is_sound(&graph::draw(id(), &chain, &calls));
    let broad: Vec<_> = [0].into_iter().chain([1; 9]).map(node).collect();
    is_sound(&graph::draw(id(), &broad, &[arrow(0, 9), arrow(7, 99)]));
    is_sound(&graph::draw(id(), &[], &[]));
}
