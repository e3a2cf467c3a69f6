//! The counting itself: one pass to name the hops, one to count at them.

use super::{
    Analysis, AnalysisOptions, FailedRequest, RootAnalysis,
    completeness::{Completeness, Unpaired},
    counts::Outcomes,
    hop::HopTally,
    latency::Latency,
    naming::Naming,
    order::Sequences,
    overlap,
    reading::{Reading, Readings, RootView, request_id},
    timeline::{self, Stretch},
};
use crate::{
    calls::Call,
    origin::{Origin, trace_back},
};
use std::{collections::HashSet, sync::Arc};
use types::Outcome;

/// Counts in the making.
#[derive(Debug, Default)]
pub(crate) struct Census {
    names: Vec<Arc<str>>,
    /// Hops that sent a span of a request.
    instrumented: Vec<bool>,
    tallies: Vec<HopTally>,
    sequences: Sequences,
    roots: Outcomes,
    /// Root requests as (start, end, whether answered in full).
    root_times: Vec<(u64, u64, bool)>,
    completeness: Completeness,
    failures: Vec<FailedRequest>,
    stretches: Vec<Stretch>,
    affect_each_other: bool,
}

impl Census {
    pub(crate) fn take(readings: &Readings<'_>, options: &AnalysisOptions) -> Self {
        let Hops {
            of_calls: hops,
            names,
        } = Hops::of(readings);
        let mut census = Self {
            instrumented: instrumented(readings, &hops, names.len()),
            stretches: timeline::count(readings, (&hops, &names), &options.stretches),
            affect_each_other: options.affect_each_other,
            tallies: names.iter().map(|_| HopTally::default()).collect(),
            names,
            ..Self::default()
        };
        for (reading, hops) in readings.traces.iter().zip(&hops) {
            census.count_trace(reading, hops, readings.view);
            for root in &reading.roots {
                census.count_root(reading, hops, *root);
            }
        }
        census
    }

    fn count_trace(&mut self, reading: &Reading<'_>, hops: &[usize], view: RootView) {
        let (mut unpaired, mut missing) = (Unpaired::default(), 0);
        for (call, hop) in reading.calls.calls.iter().zip(hops) {
            if !is_hearsay(call, view) {
                self.tallies[*hop].add_call(&reading.calls, call);
                self.tallies[*hop].add_attempts(&reading.calls, call);
                self.find_unpaired(reading, call, *hop, &mut unpaired);
                missing += attempts_missing(call);
            }
        }
        self.tallies.iter_mut().for_each(HopTally::close_trace);
        for request in &reading.calls.requests {
            self.tallies[hops[request.call]].add_request(&reading.calls, request);
        }
        self.completeness.add(reading, unpaired, missing);
    }

    fn find_unpaired(
        &mut self,
        reading: &Reading<'_>,
        call: &Call<'_>,
        hop: usize,
        trace: &mut Unpaired,
    ) {
        for attempt in call
            .attempts
            .iter()
            .map(|attempt| &reading.calls.attempts[*attempt])
        {
            if attempt.request.is_none() {
                trace.add(attempt, self.instrumented[hop]);
                self.tallies[hop]
                    .hop
                    .unpaired
                    .add(attempt, self.instrumented[hop]);
            }
        }
    }

    fn count_root(&mut self, reading: &Reading<'_>, hops: &[usize], root: usize) {
        let call = &reading.calls.calls[root];
        self.roots.add(call.outcome, call.cause);
        self.root_times
            .push((call.span.start, call.span.end, call.outcome == Outcome::Ok));
        self.sequences
            .note(reading.below(root).map(|call| hops[call]));
        if !call.outcome.is_available() {
            self.count_loss(reading, hops, root);
        }
    }

    fn count_loss(&mut self, reading: &Reading<'_>, hops: &[usize], root: usize) {
        let source = trace_back(&reading.calls, root);
        let hop = hops[source.call];
        let request = source
            .request
            .map(|request| reading.calls.requests[request].span);
        let origin = Origin {
            hop: self.names[hop].to_string(),
            cause: source.cause,
            fault_id: request
                .and_then(|span| span.fault_id.as_deref())
                .map(str::to_owned),
            kind: source.kind,
        };
        self.tallies[hop].add_loss(&origin);
        let request = reading.calls.calls[root].span.request.as_deref();
        let request = request
            .or_else(|| request_id(&reading.trace))
            .map(str::to_owned);
        self.failures.push(FailedRequest {
            trace: reading.trace.id,
            request,
            origin,
        });
    }

    pub(crate) fn close(mut self, readings: &Readings<'_>, options: &AnalysisOptions) -> Analysis {
        self.completeness.silent = silent(readings, &options.expected_services);
        self.completeness.unidentified_traces = readings.unidentified_traces;
        let root = self.root(readings.view);
        let order = self.sequences.order();
        let order = in_order(order, &self.names);
        let (offered, mut lost) = (self.roots.offered, 0);
        let mut close = |hop: usize| {
            std::mem::take(&mut self.tallies[hop]).close(&self.names[hop], offered, &mut lost)
        };
        Analysis {
            hops: order.into_iter().map(&mut close).collect(),
            root,
            completeness: self.completeness,
            stretches: self.stretches,
            transitions: timeline::transitions(readings),
            failures: self.failures,
        }
    }

    fn root(&self, view: RootView) -> RootAnalysis {
        let mut root_times = self.root_times.clone();
        root_times.sort_unstable();
        let times = |all: bool| {
            let wanted = root_times.iter().filter(|(_, _, ok)| all || *ok);
            let nanos: Vec<_> = wanted
                .map(|(start, end, _)| end.saturating_sub(*start))
                .collect();
            if self.affect_each_other {
                Latency::in_time(&nanos)
            } else {
                Latency::of(nanos)
            }
        };
        let intervals: Vec<_> = self
            .root_times
            .iter()
            .map(|(start, end, _)| (*start, *end))
            .collect();
        RootAnalysis {
            view,
            outcomes: self.roots.clone(),
            latency: times(true),
            latency_ok: times(false),
            max_concurrency: overlap::peak(&intervals),
        }
    }
}

/// The hop of every call of every trace, and the names of the hops.
pub(crate) struct Hops {
    of_calls: Vec<Vec<usize>>,
    names: Vec<Arc<str>>,
}

impl Hops {
    pub(crate) fn of(readings: &Readings<'_>) -> Self {
        let mut naming = Naming::default();
        let traces = readings.traces.iter();
        traces
            .clone()
            .for_each(|reading| naming.learn(&reading.calls));
        let of_calls = traces.map(|reading| naming.hops(&reading.calls)).collect();
        let names = naming.into_names();
        Self { of_calls, names }
    }

    /// The name of the hop that a call of a trace went to; both are places.
    pub(crate) fn name(&self, trace: usize, call: usize) -> &str {
        &self.names[self.of_calls[trace][call]]
    }
}

fn instrumented(readings: &Readings<'_>, hops: &[Vec<usize>], count: usize) -> Vec<bool> {
    let mut instrumented = vec![false; count];
    for (reading, hops) in readings.traces.iter().zip(hops) {
        for request in &reading.calls.requests {
            instrumented[hops[request.call]] = true;
        }
    }
    instrumented
}

/// Where callers speak for themselves, a request at the top of a tree is one whose attempt
/// was lost: its caller's word is missing, and the callee's does not stand in for it.
fn is_hearsay(call: &Call<'_>, view: RootView) -> bool {
    call.assumed && call.outermost && view == RootView::ClientCall
}

fn attempts_missing(call: &Call<'_>) -> u64 {
    let told = call.span.attempts.unwrap_or_default() as usize;
    told.saturating_sub(call.attempts.len()) as u64
}

fn silent(readings: &Readings<'_>, expected: &[String]) -> Vec<String> {
    let spans = readings
        .traces
        .iter()
        .flat_map(|reading| &reading.trace.spans);
    let heard: HashSet<&str> = spans.map(|span| &*span.service).collect();
    expected
        .iter()
        .filter(|service| !heard.contains(service.as_str()))
        .cloned()
        .collect()
}

/// Hops that no root request reached stand last, by name.
fn in_order(mut order: Vec<usize>, names: &[Arc<str>]) -> Vec<usize> {
    let mut rest: Vec<_> = (0..names.len())
        .filter(|hop| !order.contains(hop))
        .collect();
    rest.sort_unstable_by_key(|hop| &names[*hop]);
    order.append(&mut rest);
    order
}
