//! `nines compare`: what has changed from one result to another.

mod document;

use crate::{
    exit::{Done, Failure},
    json, say,
};
use availability::{
    Confidence, Proportion, Verdict,
    difference::Difference,
    format::{percent, percent_interval},
};
use document::{Between, Document, Run, Scenario};
use serde_json::{Value, json};
use std::path::Path;

/// The level of all intervals.
const LEVEL: Confidence = Confidence::P99;

/// Compares the results in two files; whether something got worse decides the exit code.
pub fn compare(before: &Path, after: &Path, as_json: bool) -> Result<Done, Failure> {
    let (before, after) = (Document::read(before)?, Document::read(after)?);
    let pairs = pairs(&before, &after);
    let (only_before, only_after) = (missing(&before, &after), missing(&after, &before));
    if pairs.is_empty() {
        return Err(Failure::BadInput(
            "the two results have no scenario in common; allowed: results of the same scenarios"
                .to_owned(),
        ));
    }
    if as_json {
        let body = json!({
            "scenarios": pairs.iter().map(Pair::json).collect::<Vec<_>>(),
            "only_before": only_before,
            "only_after": only_after,
        });
        json::print("compare", 1, &body);
    } else {
        for pair in &pairs {
            say::out(pair.text());
        }
        for (names, which) in [(only_before, "first"), (only_after, "second")] {
            for name in names {
                say::out(format!("{name}: in the {which} file only"));
            }
        }
    }
    let worse = pairs.iter().any(Pair::got_worse);
    Ok(if worse { Done::Failed } else { Done::Fine })
}

/// The scenarios that both have, in the order of the second.
fn pairs<'a>(before: &'a Document, after: &'a Document) -> Vec<Pair<'a>> {
    let pair = |now: &'a Scenario| {
        let then = before
            .scenarios
            .iter()
            .find(|then| then.name() == now.name())?;
        Some(Pair::new(then, now))
    };
    after.scenarios.iter().filter_map(pair).collect()
}

/// The names of those in `here` that are not `there`.
fn missing(here: &Document, there: &Document) -> Vec<String> {
    let names: Vec<_> = there.scenarios.iter().map(Scenario::name).collect();
    let here = here.scenarios.iter().map(Scenario::name);
    here.filter(|name| !names.contains(name)).collect()
}

/// One scenario in both results.
struct Pair<'a> {
    then: &'a Scenario,
    now: &'a Scenario,
    difference: Option<Difference>,
}

impl<'a> Pair<'a> {
    fn new(then: &'a Scenario, now: &'a Scenario) -> Self {
        let availability = |scenario: &Scenario| scenario.run().and_then(Run::availability);
        let both = availability(now).zip(availability(then));
        Self {
            then,
            now,
            difference: both.map(|(now, then)| Difference::of(now, then, LEVEL)),
        }
    }

    /// Whether availability fell by more than chance explains, or the expectation, which
    /// held, is contradicted.
    fn got_worse(&self) -> bool {
        let contradicted = (self.then.verdict(), self.now.verdict());
        self.difference
            .is_some_and(|difference| difference.is_below_zero())
            || contradicted == (Verdict::Holds, Verdict::Fails)
    }

    fn text(&self) -> String {
        let mut lines = vec![self.now.name()];
        let row =
            |name: &str, then: String, now: String| format!("  {name:24} {then:>28}   {now:>28}");
        let of = |scenario: &Scenario| {
            let proportion = scenario.run().and_then(Run::availability);
            proportion.map_or_else(|| "no requests".to_owned(), share)
        };
        lines.push(row("availability", of(self.then), of(self.now)));
        for (name, read) in NUMBERS {
            let number = |scenario: &Scenario| {
                let number = scenario.run().and_then(read);
                number.map_or_else(|| "-".to_owned(), Measured::text)
            };
            lines.push(row(name, number(self.then), number(self.now)));
        }
        let verdict = |scenario: &Scenario| scenario.verdict().as_str().to_owned();
        lines.push(row("verdict", verdict(self.then), verdict(self.now)));
        lines.push(format!("  => {}", self.conclusion()));
        lines.push(format!("  note: {NO_INTERVAL}"));
        lines.join("\n")
    }

    fn conclusion(&self) -> String {
        let Some(difference) = self.difference else {
            return "nothing to compare: one of them has no requests".to_owned();
        };
        let points = |share: f64| format!("{:+.2}", share * 100.0);
        let [value, low, high] = [difference.value, difference.low, difference.high].map(points);
        let word = if difference.is_below_zero() {
            "worse"
        } else if difference.is_above_zero() {
            "better"
        } else {
            "no difference that chance does not explain"
        };
        format!("{word}: {value} points ({LEVEL}: {low} to {high})")
    }

    fn json(&self) -> Value {
        let side = |scenario: &Scenario| {
            let proportion = scenario.run().and_then(Run::availability);
            let mut side = json!({
                "availability": proportion.map(Proportion::estimate),
                "interval": proportion.map(|proportion| proportion.wilson(LEVEL)),
                "verdict": scenario.verdict(),
            });
            for (name, read) in NUMBERS {
                let number = scenario.run().and_then(read);
                side[key(name)] = number.map(|number| number.value).into();
                if let Some(interval) = number.and_then(|number| number.interval) {
                    side[format!("{}_interval", key(name))] = json!(interval);
                }
            }
            side
        };
        json!({
            "name": self.now.name(),
            "before": side(self.then),
            "after": side(self.now),
            "difference": self.difference,
            "got_worse": self.got_worse(),
        })
    }
}

/// What is not known of the last two numbers.
const NO_INTERVAL: &str = "attempts and CPU are means of one run each, without an interval";

/// A number that is shown of a run, with its unit.
type Number = (&'static str, fn(&Run) -> Option<Measured>);

const NUMBERS: [Number; 5] = [
    ("p50, ms", |run| {
        let latency = run.latency()?;
        Some(Measured::between(latency.p50, latency.intervals.p50))
    }),
    ("p99, ms", |run| {
        let latency = run.latency()?;
        Some(Measured::between(latency.p99, latency.intervals.p99))
    }),
    ("p99.9, ms", |run| {
        let latency = run.latency()?;
        Some(Measured::between(latency.p999, latency.intervals.p999))
    }),
    ("attempts at busiest hop", |run| {
        run.attempts().map(Measured::mean)
    }),
    ("CPU per request, ms", |run| {
        run.cpu_ms().map(Measured::mean)
    }),
];

/// A number, and what it may be as well.
#[derive(Clone, Copy)]
struct Measured {
    value: f64,
    interval: Option<Between>,
}

impl Measured {
    const fn between(value: f64, interval: Between) -> Self {
        let interval = Some(interval);
        Self { value, interval }
    }

    const fn mean(value: f64) -> Self {
        let interval = None;
        Self { value, interval }
    }

    fn text(self) -> String {
        let value = format!("{:.2}", self.value);
        let Some(Between { low_ms, high_ms }) = self.interval else {
            return value;
        };
        let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), |end| format!("{end:.2}"));
        format!("{value} ({} to {})", end(low_ms), end(high_ms))
    }
}

/// The name as a key: `p99.9, ms` is `p999_ms`.
fn key(name: &str) -> String {
    let words = name.to_lowercase().replace(['.', ','], "");
    words.replace(' ', "_")
}

/// A share with its interval.
fn share(proportion: Proportion) -> String {
    let interval = proportion.wilson(LEVEL);
    let share = percent(proportion.estimate().get());
    let inside = percent_interval(interval.low.get(), interval.high.get());
    format!("{share} ({inside})")
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_have_no_marks() {
        assert_eq!(key("p99.9, ms"), "p999_ms");
        assert_eq!(key("CPU per request, ms"), "cpu_per_request_ms");
    }
}
