//! Traces as bars over time.

use crate::{
    results::RunResult,
    svg::px,
    words::{brief, count, millis},
};
use maud::{Markup, html};
use traces::{
    TraceId, Waterfall,
    waterfall::{Bar, Role, Why},
};
use types::{BreakerState, Outcome};

/// The width of the canvas of a bar.
const WIDTH: f64 = 1000.0;
/// The least width of a bar that is still seen.
const SLIVER: f64 = 3.0;
/// Rows are indented up to this depth: those of a long chain would leave the page.
const DEEPEST: usize = 12;

pub(super) fn section(id: &str, run: &RunResult) -> Markup {
    html! {
        @if !run.waterfalls.is_empty() {
            section.traces aria-labelledby={(id) "-traces"} {
                h3 id={(id) "-traces"} { "Telling traces" }
                @for (nth, waterfall) in run.waterfalls.iter().enumerate() {
                    (one(waterfall, nth == 0, run.jaeger.as_deref()))
                }
            }
        }
    }
}

/// One trace; the first is open, the others at a touch, and all of them on paper.
fn one(waterfall: &Waterfall, is_open: bool, jaeger: Option<&str>) -> Markup {
    let length = waterfall
        .bars
        .iter()
        .map(|bar| bar.start.saturating_add(bar.nanos));
    let length = length.max().unwrap_or(1).max(1) as f64;
    html! {
        details open=[is_open.then_some("")] {
            summary { (why(waterfall)) }
            table.waterfall {
                caption { "Trace " (named(waterfall.trace, jaeger)) ", from 0 to " (millis(length / 1e6)) }
                thead { tr {
                    th scope="col" { "what" }
                    th scope="col" { "how it ended" }
                    th.number scope="col" { "took" }
                    th scope="col" { "when" }
                } }
                tbody { @for bar in &waterfall.bars { (row(bar, length)) } }
            }
            @if waterfall.left_out > 0 {
                p.note { (count(waterfall.left_out as u64)) " more bars are left out." }
            }
        }
    }
}

/// Its id, which leads to it where there is a Jaeger that has it.
fn named(trace: TraceId, jaeger: Option<&str>) -> Markup {
    html! {
        @match jaeger {
            Some(base) => {
                a href={ (base.trim_end_matches('/')) "/trace/" (trace) } rel="noreferrer" {
                    code { (trace) }
                }
            }
            None => code { (trace) },
        }
    }
}

fn why(waterfall: &Waterfall) -> Markup {
    let took = brief(waterfall.nanos);
    let number = |of: usize| count(of as u64);
    html! {
        @match &waterfall.why {
            Why::Typical { of } => { "Answered: the median of " (number(*of)) }
            Why::Failed { hop, cause, of } => {
                "Failed in " bdi { (hop) }
                @if let Some(cause) = cause { " (" (cause) ")" }
                ": the median of " (number(*of))
            }
            Why::MostAttempts { attempts } => {
                "Most attempts: " (number(*attempts)) " for one request, which ended "
                (waterfall.outcome)
            }
            Why::Refused { of } => { "Refused by a circuit breaker: the median of " (number(*of)) }
        }
        ", " (took)
    }
}

fn row(bar: &Bar, length: f64) -> Markup {
    let depth = bar.depth.min(DEEPEST);
    html! {
        tr style={"--depth:" (depth)} {
            th.word scope="row" { (what(bar)) }
            td.ending { (ending(bar)) }
            td.number { (brief(bar.nanos)) }
            td.bar { (drawn(bar, length)) }
        }
    }
}

fn what(bar: &Bar) -> Markup {
    html! {
        @match bar.role {
            Role::Call => { bdi { (bar.by) } " calls " bdi { (bar.callee) } }
            Role::Attempt(0) => "attempt",
            Role::Attempt(nth) => { "retry " (nth) }
            Role::Request => { "in " bdi { (bar.callee) } }
            Role::Statement => { bdi { (bar.callee) } }
        }
    }
}

/// How it ended, in the words of the spans.
fn ending(bar: &Bar) -> Markup {
    let class = match bar.outcome {
        Outcome::Ok => "ok",
        Outcome::Degraded => "degraded",
        Outcome::Failed => "failed",
    };
    let mut details: Vec<String> = Vec::new();
    details.extend(bar.cause.map(|cause| cause.to_string()));
    details.extend(bar.http_status.map(|status| format!("status {status}")));
    details.extend(
        bar.stopped_by
            .map(|by| format!("stopped by {}", by.as_str().replace('_', " "))),
    );
    let breaker = bar.breaker.filter(|state| *state != BreakerState::Closed);
    details.extend(breaker.map(|state| format!("breaker {}", state.as_str().replace('_', "-"))));
    html! {
        span class=(class) { (bar.outcome) }
        @for detail in details { ", " (detail) }
        @if let Some(fault) = &bar.fault { ", " span.fault { "fault injected: " bdi { (fault) } } }
    }
}

/// The bar on the trace's axis of time. How it ended is said beside it in words.
fn drawn(bar: &Bar, length: f64) -> Markup {
    let place = |nanos: u64| nanos as f64 / length * WIDTH;
    let width = place(bar.nanos).max(SLIVER);
    let left = place(bar.start).clamp(0.0, (WIDTH - width).max(0.0));
    let role = match bar.role {
        Role::Call => "call",
        Role::Attempt(_) => "attempt",
        Role::Request => "request",
        Role::Statement => "statement",
    };
    let ending = if bar.outcome.is_available() {
        ""
    } else {
        " failed"
    };
    html! {
        svg viewBox={"0 0 " (px(WIDTH)) " 12"} preserveAspectRatio="none" aria-hidden="true" {
            rect x=(px(left)) y="1" width=(px(width.min(WIDTH))) height="10" class={(role) (ending)} {}
        }
    }
}
