//! Tables of a page.

use crate::tables::Sheet;
use maud::{Markup, html};

/// A table in a box of its own, which alone scrolls where the page is too narrow.
pub(super) fn of(sheet: &Sheet) -> Markup {
    let align = |column: usize| {
        if column < sheet.words {
            "word"
        } else {
            "number"
        }
    };
    let content = html! {
        table {
            caption { (sheet.caption) }
            thead { tr {
                @for (column, head) in sheet.header.iter().enumerate() {
                    @if head.is_empty() { td {} } @else { th scope="col" class=(align(column)) { (head) } }
                }
            } }
            tbody {
                @for row in &sheet.rows { tr {
                    @for (column, cell) in row.iter().enumerate() {
                        @if column == 0 {
                            @let class = row_class(cell, align(column));
                            th scope="row" class=(class) { bdi { (cell.trim()) } }
                        } @else { td class=(align(column)) { (cell) } }
                    }
                } }
            }
        }
        @if let Some(note) = &sheet.note { p.note { (note) } }
    };
    scrolling(sheet.caption, &content)
}

/// A row that belongs to the one above it begins with spaces.
fn row_class(cell: &str, align: &'static str) -> &'static str {
    if cell.starts_with(' ') {
        "word below"
    } else {
        align
    }
}

/// A box that scrolls, also by keyboard.
pub(super) fn scrolling(label: &str, content: &Markup) -> Markup {
    html! { div.scroll role="region" tabindex="0" aria-label=(label) { (content) } }
}
