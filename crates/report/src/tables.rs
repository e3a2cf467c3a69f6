//! Tables: the same whether they end up on a terminal or on a page.

pub(crate) mod compare;
pub(crate) mod curve;
pub(crate) mod downtime;
pub(crate) mod expected;
pub(crate) mod load;
pub(crate) mod losses;
mod outage;
pub(crate) mod phases;
pub(crate) mod repeats;
pub(crate) mod scaled;
pub(crate) mod scaling;
pub(crate) mod staircase;

/// A table: a header, rows of cells, and what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    /// What it shows.
    pub(crate) caption: &'static str,
    /// The heads of its columns.
    pub(crate) header: Vec<String>,
    /// How many columns are words and not numbers: those on the left.
    pub(crate) words: usize,
    /// Its rows.
    pub(crate) rows: Vec<Vec<String>>,
    /// What is to be said below it.
    pub(crate) note: Option<String>,
}

impl Sheet {
    fn new(caption: &'static str, header: &[&str], words: usize) -> Self {
        Self {
            caption,
            header: header.iter().map(|&head| head.to_owned()).collect(),
            words,
            rows: Vec::new(),
            note: None,
        }
    }

    fn add_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}
