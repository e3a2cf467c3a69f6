//! What availabilities mean in time: nines, and what is lost in a year, a month and a week.

use super::Sheet;
use crate::{
    results::{ScenarioResult, shown_interval},
    words::{called, interval, percent},
};
use availability::{
    Probability,
    nines::{Downtime, Period, human, nines},
};

/// The shares that people promise.
const PROMISED: [f64; 7] = [0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999, 0.999_999_9];

/// What was measured of each of `group`, among the shares that people promise.
pub(crate) fn sheet(group: &[&ScenarioResult]) -> Sheet {
    let header = [
        "",
        "availability",
        "nines",
        "lost in a year",
        "in a month",
        "in a week",
    ];
    let mut table = Sheet::new("Nines, and the time they leave to be lost", &header, 1);
    let promised = PROMISED.map(Probability::new).into_iter().flatten();
    let promised = promised.map(|share| {
        (
            share,
            row(share, "promised".to_owned(), percent(share.get())),
        )
    });
    let measured = group.iter().filter_map(|result| measured(result));
    let mut rows: Vec<_> = promised.chain(measured).collect();
    rows.sort_by(|(one, _), (other, _)| one.get().total_cmp(&other.get()));
    table.rows = rows.into_iter().map(|(_, row)| row.into()).collect();
    table
}

fn measured(result: &ScenarioResult) -> Option<(Probability, [String; 6])> {
    let ratio = result.shown()?.analysis.root.outcomes.availability();
    let share = Probability::new(ratio.value()?).ok()?;
    let between = interval(&shown_interval(ratio)?);
    let value = format!("{} ({between})", percent(share.get()));
    let what = format!("measured: {}", called(result));
    Some((share, row(share, what, value)))
}

fn row(share: Probability, what: String, value: String) -> [String; 6] {
    let lost = |period| human(Downtime::of(share, period).lost);
    [
        what,
        value,
        format!("{:.2}", nines(share)),
        lost(Period::Year),
        lost(Period::Month),
        lost(Period::Week),
    ]
}
