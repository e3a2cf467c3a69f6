//! Axes of shares.

use crate::svg::{Anchor, Scale, line, text};
use maud::{Markup, html};

/// The room above the highest and below the lowest value, of all that is shown.
const MARGIN: f64 = 0.12;
/// The least that an axis spans: less would show rounding as hills.
const LEAST: f64 = 0.001;

/// A scale from below the smallest of `values` up to 100 %, drawn upwards.
pub(super) fn shares(values: impl Iterator<Item = f64>, bottom: f64, top: f64) -> Scale {
    let lowest = values.filter(|value| value.is_finite()).fold(1.0, f64::min);
    let span = (1.0 - lowest).max(LEAST);
    let low = (lowest - span * MARGIN).clamp(0.0, 1.0 - LEAST);
    Scale::linear(low, 1.0, (bottom, top))
}

/// Lines at round shares, each with its value to the left.
pub(super) fn share_lines(scale: &Scale, left: f64, right: f64) -> Markup {
    let ticks = scale.ticks(4);
    let step = match ticks.as_slice() {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    html! {
        @for tick in &ticks {
            @let y = scale.at(*tick);
            (line((left, y), (right, y), "grid"))
            (text((left - 6.0, y + 4.0), Anchor::End, "label", &percent(*tick, step)))
        }
    }
}

/// A share with as many decimals as a step between two needs.
pub(super) fn percent(share: f64, step: f64) -> String {
    let decimals = match step {
        _ if share >= 1.0 => 0,
        step if step < 0.000_99 => 2,
        step if step < 0.009_9 => 1,
        _ => 0,
    };
    format!("{:.decimals$} %", share * 100.0)
}
