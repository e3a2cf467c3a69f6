//! The document that a run leaves behind, `result.json`.

mod generator;

pub use generator::{Counts, Generator, LATE};

use crate::{
    facts::groups,
    scaling::{self, Scaling},
};
use availability::{
    Confidence, Doubt, Interval, Judgement, Probability, Proportion, difference::Difference,
    perfect::Gain,
};
use scenario::{Bound, Name, Plan, Prediction, Size, scale::Staff, simulate::GivenSchedule};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use traces::{
    Analysis, ForwardStats, Ratio, ReplicaChange, Waterfall,
    analysis::{Stretch, Transition},
};

/// The version of this document's shape.
pub const VERSION: u32 = 1;

/// Everything that one command measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// The version of this document's shape.
    pub version: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// One entry per scenario, in the order in which they ran.
    pub scenarios: Vec<ScenarioResult>,
    /// What several numbers of replicas serve, of each scenario that tries some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scaling: Vec<Scaling>,
}

impl Results {
    /// A document with these results.
    pub fn new(scenarios: Vec<ScenarioResult>) -> Self {
        let program = format!("nines {}", env!("CARGO_PKG_VERSION"));
        Self {
            version: VERSION,
            program,
            scaling: groups(&scenarios)
                .iter()
                .filter_map(|group| scaling::of(group))
                .collect(),
            scenarios,
        }
    }

    /// Says that the files of all runs are in the folder `to`, and no longer in `from`.
    pub fn move_files(&mut self, from: &Path, to: &Path) {
        let moved = |file: &mut PathBuf| {
            if let Ok(name) = file.strip_prefix(from) {
                *file = to.join(name);
            }
        };
        for result in &mut self.scenarios {
            result
                .runs
                .iter_mut()
                .for_each(|run| moved(&mut run.spans_file));
            let kept = result.repeats.iter_mut();
            kept.filter_map(|run| run.spans_file.as_mut())
                .for_each(moved);
        }
    }
}

/// One scenario: the prediction, made before any measurement; the runs; the verdict.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioResult {
    /// The scenario's name.
    pub name: String,
    /// What was run.
    pub plan: Plan,
    /// What it is a variant of; none of a scenario by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantOf>,
    /// What was predicted.
    pub prediction: Prediction,
    /// What a run of this size can tell, known before it.
    pub sizes: Vec<Size>,
    /// All runs in the order in which they were made: the host may have disturbed some, and the
    /// first may have missed the prediction. Empty if the host was too slow for any.
    pub runs: Vec<RunResult>,
    /// Which of `runs` counts, from 0: the one that is shown, judged and compared.
    pub headline: usize,
    /// What else was expected, and how it came out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<Met>,
    /// Further runs with other seeds: how much chance does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Repeat>,
    /// What was promised of a hop that never fails, and what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixCheck>,
    /// Why the availability of each hop's own work holds only for the attempts that were made,
    /// if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_caveat: Option<String>,
    /// What the runs say about all expectations.
    pub judgement: Judgement,
}

/// A bound, and what was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Met {
    /// The bound.
    #[serde(flatten)]
    pub bound: Bound,
    /// What was measured, in the unit of the bound; none if nothing was.
    pub seen: Option<f64>,
    /// The lower end of its 99 % interval; none if it is not known.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// Whether it keeps to the bound.
    pub judgement: Judgement,
}

/// A run with another seed, in short.
#[derive(Debug, Clone, Serialize)]
pub struct Repeat {
    /// Its seed.
    pub seed: u64,
    /// Requests answered, of those offered.
    pub answered: Proportion,
    /// What was predicted of it; none where nothing is.
    pub expected: Option<Probability>,
    /// Whether that lies in its 99 % interval.
    pub holds: Option<bool>,
    /// What speaks against judging it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
    /// Where its spans are: kept of the worst one alone.
    pub spans_file: Option<PathBuf>,
}

/// A promise about a hop that never fails, and the run that checks it.
#[derive(Debug, Clone, Serialize)]
pub struct FixCheck {
    /// The hop.
    pub hop: String,
    /// What users would gain, from the spans of the run with its failures; none where the
    /// scenario allows no such estimate.
    pub promised: Option<Gain>,
    /// What they gained in a run without them.
    pub measured: Difference,
    /// Whether the two differ by more than chance explains at 99 %.
    pub differs: bool,
    /// Whether the promise was kept: the two do not differ, or else two more runs with a fresh
    /// seed do not differ at 99.9 %, or on the other side. None where this machine was too busy
    /// in one of the runs, or where there is no promise.
    pub agrees: Option<bool>,
    /// Why the promise may be wrong, or why there is none; none where the scenario meets all that it assumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
}

/// One of several versions of a scenario that are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VariantOf {
    /// The scenario.
    pub scenario: String,
    /// What this version is called; none of the scenario as it is without variants.
    pub title: Option<String>,
}

impl ScenarioResult {
    /// Whether the plan does anything that makes attempts differ from calls.
    pub fn tries_again(&self) -> bool {
        let mut policies = self.plan.phases().iter().map(|phase| &phase.policy);
        policies.any(|policy| policy.retry.is_some() || policy.breaker.is_some())
    }

    /// The run that counts, and is shown.
    pub fn shown(&self) -> Option<&RunResult> {
        self.runs.get(self.headline)
    }

    /// The other runs, in the order in which they were made.
    pub fn others(&self) -> impl Iterator<Item = &RunResult> {
        let runs = self.runs.iter().enumerate();
        let others = runs.filter(|(place, _)| *place != self.headline);
        others.map(|(_, run)| run)
    }

    /// Whether a run missed the prediction before the one that counts.
    pub fn is_judged_again(&self) -> bool {
        self.others().any(|run| run.doubts.is_empty())
    }

    /// What two observers counted differently in a run that the host did not disturb. A
    /// disturbed run proves nothing, and its verdict says so.
    pub fn disagreement(&self) -> Option<&Line> {
        let sound = self.runs.iter().filter(|run| run.doubts.is_empty());
        let mut lines = sound.flat_map(|run| run.accounting.disagreements());
        lines.next()
    }
}

/// One run of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
    /// The seed of its faults and arrivals.
    pub seed: u64,
    /// What it must come to given the times of its outages, or the waiting of its workers:
    /// played before the run; none where formulas say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenSchedule>,
    /// When faults struck that come and go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<Scheduled>,
    /// What the host carried just before the load; none where that was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostCheck>,
    /// How the host disturbed it: then it is discarded. Empty for a sound run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
    /// How long the load took, in seconds.
    pub load_s: f64,
    /// What the load generator saw.
    pub generator: Generator,
    /// What the spans say.
    pub analysis: Analysis,
    /// What happened when.
    pub timeline: Timeline,
    /// What a collector would show that keeps all failures and a share of the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
    /// The most telling traces.
    pub waterfalls: Vec<Waterfall>,
    /// Whether generator, metrics and spans agree.
    pub accounting: Accounting,
    /// Processor time of each service during the load, in seconds (user and system).
    pub cpu_s: BTreeMap<String, f64>,
    /// The share of the host's processor time that was in use meanwhile, from 0 to 1.
    pub host_busy: Option<f64>,
    /// Replicas over time, of the service that was scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaled: Option<Scaled>,
    /// What became of the spans that were passed on to a collector, if they were to be.
    pub forwarded: Option<ForwardStats>,
    /// The chain that was measured, if it was not started for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
    /// The Jaeger in which its traces can be looked at, if one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jaeger: Option<String>,
    /// Where the spans were written.
    pub spans_file: PathBuf,
}

impl RunResult {
    /// The availability that the spans of the user's view give.
    pub fn availability(&self) -> Option<Proportion> {
        proportion(self.analysis.root.outcomes.availability())
    }
}

/// What a host carries of a chain, found out just before a load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HostCheck {
    /// About how many requests per second of the scenario's load it carries.
    pub carries_per_s: f64,
    /// The share of processor time that other processes took meanwhile, from 0 to 1.
    pub others_busy: f64,
    /// How the load was lowered because of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowered: Option<Lowered>,
}

impl HostCheck {
    /// A host of which others take less than this share is not busy: what it carries now, it
    /// will carry in a minute.
    pub const QUIET: f64 = 0.1;

    /// Whether other processes take a part of the host that matters.
    pub fn is_busy(&self) -> bool {
        self.others_busy >= Self::QUIET
    }
}

/// A load that was lowered: about the same requests at a lower rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lowered {
    /// The rate of the scenario, in requests per second.
    pub from_per_s: f64,
    /// The rate of the run.
    pub to_per_s: f64,
    /// How long the scenario's load takes, in seconds.
    pub from_s: f64,
    /// How long that of the run takes.
    pub to_s: f64,
    /// Whether a run before this one was disturbed: then it is lower than this check alone asks.
    pub after_a_disturbed_run: bool,
}

/// A chain that somebody else has deployed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployed {
    /// Where its requests were sent.
    pub target: String,
    /// The Jaeger that its spans were fetched from.
    pub traces: String,
    /// How far the clock of one of its services is from the load generator's, in seconds: so much
    /// earlier or later than predicted its outages come. None where that does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clocks_apart_s: Option<f64>,
}

/// The replicas of a service that came and went with its load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaled {
    /// The service.
    pub service: String,
    /// How many there were when.
    #[serde(flatten)]
    pub staff: Staff,
    /// What they cost until the load ended, in replica-seconds.
    pub replica_s: f64,
}

/// What is left of a run when all failures and a share of the others are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sampled {
    /// The share of good traces that is kept.
    pub share: Probability,
    /// Good traces that are kept.
    pub answered: u64,
    /// Failed traces: all of them.
    pub failed: u64,
    /// The share of good ones among the kept: what a dashboard shows.
    pub shown: Option<Probability>,
    /// The availability from the kept traces, each weighed by how many it stands for, and its
    /// 99 % interval.
    pub weighed: Option<(Probability, Interval)>,
}

/// The times at which a fault of a service struck.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scheduled {
    /// The service.
    pub service: Name,
    /// Which of its replicas, if it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// The fault's name.
    pub fault: String,
    /// How often.
    pub outages: u64,
    /// From when to when, in seconds since the load began, in the order of time; the first
    /// ten thousand.
    pub windows_s: Vec<(f64, f64)>,
}

/// What happened when in a run.
#[derive(Debug, Clone, Serialize)]
pub struct Timeline {
    /// When the load began, in nanoseconds since 1970.
    pub begin: u64,
    /// One for each phase of the plan. They begin when their faults were in place.
    pub phases: Vec<Stretch>,
    /// The run in slices of equal length.
    pub slices: Vec<Stretch>,
    /// Circuit breakers that changed their state, in the order of time.
    pub transitions: Vec<Transition>,
    /// Replicas that went down, came back, or took over, in the order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaChange>,
}

impl Timeline {
    /// How long after the begin of the load `at` was, in seconds.
    pub fn seconds(&self, at: u64) -> f64 {
        at.saturating_sub(self.begin) as f64 / 1e9
    }
}

/// A ratio of counts as a proportion; none of nothing.
pub fn proportion(ratio: Ratio) -> Option<Proportion> {
    Proportion::new(ratio.successes(), ratio.trials()).ok()
}

/// The interval shown beside an estimate: Wilson's, at 99 %.
pub fn shown_interval(ratio: Ratio) -> Option<Interval> {
    proportion(ratio).map(|proportion| proportion.wilson(Confidence::P99))
}

/// The same requests as counted by different observers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Accounting {
    /// One line per thing counted.
    pub lines: Vec<Line>,
}

impl Accounting {
    /// Whether all observers agree to the request.
    pub fn agrees(&self) -> bool {
        self.lines.iter().all(Line::agrees)
    }

    /// The lines on which they do not.
    pub fn disagreements(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.agrees())
    }
}

/// One thing, counted by two observers.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What was counted.
    pub what: String,
    /// Who counted first, and what.
    pub left: Count,
    /// Who counted second, and what.
    pub right: Count,
}

impl Line {
    /// Whether both counted the same.
    pub const fn agrees(&self) -> bool {
        self.left.count == self.right.count
    }
}

/// What one observer counted.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    /// The observer.
    pub by: &'static str,
    /// What it counted.
    pub count: u64,
}
