//! What is read of a `result.json`.

use crate::exit::Failure;
use availability::{Proportion, Verdict};
use report::results::VERSION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};
use types::read;

/// What one command measured.
#[derive(Deserialize)]
pub struct Document {
    /// One entry per scenario.
    pub scenarios: Vec<Scenario>,
}

/// One scenario.
#[derive(Deserialize)]
pub struct Scenario {
    name: String,
    #[serde(default)]
    variant: Option<Variant>,
    runs: Vec<Run>,
    /// Which of the runs counts; results of earlier versions have no other than the first.
    #[serde(default)]
    headline: usize,
    judgement: Judgement,
}

#[derive(Deserialize)]
struct Variant {
    title: Option<String>,
}

#[derive(Deserialize)]
struct Judgement {
    verdict: Verdict,
}

/// One run.
#[derive(Deserialize)]
pub struct Run {
    analysis: Analysis,
    cpu_s: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Analysis {
    root: Root,
    hops: Vec<Hop>,
}

#[derive(Deserialize)]
struct Root {
    offered: u64,
    ok: u64,
    degraded: u64,
    latency: Option<Latency>,
}

/// How long requests took, in milliseconds.
#[derive(Clone, Copy, Deserialize)]
pub struct Latency {
    /// Half took no longer.
    #[serde(rename = "p50_ms")]
    pub p50: f64,
    /// Ninety-nine in a hundred took no longer.
    #[serde(rename = "p99_ms")]
    pub p99: f64,
    /// All but one in a thousand took no longer.
    #[serde(rename = "p999_ms")]
    pub p999: f64,
    /// Their intervals; results of earlier versions have none.
    #[serde(default)]
    pub intervals: Intervals,
}

/// The intervals of percentiles.
#[derive(Clone, Copy, Default, Deserialize)]
pub struct Intervals {
    /// Of the median.
    pub p50: Between,
    /// Of the 99th percentile.
    pub p99: Between,
    /// Of the 99.9th.
    pub p999: Between,
}

/// Two times, in milliseconds, that a percentile lies between; an end is missing where too
/// little was measured to tell.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Between {
    /// The lower end.
    pub low_ms: Option<f64>,
    /// The upper end.
    pub high_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Hop {
    load_amplification: Option<f64>,
}

impl Document {
    /// Reads the document at `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bad = |why: String| {
            Failure::BadInput(format!(
                "{}: {why}; allowed: a result.json of version {VERSION}, as `nines run` writes it",
                path.display()
            ))
        };
        let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let value: Value = read::from_str(&text).map_err(|error| bad(error.to_string()))?;
        match value.get("version") {
            Some(version) if *version == VERSION => {}
            Some(version) => return Err(bad(format!("version: {version} is unknown here"))),
            None => return Err(bad("version: missing".to_owned())),
        }
        read::from_str(&text).map_err(|error| bad(error.in_file()))
    }
}

impl Scenario {
    /// What it is called, and which variant it is.
    pub fn name(&self) -> String {
        let title = self
            .variant
            .as_ref()
            .and_then(|variant| variant.title.as_ref());
        match title {
            Some(title) => format!("{} ({title})", self.name),
            None => self.name.clone(),
        }
    }

    /// What its runs said about the expectation.
    pub const fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    /// The run that is compared: the one that counts.
    pub fn run(&self) -> Option<&Run> {
        self.runs.get(self.headline)
    }
}

impl Run {
    /// The availability that users saw; none without requests.
    pub fn availability(&self) -> Option<Proportion> {
        let root = &self.analysis.root;
        Proportion::new(root.ok.saturating_add(root.degraded), root.offered).ok()
    }

    /// How long requests took.
    pub const fn latency(&self) -> Option<Latency> {
        self.analysis.root.latency
    }

    /// Attempts at the busiest hop for one request.
    pub fn attempts(&self) -> Option<f64> {
        let loads = self.analysis.hops.iter();
        loads
            .filter_map(|hop| hop.load_amplification)
            .reduce(f64::max)
    }

    /// Processor time of all services for one request, in milliseconds.
    pub fn cpu_ms(&self) -> Option<f64> {
        let requests = self.analysis.root.offered;
        let all: f64 = self.cpu_s.values().sum();
        (requests > 0).then(|| all * 1e3 / requests as f64)
    }
}
