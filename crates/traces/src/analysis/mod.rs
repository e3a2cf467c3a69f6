//! Availability per hop, from spans alone.
//!
//! Every number is a count; the same spans in any order give the same numbers. Calls are
//! decided from the caller's side, so a request whose span is lost is neither a success
//! nor a failure of anyone.

mod census;
mod completeness;
mod counts;
mod hop;
mod latency;
mod naming;
mod order;
mod overlap;
mod reading;
mod timeline;

pub(crate) use completeness::grouped;
pub use completeness::{Completeness, Unpaired};
pub use counts::{AttemptCounts, CallCounts, Failures, Outcomes, Own, Ratio, RequestCounts};
pub use hop::HopAnalysis;
pub use latency::{Between, Intervals, Latency};
pub use reading::RootView;
pub use timeline::{HopStretch, Stretch, Transition, replica_changes};

pub(crate) use census::Hops;
pub(crate) use reading::{Reading, Readings};

use crate::{
    origin::Origin,
    span::{Span, TraceId},
};
use availability::{Probability, sampling::Kept};
use census::Census;
use serde::Serialize;
use std::{fmt, ops::Range, sync::Arc};

/// Which root requests are analysed, by request id.
#[derive(Clone, Default)]
pub enum Requests {
    /// All of them.
    #[default]
    All,
    /// Those whose id begins so.
    Prefix(String),
    /// Those whose id is accepted.
    Accept(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Prefix(prefix) => f.debug_tuple("Prefix").field(prefix).finish(),
            Self::Accept(_) => f.write_str("Accept(..)"),
        }
    }
}

/// What to analyse.
#[derive(Debug, Clone)]
pub struct AnalysisOptions {
    /// The service whose calls are the root requests. Where it sent no spans, the
    /// outermost request of each trace is the root.
    pub client: String,
    /// Which root requests count.
    pub requests: Requests,
    /// Services that must have sent spans; those that have not are reported as silent.
    pub expected_services: Vec<String>,
    /// Stretches of time to be counted by themselves, in nanoseconds since 1970.
    pub stretches: Vec<Range<u64>>,
    /// Whether requests affect each other, as in a queue: then the intervals of latencies do
    /// not take them as independent.
    pub affect_each_other: bool,
}

impl Default for AnalysisOptions {
    fn default() -> Self {
        Self {
            client: types::service::CLIENT.to_owned(),
            requests: Requests::All,
            expected_services: Vec::new(),
            stretches: Vec::new(),
            affect_each_other: false,
        }
    }
}

/// What the user saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RootAnalysis {
    /// Where root requests are seen.
    pub view: RootView,
    /// How they ended.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// How long they took; none without any.
    pub latency: Option<Latency>,
    /// How long those took that were answered in full; none without any.
    pub latency_ok: Option<Latency>,
    /// The most that were under way at once.
    pub max_concurrency: u64,
}

/// A root request that failed, and where its failure originated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedRequest {
    /// Its trace.
    pub trace: TraceId,
    /// Its id, if it had one.
    pub request: Option<String>,
    /// Where its failure originated.
    pub origin: Origin,
}

/// Availability per hop, and how far the numbers can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// What the user saw.
    pub root: RootAnalysis,
    /// The hops, in the order most requests reached them first.
    pub hops: Vec<HopAnalysis>,
    /// What is missing.
    pub completeness: Completeness,
    /// What happened in each of the stretches of time asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stretches: Vec<Stretch>,
    /// Circuit breakers that changed their state, in the order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    /// Every root request that failed, by trace. Left out when serialised: it grows with
    /// the run.
    #[serde(skip)]
    pub failures: Vec<FailedRequest>,
}

impl Analysis {
    /// The hop called `name`.
    pub fn hop(&self, name: &str) -> Option<&HopAnalysis> {
        self.hops.iter().find(|hop| hop.hop == name)
    }

    /// In a nested chain: the availability of the last hop, of the last two, of the last
    /// three, and so on, each per call made to the first of them.
    pub fn depth_curve(&self) -> Vec<(&str, Ratio)> {
        self.hops
            .iter()
            .rev()
            .map(|hop| (hop.hop.as_str(), hop.effective))
            .collect()
    }
}

/// Analyses spans. Takes seconds for a million of them: not for an asynchronous worker.
pub fn analyse(spans: &[Span], options: &AnalysisOptions) -> Analysis {
    let readings = Readings::of(spans, options);
    Census::take(&readings, options).close(&readings, options)
}

/// A fair choice of traces for people to look at: up to `ok` whose root requests all got an
/// answer and up to `failed` of which one did not. The same spans give the same choice, and
/// nothing but the trace id decides.
pub fn sample(spans: &[Span], options: &AnalysisOptions, ok: usize, failed: usize) -> Vec<TraceId> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for reading in &Readings::of(spans, options).traces {
        let root = |root: &usize| reading.calls.calls[*root].outcome.is_available();
        match reading.roots.as_slice() {
            [] => {}
            roots if roots.iter().all(root) => good.push(reading.trace.id),
            _ => bad.push(reading.trace.id),
        }
    }
    let mut chosen = lowest(good, ok);
    chosen.extend(lowest(bad, failed));
    chosen
}

/// What a collector would keep that keeps every trace whose root request failed, and a
/// `share` of the others: how many of each. The trace id alone decides.
pub fn tail_sample(spans: &[Span], options: &AnalysisOptions, share: Probability) -> Kept {
    let mut kept = Kept {
        answered: 0,
        failed: 0,
    };
    for reading in &Readings::of(spans, options).traces {
        let draw = scattered(reading.trace.id) as f64 / 2_f64.powi(64);
        for root in &reading.roots {
            if !reading.calls.calls[*root].outcome.is_available() {
                kept.failed += 1;
            } else if draw < share.get() {
                kept.answered += 1;
            }
        }
    }
    kept
}

fn lowest(mut traces: Vec<TraceId>, most: usize) -> Vec<TraceId> {
    traces.sort_unstable_by_key(|trace| (scattered(*trace), *trace));
    traces.truncate(most);
    traces
}

/// A hash that has nothing to do with how ids are handed out: the finaliser of `MurmurHash3`
/// over both halves.
fn scattered(trace: TraceId) -> u64 {
    let bytes = trace.get().to_be_bytes();
    let mut hash = bytes.chunks_exact(8).fold(0_u64, |hash, half| {
        hash.rotate_left(32)
            ^ half
                .iter()
                .fold(0, |half, byte| half << 8 | u64::from(*byte))
    });
    for factor in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}
