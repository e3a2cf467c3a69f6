//! Least, median and most of several rounds.

use std::fmt;

/// Least, median and most.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    /// Of `values`; all zero if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self {
            least: at(0),
            median: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            most: at(last),
        }
    }

    /// No value is below it.
    pub const fn least(&self) -> f64 {
        self.least
    }

    /// Half of the values are below it.
    pub const fn median(&self) -> f64 {
        self.median
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            least,
            median,
            most,
        } = self;
        let digits = f.precision().unwrap_or(1);
        write!(f, "{least:.digits$} – {median:.digits$} – {most:.digits$}")
    }
}
