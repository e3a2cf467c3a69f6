//! Results as tables for a terminal.

mod compare;
mod curve;
mod load;
mod outage;
mod staircase;
mod summary;
mod timeline;

use crate::{results::ScenarioResult, words::millis};
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// How to write for this terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether colours may be used; they never carry meaning alone.
    pub color: bool,
}

impl Style {
    /// `text` in the ANSI colour `code`, if colours may be used.
    fn paint(self, code: u8, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One scenario: what was predicted, what was measured, and the verdict.
pub fn scenario(result: &ScenarioResult, style: Style) -> String {
    let mut text = summary::heading(result, style);
    let Some(run) = result.shown() else {
        return text;
    };
    text += &if result.tries_again() || result.prediction.depths.is_empty() {
        staircase::table(&result.prediction, run)
    } else {
        curve::table(&result.prediction, run)
    };
    if result.tries_again() {
        text += "\n";
        text += &load::table(&result.prediction, run);
    }
    if result.plan.phases().len() > 1 {
        text += "\n";
        text += &timeline::phases(result, run);
        text += "\n";
        text += &timeline::strips(&result.plan, run);
    }
    text.push_str(&summary::footer(result, run, style));
    text
}

/// Scenarios that differ in nothing but their policy, side by side; empty if there are none.
pub fn comparison(results: &[ScenarioResult]) -> String {
    compare::tables(results)
}

/// A prediction alone, before anything is measured.
pub fn prediction(plan: &scenario::Plan, prediction: &scenario::Prediction) -> String {
    [
        summary::title(plan),
        staircase::predicted(prediction),
        timeline::predicted(plan, prediction),
        summary::predicted(prediction),
        summary::predicted_wait(prediction),
    ]
    .concat()
}

/// A latency in milliseconds. At the client's patience it is only known to be at least that.
fn censored(ms: f64, plan: &scenario::Plan) -> String {
    let patience = plan.phases().first().map(|phase| phase.load.patience);
    let patience = patience.map_or(f64::INFINITY, |patience| patience.as_secs_f64() * 1e3);
    if ms >= patience {
        format!("≥ {}", millis(patience))
    } else {
        millis(ms)
    }
}

/// A line under the header and nothing else.
const HOUSE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table in the house style: a line under the header, numbers to the right.
fn table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(HOUSE);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(Cell::new));
    for (index, column) in table.column_iter_mut().enumerate() {
        let align = if index < left {
            CellAlignment::Left
        } else {
            CellAlignment::Right
        };
        column.set_cell_alignment(align);
    }
    table
}
