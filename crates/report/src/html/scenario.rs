//! One scenario.

use super::{anchor, badge, caveats, pictures, table, waterfall};
use crate::{
    facts::{self, is_curve},
    heartbeats,
    results::{FixCheck, RunResult, ScenarioResult},
    tables::{Sheet, curve, expected, load, losses, phases, repeats, staircase},
    words::{
        self, censored, class, count, difference, in_nines, interval, limit, millis, offered,
        percent, plan_policy, points, probability, reason,
    },
};
use availability::{Interval, Probability};
use maud::{Markup, html};
use scenario::{Plan, Prediction};
use traces::analysis::{Intervals, Latency};

pub(super) fn article(nth: usize, result: &ScenarioResult) -> Markup {
    let id = anchor(nth, &result.name);
    html! {
        article id=(id) aria-labelledby={(id) "-title"} {
            p.name { bdi { (result.name) } }
            h2 id={(id) "-title"} { bdi { (result.plan.title()) } }
            p.lead { (offered(&result.plan)) ". Done about failures: " (plan_policy(&result.plan)) "." }
            @if !result.plan.overrides().is_empty() {
                p.lead { "With " (result.plan.overrides().join(" ")) " in place of the scenario's own." }
            }
            (facts(result))
            @if let Some(run) = result.shown() {
                (pictures::gallery(&id, result, run))
                (tables(result, run))
                (pictures::timeline(&id, result, run))
                (waterfall::section(&id, run))
            }
            (caveats::section(&id, result))
        }
    }
}

/// What was measured, and its interval; none of nothing.
pub(super) fn seen(result: &ScenarioResult) -> Option<(f64, Interval)> {
    measured(&result.plan, result.shown()?)
}

fn measured(plan: &Plan, run: &RunResult) -> Option<(f64, Interval)> {
    let ratio = run.analysis.root.outcomes.availability();
    Some((ratio.value()?, facts::measured_interval(plan, run)?))
}

/// Prediction, measurement and verdict.
fn facts(result: &ScenarioResult) -> Markup {
    let prediction = &result.prediction;
    let (verdict, reason) = (result.judgement.verdict, reason(result));
    let distance = result.plan.expectation().distance.get();
    html! {
        dl.facts {
            div {
                dt { "predicted" }
                dd {
                    strong { (words::expected(prediction)) } " "
                    span.aside { (about(prediction)) }
                }
            }
            @if let Some(run) = result.shown() {
                (of_run(&result.plan, run, facts::predicted(result)))
            }
            @for other in result.others() {
                div { dt { "not counted" } dd { span.aside { (words::other_run(other)) } } }
            }
            @if let Some(lowered) = result.shown().and_then(words::lowered) {
                div { dt { "load" } dd { span.aside { (lowered) } } }
            }
            @if let Some(fix) = &result.fix { (promise(fix)) }
            div {
                dt { "verdict" }
                dd {
                    (badge(verdict)) " "
                    span.aside {
                        (reason)
                        @if !reason.is_empty() { "; " }
                        "the run must tell ± " (points(distance))
                    }
                }
            }
        }
    }
}

/// How far the prediction can be trusted, and what else it says.
fn about(prediction: &Prediction) -> String {
    let several = prediction.phases.len() > 1;
    let when = if several { " of the worst phase" } else { "" };
    let parts = [
        Some(class(prediction.class).to_owned()),
        prediction.nines.map(|_| in_nines(prediction.availability)),
        prediction.without_breaker.map(|without| {
            let without = probability(without);
            format!(
                "{without} without the circuit breaker: it saves waiting and load, not requests"
            )
        }),
        prediction.wait.map(|wait| {
            let (share, after) = (
                words::share(wait.share.get()),
                millis(wait.known_after_s * 1e3),
            );
            let limit = limit(wait.ended_by);
            format!("{share} of requests{when} wait {after} each, ended by {limit}")
        }),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

/// What was promised of a hop that never fails, and what came of it.
fn promise(fix: &FixCheck) -> Markup {
    html! { div { dt { "promise" } dd { (words::promise(fix)) } } }
}

fn of_run(plan: &Plan, run: &RunResult, predicted: Option<Probability>) -> Markup {
    let seen = measured(plan, run);
    html! {
        @if let Some(given) = &run.given {
            div {
                dt { "of this run" }
                dd {
                    strong { (probability(words::played(given))) } " "
                    span.aside { (words::how_played(run, given)) }
                }
            }
        }
        div {
            dt { @if run.doubts.is_empty() { "measured" } @else { "disturbed, says nothing" } }
            dd {
                @match &seen {
                    Some((value, seen)) => {
                        strong { (percent(*value)) } " "
                        span.aside {
                            (interval(seen)) " at 99 %; "
                            @if let Some(predicted) = predicted {
                                (difference(value - predicted.get())) " from the prediction; "
                            }
                            (Probability::new(*value).map(in_nines).unwrap_or_default())
                            @if run.seed != plan.seed() { "; with the fresh seed " (run.seed) }
                        }
                    }
                    None => "nothing",
                }
            }
        }
        @if let Some(sampled) = run.sampled.as_ref().and_then(words::sampled) {
            div { dt { "sampled" } dd { span.aside { (sampled) } } }
        }
        @for (what, line) in heartbeats::lines(plan, run) {
            div { dt { (what) } dd { span.aside { (line) } } }
        }
        @if let Some(seen) = facts::long_run(plan, run) {
            div { dt { "long run" } dd { span.aside { (words::long_run_of(&seen)) } } }
        }
    }
}

fn tables(result: &ScenarioResult, run: &RunResult) -> Markup {
    let hops = if is_curve(result) {
        curve::sheet(&result.prediction, run)
    } else {
        staircase::measured(result, run)
    };
    let loads = result.tries_again().then(|| load::sheet(result, run));
    let losses = losses::sheet(result, run);
    let several = result.plan.phases().len() > 1;
    let phases = several.then(|| phases::measured(result, run)).flatten();
    let expected = expected::sheet(result);
    let repeats = repeats::sheet(result);
    html! {
        @if let Some(sheet) = &expected { (table::of(sheet)) }
        (table::of(&hops))
        @for sheet in losses.iter().chain(&loads).chain(&phases) { (table::of(sheet)) }
        @if let Some(sheet) = latency(result, run) { (table::of(&sheet)) }
        @if let Some(sheet) = &repeats { (table::of(sheet)) }
    }
}

fn latency(result: &ScenarioResult, run: &RunResult) -> Option<Sheet> {
    let root = &run.analysis.root;
    let header = ["", "requests", "p50", "p90", "p99", "p99.9", "longest"];
    let all = root.latency.as_ref()?;
    let answered = root.latency_ok.as_ref();
    let row = |what: &str, latency| {
        [
            percentiles(what, latency, &result.plan),
            intervals(latency, &result.plan),
        ]
    };
    let answered = answered.map(|latency| row("answered in full", latency));
    Some(Sheet {
        caption: "Latency, from the scheduled start of each request",
        header: header.map(str::to_owned).into(),
        words: 1,
        rows: [row("all requests", all)]
            .into_iter()
            .chain(answered)
            .flatten()
            .collect(),
        note: None,
    })
}

fn percentiles(what: &str, latency: &Latency, plan: &Plan) -> Vec<String> {
    let Latency {
        p50_ms,
        p90_ms,
        p99_ms,
        p999_ms,
        max_ms,
        ..
    } = *latency;
    let times = [p50_ms, p90_ms, p99_ms, p999_ms, max_ms].map(|ms| censored(ms, plan));
    let first = [what.to_owned(), count(latency.count)];
    first.into_iter().chain(times).collect()
}

/// By order statistics; open where too little was measured to tell.
fn intervals(latency: &Latency, plan: &Plan) -> Vec<String> {
    let Intervals {
        p50,
        p90,
        p99,
        p999,
    } = latency.intervals;
    let first = ["  99 % interval".to_owned(), String::new()];
    let all = [p50, p90, p99, p999].map(|of| words::between(of, plan));
    first
        .into_iter()
        .chain(all)
        .chain([String::new()])
        .collect()
}
