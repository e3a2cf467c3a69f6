//! A plan played in virtual time: the same decisions about faults, replicas, retries, hedges,
//! budgets, breakers, limits and caches as in real services, without sockets, processes or
//! waiting.
//!
//! Formulas exist for most plans; for outages in time, together with what waits, tries again
//! or stops trying, they do not. Here every request is played, on the cores that real
//! services run on. Three uses follow:
//!
//! - [`given_schedule`]: what a run must come to with the outages that its seed gives it.
//!   A run of a minute scatters by points around what many runs come to on average, because
//!   it holds few outages; given their times, it does not.
//! - [`long_run`]: what such runs come to on average, where outages meet retries, breakers or
//!   workers who wait, and where replicas are told apart or answers kept.
//! - [`simulate`]: one run. Run 0 is the real one: the same arrivals, the same names of
//!   requests, so that the same requests fail.
//!
//! Of a run, no more than its first million requests are played. Services answer after 0.7 ms,
//! links lose nothing, and cores are never short. Heartbeats begin anywhere in their period.
//! When the load begins, the first replica has long been the active one. What a cache fetches
//! is given up together with the call that asked for it.

mod beat;
mod call;
mod clock;
mod gate;
mod hop;
mod line;
mod lost;
mod scaler;
mod shelf;
mod tally;
mod world;

pub use tally::{PhaseTally, Tally};

use crate::{
    Arrivals,
    plan::{Length, Model, Plan},
    predict::{has_law, not_predicted},
    scale::Staff,
    topology::Name,
};
use availability::{Confidence, Interval, Probability, Proportion, batches};
use faults::Law;
use futures_util::{
    future::LocalBoxFuture,
    stream::{FuturesUnordered, Stream},
};
use serde::Serialize;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use world::{Ask, Quality, World};

/// What a simulated run counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulated {
    /// All requests.
    pub offered: u64,
    /// Answered in full.
    pub ok: u64,
    /// Answered without a part.
    pub degraded: u64,
    /// The numbers of the requests that were not answered, in the order of their end.
    pub lost: Vec<u64>,
    /// Attempts at each service.
    pub attempts: BTreeMap<Name, u64>,
    /// What else became of each service's calls.
    pub tallies: BTreeMap<Name, Tally>,
    /// What became of the requests that left in each phase.
    pub phases: Vec<PhaseTally>,
    /// Replicas over time, of the service that is scaled.
    pub staff: Option<Staff>,
}

impl Simulated {
    /// The share that was answered; none of nothing.
    pub fn availability(&self) -> Option<Proportion> {
        Proportion::new(self.ok + self.degraded, self.offered).ok()
    }
}

impl Simulated {
    /// The run cut into `count` batches of requests that left one after the other.
    pub fn batches(&self, count: usize) -> Vec<Proportion> {
        let count = count as u64;
        let begin = |nth: u64| self.offered * nth / count.max(1);
        let mut lost = self.lost.clone();
        lost.sort_unstable();
        let batch = |nth: u64| {
            let (from, to) = (begin(nth), begin(nth + 1));
            let before = |end| lost.partition_point(|request| *request < end) as u64;
            let failed = before(to) - before(from);
            Proportion::new(to - from - failed, to - from).ok()
        };
        (0..count).filter_map(batch).collect()
    }
}

/// What a run must come to, given when its faults in time strike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GivenSchedule {
    /// The share of requests that is answered well, and its 99 % interval: it is simulated.
    pub availability: Interval,
    /// How many requests were simulated.
    pub requests: u64,
}

/// So many requests make the interval of a given schedule narrower than any run here can
/// tell: at 96 %, ± 0.1 points.
const ENOUGH: u64 = 250_000;
/// The long run is known when so many runs were played; of runs with few outages no number of
/// requests is enough.
const RUNS: usize = 40;
/// The most runs, and the most requests of one, that are played: short ones may be empty, and
/// long ones say the same in their first part.
const MOST_RUNS: usize = 2_000;
const MOST_REQUESTS: usize = 1_000_000;

/// The availability of the run of `plan`, over many runs with the same outages and other
/// arrivals and draws; none where time plays no part, and formulas say it, or where there is no
/// prediction.
pub fn given_schedule(plan: &Plan) -> Option<GivenSchedule> {
    if !plan.depends_on_time() || not_predicted(plan).is_some() {
        return None;
    }
    let runs = (1..).map(|nth| simulate(plan, nth));
    let runs = enough(runs, |runs, offered| runs > 0 && offered >= ENOUGH);
    let seen = together(&runs, |run| run.ok + run.degraded)?;
    Some(GivenSchedule {
        availability: seen.wilson(Confidence::P99),
        requests: seen.trials(),
    })
}

/// What the runs of a plan come to on average.
#[derive(Debug, Clone, PartialEq)]
pub struct LongRun {
    /// The share of requests that is answered well.
    pub availability: Probability,
    /// Its 99 % interval: it is simulated, and outages come in clusters.
    pub interval: Interval,
    /// The share of requests that is answered with nothing missing.
    pub full_quality: Probability,
    /// How many requests were played.
    pub offered: u64,
    /// What became of each service's calls in all runs together.
    pub tallies: BTreeMap<Name, Tally>,
    /// What became of the requests that left in each phase.
    pub phases: Vec<PhaseTally>,
    /// What the replicas of the service cost that is scaled, in replica-seconds.
    pub replica_s: Option<f64>,
}

/// What runs of `plan` with other outages, arrivals and draws come to on average; none without
/// requests. Outages of the law `fixed` are those of the plan's seed.
pub fn long_run(plan: &Plan) -> Option<LongRun> {
    let seed = |nth: u64| plan.seed.wrapping_add(nth.wrapping_mul(FRESH));
    // Regular outages keep the phase that the plan's seed gives them for ever.
    let keeps_phase = has_law(plan, Law::Fixed);
    let run = |nth| {
        if keeps_phase {
            simulate(plan, nth)
        } else {
            simulate(&plan.clone().with_seed(seed(nth)), 0)
        }
    };
    let runs = (1..).map(run);
    let runs = enough(runs, |runs, offered| runs >= RUNS && offered >= ENOUGH);
    let answered = together(&runs, |run| run.ok + run.degraded)?;
    let each: Vec<_> = runs.iter().filter_map(Simulated::availability).collect();
    Some(LongRun {
        availability: answered.estimate(),
        interval: batches::wilson(&each, Confidence::P99)?,
        full_quality: together(&runs, |run| run.ok)?.estimate(),
        offered: answered.trials(),
        tallies: tallies(&runs),
        phases: phases(&runs),
        replica_s: replica_seconds(plan, &runs),
    })
}

/// The counts of all `runs` together, of each service.
fn tallies(runs: &[Simulated]) -> BTreeMap<Name, Tally> {
    let mut all: BTreeMap<Name, Tally> = BTreeMap::new();
    for (service, tally) in runs.iter().flat_map(|run| &run.tallies) {
        let sum = all.entry(service.clone()).or_default();
        *sum = sum.and(*tally);
    }
    all
}

/// The same of each phase.
fn phases(runs: &[Simulated]) -> Vec<PhaseTally> {
    let number = runs.first().map_or(0, |run| run.phases.len());
    let mut all = vec![PhaseTally::default(); number];
    for run in runs {
        for (sum, phase) in all.iter_mut().zip(&run.phases) {
            sum.offered += phase.offered;
            sum.answered += phase.answered;
        }
    }
    all
}

/// What the replicas cost on average.
fn replica_seconds(plan: &Plan, runs: &[Simulated]) -> Option<f64> {
    let end = plan.load().expected_duration();
    let each = runs.iter().filter_map(|run| run.staff.as_ref());
    let each: Vec<_> = each.map(|staff| staff.replica_seconds(end)).collect();
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

/// So many of these runs that `is_enough` of their number and of their requests.
fn enough(
    runs: impl Iterator<Item = Simulated>,
    is_enough: impl Fn(usize, u64) -> bool,
) -> Vec<Simulated> {
    let mut played: Vec<Simulated> = Vec::new();
    let mut offered = 0;
    for run in runs.take(MOST_RUNS) {
        offered += run.offered;
        played.push(run);
        if is_enough(played.len(), offered) {
            break;
        }
    }
    played
}

/// The requests of all `runs` that are `good`; none without requests.
fn together(runs: &[Simulated], good: fn(&Simulated) -> u64) -> Option<Proportion> {
    let offered = runs.iter().map(|run| run.offered).sum();
    Proportion::new(runs.iter().map(good).sum(), offered).ok()
}

/// Plays run number `nth` of `plan`. All have the outages of the plan's seed; number 0 has
/// its arrivals and requests as well.
pub fn simulate(plan: &Plan, nth: u64) -> Simulated {
    let prefix = match nth {
        0 => request_prefix(plan.seed()),
        _ => format!("s{}.{nth}-", plan.seed()),
    };
    let seed = plan.seed().wrapping_add(nth.wrapping_mul(FRESH));
    let world = World::new(plan, seed);
    let staff = RefCell::default();
    let background: FuturesUnordered<_> = world.heartbeats().into_iter().collect();
    if let Some(scale) = plan.scale() {
        background.push(Box::pin(world.scale(scale, &staff)));
    }
    let mut run = Run {
        world: &world,
        prefix,
        under_way: FuturesUnordered::new(),
        background,
        counted: Simulated {
            phases: vec![PhaseTally::default(); plan.phases().len()],
            ..Simulated::default()
        },
    };
    match plan.load().model {
        Model::Open => run.open(Arrivals::new(plan, seed)),
        Model::Closed { workers, think } => run.closed(workers, think),
    }
    let mut counted = std::mem::take(&mut run.counted);
    drop(run);
    counted.staff = plan.scale().map(|_| staff.into_inner());
    for hop in &world.hops {
        let tally = hop.tally.get();
        counted.attempts.insert(hop.name.clone(), tally.attempts);
        counted.tallies.insert(hop.name.clone(), tally);
    }
    counted
}

/// What the ids of a run's requests begin with: the number follows.
pub fn request_prefix(seed: u64) -> String {
    format!("r{seed}-")
}

/// The golden ratio in 64 bits: seeds of runs do not collide with those that people choose.
const FRESH: u64 = 0x9E37_79B9_7F4A_7C15;

/// How a request ended.
#[derive(Debug, Clone, Copy)]
struct End {
    number: u64,
    /// In which phase it left.
    phase: usize,
    quality: Option<Quality>,
}

/// A run under way.
struct Run<'a> {
    world: &'a World<'a>,
    prefix: String,
    under_way: FuturesUnordered<LocalBoxFuture<'a, End>>,
    /// What goes on whether somebody asks or not.
    background: FuturesUnordered<LocalBoxFuture<'a, ()>>,
    counted: Simulated,
}

impl Run<'_> {
    /// Requests that wait for nobody.
    fn open(&mut self, arrivals: Arrivals<'_>) {
        for (number, at) in (0..).zip(arrivals.take(MOST_REQUESTS)) {
            while self.world.clock.leap_until(at) {
                self.settle(|_| ());
            }
            self.send(number, at);
            self.settle(|_| ());
        }
        while !self.under_way.is_empty() && self.world.clock.leap() {
            self.settle(|_| ());
        }
    }

    /// Workers who wait for their answer, and for a while, before they ask again.
    fn closed(&mut self, workers: u32, think: Duration) {
        let (end, most) = match self.world.plan().load().length {
            Length::For(end) => (end, MOST_REQUESTS as u64),
            Length::Requests(most) => (Duration::MAX, most.min(MOST_REQUESTS as u64)),
        };
        let mut sent = 0;
        let mut waiting: Vec<Duration> = (0..workers).map(|_| Duration::ZERO).collect();
        loop {
            for at in waiting.drain(..) {
                if at < end && sent < most {
                    self.send(sent, at);
                    sent += 1;
                }
            }
            let now = self.world.clock.now();
            self.settle(|ended| waiting.extend((0..ended).map(|_| now.saturating_add(think))));
            let is_over = self.under_way.is_empty();
            if waiting.is_empty() && (is_over || !self.world.clock.leap()) {
                return;
            }
        }
    }

    fn send(&self, number: u64, at: Duration) {
        let world = self.world;
        let ask = Ask {
            request: format!("{}{number}", self.prefix).into(),
            user: world.user_of(number),
            path: String::new(),
            is_first: true,
            deadline: None,
        };
        self.under_way.push(Box::pin(async move {
            world.clock.sleep_until(at).await;
            End {
                number,
                phase: world.place(),
                quality: world.request(ask).await.ok(),
            }
        }));
    }

    /// Lets everybody go on who can, and counts those who have come to their end.
    fn settle(&mut self, hear: impl FnOnce(usize)) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut ended = 0;
        while let Poll::Ready(Some(())) = Pin::new(&mut self.background).poll_next(&mut cx) {}
        while let Poll::Ready(Some(end)) = Pin::new(&mut self.under_way).poll_next(&mut cx) {
            self.count(end);
            ended += 1;
        }
        hear(ended);
    }

    fn count(&mut self, end: End) {
        self.counted.offered += 1;
        let phase = &mut self.counted.phases[end.phase];
        phase.offered += 1;
        phase.answered += u64::from(end.quality.is_some());
        match end.quality {
            Some(Quality::Full) => self.counted.ok += 1,
            Some(Quality::Degraded) => self.counted.degraded += 1,
            None => self.counted.lost.push(end.number),
        }
    }
}
