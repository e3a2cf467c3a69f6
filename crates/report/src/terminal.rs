//! Results as tables for a terminal.

mod summary;
mod timeline;

use crate::{
    facts::{self, groups, is_curve},
    results::{RunResult, ScenarioResult},
    tables::{self, Sheet, compare, expected, load, phases, repeats, staircase},
};
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
        return text + &summary::without_runs(result, style);
    };
    text += &if is_curve(result) {
        curve(&result.prediction, run)
    } else {
        table(&staircase::measured(result, run))
    };
    if result.tries_again() {
        text += "\n";
        text += &table(&load::sheet(result, run));
    }
    if result.plan.phases().len() > 1 {
        text += "\n";
        text += &optional(phases::measured(result, run).as_ref());
        text += "\n";
        text += &timeline::strips(&result.plan, run);
    }
    text.push_str(&summary::footer(result, run, style));
    let further = [expected::sheet(result), repeats::sheet(result)];
    for sheet in further.iter().flatten() {
        text = [&text, sheet.caption, "\n", &table(sheet)].concat();
    }
    text
}

/// Scenarios that differ in nothing but their policy, side by side; empty if there are none.
pub fn comparison(results: &[ScenarioResult]) -> String {
    let groups = groups(results);
    let compared = groups.iter().filter(|group| group.len() > 1);
    compared.map(|group| side_by_side(group)).collect()
}

fn side_by_side(group: &[&ScenarioResult]) -> String {
    let names: Vec<_> = group.iter().map(|result| result.name.as_str()).collect();
    let sheets: Vec<_> = compare::sheets(group).iter().map(table).collect();
    format!(
        "Side by side: {}\n{}\n",
        names.join(", "),
        sheets.join("\n")
    )
}

/// A prediction alone, before anything is measured.
pub fn prediction(plan: &scenario::Plan, prediction: &scenario::Prediction) -> String {
    [
        summary::title(plan),
        table(&staircase::predicted(prediction)),
        optional(phases::predicted(plan, prediction).as_ref()),
        summary::predicted(prediction),
        summary::predicted_wait(prediction),
        summary::sizes(&scenario::sizes(plan, prediction)),
    ]
    .concat()
}

/// The table of a curve, with a bar for each row.
fn curve(prediction: &scenario::Prediction, run: &RunResult) -> String {
    let mut sheet = tables::curve::sheet(prediction, run);
    sheet.header.push("80 % to 100 %".to_owned());
    for (row, depth) in sheet.rows.iter_mut().zip(facts::depths(prediction, run)) {
        let share = depth.seen.map(|(seen, _)| seen.estimate().get());
        row.push(share.map_or_else(|| "-".to_owned(), bar));
    }
    let mut drawn = drawn(&sheet);
    if let Some(column) = drawn.column_mut(sheet.header.len() - 1) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    with_note(&drawn, &sheet)
}

/// The width of a bar that stands for 100 %, in characters.
const BAR: f64 = 40.0;

/// A bar from 80 % to 100 %: below that the chain has other problems.
fn bar(value: f64) -> String {
    const FROM: f64 = 0.8;
    let share = ((value - FROM) / (1.0 - FROM)).clamp(0.0, 1.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 40"
    )]
    let width = (share * BAR).round() as usize;
    "█".repeat(width)
}

/// A line under the header and nothing else.
const HOUSE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

fn optional(sheet: Option<&Sheet>) -> String {
    sheet.map_or_else(String::new, table)
}

fn table(sheet: &Sheet) -> String {
    with_note(&drawn(sheet), sheet)
}

fn with_note(drawn: &Table, sheet: &Sheet) -> String {
    let note = sheet.note.as_ref();
    let note = note.map_or_else(String::new, |note| format!("{note}\n"));
    format!("{drawn}\n{note}")
}

/// A table in the house style: a line under the header, numbers to the right.
fn drawn(sheet: &Sheet) -> Table {
    let mut table = Table::new();
    table.load_style(HOUSE);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(sheet.header.iter().map(Cell::new));
    table.add_rows(&sheet.rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        let align = if index < sheet.words {
            CellAlignment::Left
        } else {
            CellAlignment::Right
        };
        column.set_cell_alignment(align);
    }
    table
}
