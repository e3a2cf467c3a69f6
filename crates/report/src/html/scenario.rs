//! One scenario.

use super::{anchor, badge, caveats, pictures, table, waterfall};
use crate::{
    facts::is_curve,
    results::{RunResult, ScenarioResult, shown_interval},
    tables::{Sheet, curve, load, losses, phases, staircase},
    words::{
        censored, class, count, difference, expected, in_nines, interval, limit, millis, offered,
        percent, plan_policy, points, probability, reason,
    },
};
use availability::{Interval, Probability};
use maud::{Markup, html};
use scenario::Prediction;
use traces::analysis::Latency;

pub(super) fn article(nth: usize, result: &ScenarioResult) -> Markup {
    let id = anchor(nth, &result.name);
    html! {
        article id=(id) aria-labelledby={(id) "-title"} {
            p.name { bdi { (result.name) } }
            h2 id={(id) "-title"} { bdi { (result.plan.title()) } }
            p.lead { (offered(&result.plan)) ". Done about failures: " (plan_policy(&result.plan)) "." }
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
    measured(result.shown()?)
}

fn measured(run: &RunResult) -> Option<(f64, Interval)> {
    let ratio = run.analysis.root.outcomes.availability();
    Some((ratio.value()?, shown_interval(ratio)?))
}

/// Prediction, measurement and verdict.
fn facts(result: &ScenarioResult) -> Markup {
    let (prediction, runs) = (&result.prediction, result.runs.iter().enumerate());
    let (verdict, reason) = (result.judgement.verdict, reason(result));
    let distance = result.plan.expectation().distance.get();
    html! {
        dl.facts {
            div {
                dt { "predicted" }
                dd {
                    strong { (expected(prediction)) } " "
                    span.aside { (about(prediction)) }
                }
            }
            @for (nth, run) in runs { (of_run(nth, run, prediction.availability)) }
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
            let (share, after) = (probability(wait.share), millis(wait.known_after_s * 1e3));
            let limit = limit(wait.ended_by);
            format!("{share} of requests{when} wait {after} each, ended by {limit}")
        }),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

fn of_run(nth: usize, run: &RunResult, predicted: Probability) -> Markup {
    let seen = measured(run);
    html! {
        div {
            dt { @if nth == 0 { "measured" } @else { "rerun" } }
            dd {
                @match &seen {
                    Some((value, seen)) => {
                        strong { (percent(*value)) } " "
                        span.aside {
                            (interval(seen)) " at 99 %; "
                            (difference(value - predicted.get())) " from the prediction; "
                            (Probability::new(*value).map(in_nines).unwrap_or_default())
                            @if nth > 0 { "; with the fresh seed " (run.seed) }
                        }
                    }
                    None => "nothing",
                }
            }
        }
    }
}

fn tables(result: &ScenarioResult, run: &RunResult) -> Markup {
    let hops = if is_curve(result) {
        curve::sheet(&result.prediction, run)
    } else {
        staircase::measured(&result.prediction, run)
    };
    let loads = result
        .tries_again()
        .then(|| load::sheet(&result.prediction, run));
    let losses = losses::sheet(result, run);
    let several = result.plan.phases().len() > 1;
    let phases = several.then(|| phases::measured(result, run)).flatten();
    html! {
        (table::of(&hops))
        @for sheet in losses.iter().chain(&loads).chain(&phases) { (table::of(sheet)) }
        @if let Some(sheet) = latency(result, run) { (table::of(&sheet)) }
    }
}

fn latency(result: &ScenarioResult, run: &RunResult) -> Option<Sheet> {
    let root = &run.analysis.root;
    let row = |what: &str, latency: &Latency| {
        let times = [
            latency.p50_ms,
            latency.p90_ms,
            latency.p99_ms,
            latency.p999_ms,
            latency.max_ms,
        ];
        let times = times.map(|ms| censored(ms, &result.plan));
        let first = [what.to_owned(), count(latency.count)];
        first.into_iter().chain(times).collect::<Vec<_>>()
    };
    let all = row("all requests", root.latency.as_ref()?);
    let answered = root
        .latency_ok
        .as_ref()
        .map(|latency| row("answered in full", latency));
    Some(Sheet {
        caption: "Latency, from the scheduled start of each request",
        header: ["", "requests", "p50", "p90", "p99", "p99.9", "longest"]
            .map(str::to_owned)
            .into(),
        words: 1,
        rows: [all].into_iter().chain(answered).collect(),
        note: None,
    })
}
