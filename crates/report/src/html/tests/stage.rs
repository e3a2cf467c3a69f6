//! Results made up for tests, with numbers that can be recognised on a page.

use crate::results::{
    Accounting, Count, Counts, FixCheck, Generator, Line, Met, Repeat, Results, RunResult, Sampled,
    ScenarioResult, Scheduled, Timeline,
};
use availability::{
    Confidence, Interval, Judgement, Probability, Proportion, Verdict, difference::Difference,
    perfect::Gain,
};
use scenario::{Bound, Measure, simulate::GivenSchedule};
use std::collections::BTreeMap;
use traces::{
    Analysis, Completeness, HopAnalysis, Ratio, RootView, TraceId, Waterfall,
    analysis::{Failures, Intervals, Latency, Outcomes, RootAnalysis, Stretch, Transition},
    waterfall::{Bar, Role, Why},
};
use types::{BreakerState, Cause, Outcome};

/// A scenario as in the README: two phases, retries and a breaker.
pub const TOML: &str = r#"
title = "TITLE"
[load]
rate = 200
for  = "5s"
[chain]
hops = ["auth", "profile", "database"]
[faults.every]
kind        = "error"
probability = 0.01
[policy]
attempt_timeout = "250ms"
[policy.retry]
retries = 2
[policy.breaker]
consecutive = 5
open        = "500ms"
[[phase]]
title = "the database hangs"
at    = "1400ms"
for   = "1700ms"
[phase.faults.dead]
kind        = "hang"
probability = 1
on          = ["database"]
[expect]
availability = "predicted"
distance     = 0.08
"#;

const SECOND: u64 = 1_000_000_000;

pub fn results(scenarios: Vec<ScenarioResult>) -> Results {
    Results::new(scenarios)
}

/// A scenario of this name and title that ran once and held.
pub fn scenario(name: &str, title: &str) -> ScenarioResult {
    let quoted = toml_string(title);
    let text = TOML.replace("\"TITLE\"", &quoted);
    let plan = scenario::parse("test.toml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    ScenarioResult {
        name: name.to_owned(),
        prediction: scenario::predict(&plan),
        plan,
        variant: None,
        sizes: Vec::new(),
        runs: vec![run()],
        headline: 0,
        bounds: Vec::new(),
        repeats: Vec::new(),
        fix: None,
        own_caveat: None,
        judgement: Judgement::from(Verdict::Holds),
    }
}

/// A string as TOML writes it.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub fn run() -> RunResult {
    let outcomes = outcomes(961, 39);
    let counts = Counts {
        offered: 1000,
        ok: 961,
        degraded: 0,
        failed: 39,
        failed_by_cause: BTreeMap::from([(Cause::Timeout, 39)]),
    };
    RunResult {
        seed: 42,
        given: None,
        schedule: Vec::new(),
        host: None,
        doubts: Vec::new(),
        load_s: 5.0,
        generator: Generator {
            counts,
            unexpected: BTreeMap::new(),
            gave_up: 7,
            late: 3,
            worst_lateness_ms: 61.5,
        },
        analysis: Analysis {
            root: RootAnalysis {
                view: RootView::ClientCall,
                outcomes,
                latency: Some(latency(1000)),
                latency_ok: Some(latency(961)),
                max_concurrency: 12,
            },
            hops: ["gateway", "auth", "profile", "database"].map(hop).into(),
            completeness: Completeness {
                traces: 1000,
                spans: 12_000,
                orphans: 5,
                ..Completeness::default()
            },
            stretches: Vec::new(),
            transitions: Vec::new(),
            failures: Vec::new(),
        },
        timeline: timeline(),
        sampled: Some(sampled()),
        waterfalls: vec![waterfall()],
        accounting: Accounting {
            lines: vec![line("requests offered", 1000, 1000)],
        },
        cpu_s: BTreeMap::new(),
        host_busy: Some(0.5),
        scaled: None,
        forwarded: None,
        deployed: None,
        jaeger: None,
        spans_file: "out/a.spans.jsonl".into(),
    }
}

/// A run in which nothing was seen at all.
pub fn empty_run() -> RunResult {
    let run = run();
    RunResult {
        generator: Generator::default(),
        analysis: Analysis {
            root: RootAnalysis {
                outcomes: Outcomes::default(),
                latency: None,
                latency_ok: None,
                ..run.analysis.root
            },
            hops: Vec::new(),
            completeness: Completeness::default(),
            ..run.analysis
        },
        timeline: Timeline {
            begin: 0,
            phases: Vec::new(),
            slices: Vec::new(),
            transitions: Vec::new(),
            replicas: Vec::new(),
        },
        waterfalls: Vec::new(),
        accounting: Accounting::default(),
        host_busy: None,
        scaled: None,
        ..run
    }
}

pub fn line(what: &str, left: u64, right: u64) -> Line {
    let by = |by, count| Count { by, count };
    Line {
        what: what.to_owned(),
        left: by("generator", left),
        right: by("spans", right),
    }
}

fn outcomes(ok: u64, failed: u64) -> Outcomes {
    Outcomes {
        offered: ok + failed,
        ok,
        degraded: 0,
        failed: Failures {
            total: failed,
            by_cause: BTreeMap::from([(Cause::Timeout, failed)]),
        },
    }
}

fn latency(count: u64) -> Latency {
    Latency {
        count,
        p50_ms: 2.8,
        p90_ms: 5.5,
        p99_ms: 251.0,
        p999_ms: 753.0,
        max_ms: 801.0,
        intervals: Intervals::default(),
    }
}

fn hop(name: &str) -> HopAnalysis {
    let mut hop = HopAnalysis {
        hop: name.to_owned(),
        actual: Ratio::new(970, 30),
        effective: Ratio::new(985, 15),
        lost_here: 13,
        cumulative: Ratio::new(987, 13),
        load_amplification: Some(1.103),
        load_deviation: Some(0.3),
        ..HopAnalysis::default()
    };
    hop.calls.outcomes = outcomes(985, 15);
    hop.attempts.outcomes = outcomes(970, 30);
    hop
}

fn stretch(start: u64, end: u64) -> Stretch {
    Stretch {
        start,
        end,
        requests: outcomes(96, 4),
        latency: Some(latency(100)),
        first_answer: Some(3_000_000),
        hops: BTreeMap::new(),
    }
}

fn timeline() -> Timeline {
    let change = |at, from, to| Transition {
        at,
        caller: "gateway".to_owned(),
        caller_replica: None,
        callee: "database".to_owned(),
        replica: None,
        from,
        to,
    };
    Timeline {
        begin: SECOND,
        phases: vec![
            stretch(SECOND, 2 * SECOND),
            stretch(2 * SECOND, 4 * SECOND),
            stretch(4 * SECOND, 6 * SECOND),
        ],
        slices: (1..6)
            .map(|s| stretch(s * SECOND, (s + 1) * SECOND))
            .collect(),
        replicas: Vec::new(),
        transitions: vec![
            change(2 * SECOND, BreakerState::Closed, BreakerState::Open),
            change(3 * SECOND, BreakerState::Open, BreakerState::HalfOpen),
            change(3 * SECOND + 1, BreakerState::HalfOpen, BreakerState::Closed),
        ],
    }
}

fn waterfall() -> Waterfall {
    let bar = |depth, role| Bar {
        depth,
        role,
        by: "gateway".to_owned(),
        callee: "database".to_owned(),
        start: 1_000_000,
        nanos: 250_000_000,
        outcome: Outcome::Failed,
        cause: Some(Cause::Timeout),
        stopped_by: None,
        http_status: None,
        breaker: Some(BreakerState::HalfOpen),
        fault: Some("dead".to_owned()),
    };
    Waterfall {
        trace: TraceId::new(0xabc).unwrap(),
        why: Why::Failed {
            hop: "database".to_owned(),
            cause: Some(Cause::Timeout),
            of: 39,
        },
        outcome: Outcome::Failed,
        nanos: 251_000_000,
        bars: vec![
            bar(0, Role::Call),
            bar(1, Role::Attempt(0)),
            bar(2, Role::Request),
            bar(1, Role::Attempt(1)),
        ],
        left_out: 3,
    }
}

/// One bound that can't be told, and one that is broken.
pub fn bounds() -> Vec<Met> {
    let p99 = Met {
        bound: Bound {
            of: Measure::P99,
            min: None,
            max: Some(250.0),
        },
        seen: Some(200.0),
        low: Some(180.0),
        high: Some(260.0),
        judgement: Verdict::Inconclusive.into(),
    };
    let lost = Met {
        bound: Bound {
            of: Measure::Lost,
            min: None,
            max: Some(4.0),
        },
        seen: Some(39.0),
        low: Some(39.0),
        high: Some(39.0),
        judgement: Verdict::Fails.into(),
    };
    vec![p99, lost]
}

pub fn repeats() -> Vec<Repeat> {
    let repeat = |seed, answered| Repeat {
        seed,
        answered: Proportion::new(answered, 1000).unwrap(),
        expected: Probability::new(0.96).ok(),
        holds: Some(true),
        doubts: Vec::new(),
        spans_file: None,
    };
    vec![repeat(8, 970), repeat(7, 950)]
}

pub fn fix() -> FixCheck {
    FixCheck {
        hop: "database".to_owned(),
        promised: Some(Gain {
            value: 0.01,
            low: 0.008,
            high: 0.012,
        }),
        measured: Difference {
            value: 0.009,
            low: 0.005,
            high: 0.013,
            level: Confidence::P99,
        },
        differs: false,
        agrees: Some(true),
        caveat: None,
    }
}

pub fn given() -> GivenSchedule {
    let end = |value| Probability::new(value).unwrap();
    GivenSchedule {
        availability: Interval {
            low: end(0.949),
            high: end(0.951),
            level: Confidence::P99,
        },
        requests: 250_000,
    }
}

pub fn schedule() -> Vec<Scheduled> {
    vec![Scheduled {
        service: "database".into(),
        replica: None,
        fault: "down".to_owned(),
        outages: 2,
        windows_s: vec![(0.5, 0.6), (2.0, 2.2)],
    }]
}

pub fn sampled() -> Sampled {
    let share = |value| Probability::new(value).unwrap();
    Sampled {
        share: share(0.1),
        answered: 96,
        failed: 39,
        shown: Some(share(0.711)),
        weighed: Some((share(0.961), given().availability)),
    }
}
