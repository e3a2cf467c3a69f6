//! Further runs with other seeds: how much of a result is chance.

use super::Sheet;
use crate::{
    results::{Repeat, ScenarioResult},
    words::{count, interval, percent, points, probability},
};
use availability::{Confidence, Probability};

/// A row per seed, the worst one first; none without further runs.
pub(crate) fn sheet(result: &ScenarioResult) -> Option<Sheet> {
    let repeats = &result.repeats;
    if repeats.is_empty() {
        return None;
    }
    let header = [
        "seed",
        "requests",
        "answered",
        "predicted",
        "inside its interval",
        "spans",
    ];
    let mut table = Sheet::new("Further runs with other seeds", &header, 1);
    let mut sorted: Vec<&Repeat> = repeats.iter().collect();
    sorted.sort_by(|one, other| share(one).total_cmp(&share(other)));
    for repeat in &sorted {
        table.add_row(row(repeat));
    }
    table.note = Some(spread(&sorted));
    Some(table)
}

fn share(repeat: &Repeat) -> f64 {
    repeat.answered.estimate().get()
}

fn row(repeat: &Repeat) -> [String; 6] {
    let file = repeat.spans_file.as_ref();
    [
        repeat.seed.to_string(),
        count(repeat.answered.trials()),
        format!(
            "{} ({})",
            percent(share(repeat)),
            interval(&repeat.answered.wilson(Confidence::P99))
        ),
        repeat.expected.map_or_else(|| "-".to_owned(), probability),
        inside(repeat),
        file.map_or_else(|| "-".to_owned(), |file| file.display().to_string()),
    ]
}

/// Whether the prediction lies in its interval, and what speaks against asking.
fn inside(repeat: &Repeat) -> String {
    let answer = match repeat.holds {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    let doubts = repeat.doubts.iter().map(|doubt| format!("; {doubt}"));
    [answer.to_owned()].into_iter().chain(doubts).collect()
}

/// How far the runs lie apart, and how far chance alone would put them.
fn spread(sorted: &[&Repeat]) -> String {
    let (Some(worst), Some(best)) = (sorted.first(), sorted.last()) else {
        return String::new();
    };
    let median = sorted[sorted.len() / 2];
    let inside = sorted.iter().filter(|repeat| repeat.holds == Some(true));
    let hold = match median.expected {
        Some(_) => format!(
            "{} of {} hold the prediction in their 99 % interval",
            inside.count(),
            sorted.len()
        ),
        None => "nothing is predicted".to_owned(),
    };
    let p = median.expected.map_or(share(median), Probability::get);
    let chance = (p * (1.0 - p) / median.answered.trials() as f64).sqrt();
    format!(
        "From {} to {}, median {}; {hold}. \
         Chance alone spreads independent requests by {} (one standard deviation).",
        percent(share(worst)),
        percent(share(best)),
        percent(share(median)),
        points(chance),
    )
}
