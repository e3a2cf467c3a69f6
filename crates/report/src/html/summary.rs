//! All scenarios at a glance.

use super::{anchor, badge, table::scrolling};
use crate::{
    facts::predicted,
    figure::{Seen, forest},
    results::ScenarioResult,
    words::{class, count, interval, percent, points, probability},
};
use availability::Bounds;
use maud::{Markup, html};
use scenario::Class;

pub(super) fn section(results: &[ScenarioResult]) -> Markup {
    let rows: Vec<_> = results.iter().map(forest_row).collect();
    let content = html! {
        table.summary {
            caption { "Predicted and measured" }
            thead { tr {
                th scope="col" { "scenario" }
                th scope="col" { "verdict" }
                th.number scope="col" { "predicted" }
                th scope="col" { "class" }
                th.number scope="col" { "measured" }
                th.number scope="col" { "99 % interval" }
                th scope="col" { "measured − predicted" }
                th.number scope="col" { "must tell" }
                th.number scope="col" { "requests" }
            } }
            tbody {
                @for ((nth, result), forest) in results.iter().enumerate().zip(&rows) {
                    (row(nth, result, forest.as_ref()))
                }
            }
        }
    };
    html! {
        section aria-labelledby="summary" {
            h2 id="summary" { "All scenarios" }
            (scrolling("Predicted and measured", &content))
            p.note {
                "Line: predicted. Grey: the predicted range, or what the run need not tell from "
                "the prediction. Dot: measured, with its 99 % interval. Each row has its own scale."
            }
        }
    }
}

fn forest_row(result: &ScenarioResult) -> Option<forest::Row> {
    let ratio = result.shown()?.analysis.root.outcomes.availability();
    let prediction = &result.prediction;
    let (value, distance) = (predicted(result)?, result.plan.expectation().distance);
    let range = match (prediction.class, prediction.range) {
        (Class::Bound, Some(range)) => range,
        (Class::Bound, None) => Bounds::at_most(value),
        _ => Bounds::around(value, distance),
    };
    Some(forest::Row {
        seen: Seen::of(ratio)?,
        predicted: value.get(),
        range: (range.min().get(), range.max().get()),
    })
}

fn row(nth: usize, result: &ScenarioResult, forest: Option<&forest::Row>) -> Markup {
    let seen = super::scenario::seen(result);
    let anchor = anchor(nth, &result.name);
    let requests = result.shown().map_or(0, |run| run.generator.counts.offered);
    html! {
        tr {
            th.word scope="row" { a href={"#" (anchor)} { bdi { (result.name) } } }
            td { (badge(result.judgement.verdict)) }
            td.number {
                (predicted(result).map_or_else(|| "-".to_owned(), probability))
                @if let Some(range) = &result.prediction.range {
                    small { (probability(range.min())) " to " (probability(range.max())) }
                }
            }
            td { (class(result.prediction.class)) }
            td.number { (seen.as_ref().map_or_else(|| "nothing".to_owned(), |(value, _)| percent(*value))) }
            td.number { (seen.as_ref().map_or_else(|| "-".to_owned(), |(_, seen)| interval(seen))) }
            td.forest { @if let Some(row) = forest { (forest::draw(format!("{anchor}-forest"), row)) } }
            td.number { "± " (points(result.plan.expectation().distance.get())) }
            td.number { (count(requests)) }
        }
    }
}
