//! Scenarios that differ in nothing but their policy.

use super::{anchor, table};
use crate::{results::ScenarioResult, tables::compare};
use maud::{Markup, html};

/// `all` are those that the page shows; links lead there.
pub(super) fn group(nth: usize, group: &[&ScenarioResult], all: &[ScenarioResult]) -> Markup {
    let place = |one: &ScenarioResult| all.iter().position(|other| std::ptr::eq(one, other));
    let link = |one: &ScenarioResult| anchor(place(one).unwrap_or_default(), &one.name);
    let id = anchor(nth, "side-by-side");
    html! {
        section.group aria-labelledby=(id) {
            h3 id=(id) {
                @for (nth, result) in group.iter().enumerate() {
                    @if nth > 0 { ", " }
                    a href={"#" (link(result))} { bdi { (result.name) } }
                }
            }
            @for sheet in compare::sheets(group) { (table::of(&sheet)) }
        }
    }
}
