//! What came of the load, as text and as JSON.

use crate::args::Load;
use availability::{Confidence, Probability, Proportion, format::percent, quantile};
use lab::measure::Measured;
use serde_json::{Value, json};
use std::time::Duration;

/// The quantiles that are shown.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
/// The level of all intervals.
const LEVEL: Confidence = Confidence::P99;

/// What a closed model does not show.
const HIDDEN: &str = "closed model: while an answer is late, its worker asks nothing; the \
requests that would have waited are missing here, and percentiles look better than users find \
them. --rate measures what they find";

/// What is said of one run.
pub struct Outcome<'a> {
    args: &'a Load,
    measured: &'a Measured,
    quantiles: Vec<Quantile>,
    /// Of the requests that were answered; of interest only if some were not.
    answered: Vec<Quantile>,
}

/// A quantile of the latencies and its interval; an end that the sample is too small for is
/// missing.
struct Quantile {
    name: &'static str,
    value: Duration,
    low: Option<Duration>,
    high: Option<Duration>,
}

impl<'a> Outcome<'a> {
    /// Of `measured`, as asked for by `args`.
    pub fn new(args: &'a Load, measured: &'a Measured) -> Self {
        Self {
            args,
            measured,
            quantiles: quantiles(&measured.latencies),
            answered: quantiles(&measured.answered),
        }
    }

    fn any_failed(&self) -> bool {
        self.measured.generator.counts.failed > 0
    }

    fn availability(&self) -> Option<Proportion> {
        let counts = &self.measured.generator.counts;
        Proportion::new(counts.ok + counts.degraded, counts.offered).ok()
    }

    /// Whether the load says nothing of how available the server is.
    pub fn is_inconclusive(&self) -> bool {
        !self.doubts().is_empty()
    }

    /// Why it does not.
    fn doubts(&self) -> Vec<String> {
        let nothing = || {
            "no request was sent, so nothing was measured; a higher rate, a longer time or \
             --requests would help"
                .to_owned()
        };
        let is_empty = self.measured.generator.counts.offered == 0;
        let unexpected = self.measured.generator.unexpected_doubt();
        let unexpected = unexpected.map(|doubt| doubt.to_string());
        let doubts = [is_empty.then(nothing), unexpected];
        doubts.into_iter().flatten().collect()
    }

    /// What speaks against taking the numbers for more than they are.
    fn caveats(&self) -> Vec<String> {
        let generator = &self.measured.generator;
        let (offered, late) = (generator.counts.offered, generator.late);
        let closed = || HIDDEN.to_owned();
        let lateness = || {
            let worst = generator.worst_lateness_ms;
            format!(
                "the generator was late with {late} of {offered} requests, by {worst:.0} ms at \
                 worst: the load was less even than asked for"
            )
        };
        let given_up = || {
            let (many, patience) = (generator.gave_up, ms(self.args.patience));
            format!("{many} requests were given up after {patience}: they would have taken longer")
        };
        let unbounded = |quantile: &Quantile| quantile.high.is_none();
        let unbounded = self.quantiles.iter().find(|quantile| unbounded(quantile));
        let too_few = unbounded.map(|quantile| {
            let name = quantile.name;
            format!("{offered} requests are too few to bound {name} from above")
        });
        let stopped =
            || "interrupted: what was sent and had not ended by then is missing here".to_owned();
        let caveats = [
            self.measured.interrupted.then(stopped),
            too_few,
            self.args.workers.is_some().then(closed),
            (late * 100 > offered).then(lateness),
            (generator.gave_up > 0).then(given_up),
        ];
        caveats.into_iter().flatten().collect()
    }

    /// For people.
    pub fn text(&self) -> String {
        let caveats = self.caveats().into_iter();
        let caveats = caveats.map(|caveat| format!("note: {caveat}"));
        let verdict = self.doubts().into_iter();
        let verdict = verdict.map(|doubt| format!("verdict       ? inconclusive: {doubt}"));
        let lines = self.counted().into_iter().chain(verdict);
        let lines = lines.chain(self.timed()).chain(caveats);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// How many requests ended how.
    fn counted(&self) -> Vec<String> {
        let counts = &self.measured.generator.counts;
        let (offered, took) = (counts.offered, self.measured.took.as_secs_f64());
        let causes = counts.failed_by_cause.iter();
        let causes: Vec<_> = causes
            .map(|(cause, many)| format!("{cause} {many}"))
            .collect();
        let failed = format!("failed        {} {}", counts.failed, causes.join(", "));
        let mut lines = vec![
            format!("offered       {offered} in {took:.1} s ({})", self.model()),
            format!("ok            {}", counts.ok),
            format!("degraded      {}", counts.degraded),
            failed.trim_end().to_owned(),
        ];
        lines.extend(self.availability().map(|proportion| {
            let interval = proportion.wilson(LEVEL);
            let shares = [proportion.estimate(), interval.low, interval.high];
            let [share, low, high] = shares.map(|share| percent(share.get()));
            format!("availability  {share}  ({LEVEL}: {low} to {high})")
        }));
        lines
    }

    /// How long they took.
    fn timed(&self) -> Vec<String> {
        let Measured {
            latencies,
            answered,
            ..
        } = self.measured;
        let mut lines = Vec::new();
        // A failure that comes at once, or only when patience ends, says little of how long
        // an answer takes.
        if self.any_failed() {
            lines.push(format!("of the {} that were answered:", answered.len()));
            lines.extend(times(&self.answered, answered));
            lines.push("of all, with those that failed:".to_owned());
        }
        lines.extend(times(&self.quantiles, latencies));
        let lateness = self.measured.generator.worst_lateness_ms;
        lines.push(format!("lateness      {lateness:.1} ms at worst"));
        lines
    }

    fn model(&self) -> String {
        match self.args.workers {
            Some(1) => "closed model, 1 worker".to_owned(),
            Some(workers) => format!("closed model, {workers} workers"),
            None => "open model; latency counts from when a request was due".to_owned(),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let availability = self.availability();
        json!({
            "url": self.args.url,
            "model": if self.args.workers.is_some() { "closed" } else { "open" },
            "took_s": self.measured.took.as_secs_f64(),
            "generator": self.measured.generator,
            "statuses": self.measured.statuses,
            "availability": availability.map(Proportion::estimate),
            "interval": availability.map(|proportion| proportion.wilson(LEVEL)),
            "latency": as_json(&self.quantiles),
            "latency_answered": as_json(&self.answered),
            "interrupted": self.measured.interrupted,
            "slowest_ms": self.measured.latencies.last().copied().map(in_ms),
            "inconclusive": self.doubts(),
            "caveats": self.caveats(),
        })
    }
}

fn quantiles(sorted: &[Duration]) -> Vec<Quantile> {
    let quantile = |(name, q)| Quantile::new(name, q, sorted);
    QUANTILES.into_iter().filter_map(quantile).collect()
}

/// Lines on the times `sorted`, and on their `quantiles`.
fn times(quantiles: &[Quantile], sorted: &[Duration]) -> Vec<String> {
    let end = |end: Option<Duration>| end.map_or_else(|| "?".to_owned(), ms);
    let quantiles = quantiles.iter().map(|quantile| {
        let (name, value) = (quantile.name, ms(quantile.value));
        let (low, high) = (end(quantile.low), end(quantile.high));
        format!("{name:13} {value:>12}  ({LEVEL}: {low} to {high})")
    });
    let slowest = sorted.last();
    let slowest = slowest.map(|slowest| format!("{:13} {:>12}", "slowest", ms(*slowest)));
    quantiles.chain(slowest).collect()
}

fn as_json(quantiles: &[Quantile]) -> Value {
    let quantiles = quantiles.iter().map(|quantile| {
        let Quantile {
            value, low, high, ..
        } = quantile;
        let interval = json!({
            "ms": in_ms(*value),
            "low_ms": low.map(in_ms),
            "high_ms": high.map(in_ms),
        });
        (quantile.name.to_owned(), interval)
    });
    Value::Object(quantiles.collect())
}

impl Quantile {
    fn new(name: &'static str, q: f64, sorted: &[Duration]) -> Option<Self> {
        let q = Probability::new(q).ok()?;
        let ranks = quantile::ranks(u64::try_from(sorted.len()).ok()?, q, LEVEL)?;
        let at = |rank: u64| {
            sorted
                .get(usize::try_from(rank).ok()?.checked_sub(1)?)
                .copied()
        };
        Some(Self {
            name,
            value: at(ranks.estimate)?,
            low: ranks.low.and_then(at),
            high: ranks.high.and_then(at),
        })
    }
}

fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", in_ms(time))
}
