//! The traces chosen for analysis, each read as calls, with its root requests found.

use super::{AnalysisOptions, Requests};
use crate::{
    assemble::{Forest, Trace},
    calls::{Call, Calls},
    span::Span,
};
use serde::Serialize;

/// Where root requests are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RootView {
    /// At the client's own calls: the user's view.
    ClientCall,
    /// At the outermost call or request of each trace, because no client sent spans. What
    /// never reached the edge is not seen.
    Edge,
}

/// One trace, read.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) trace: Trace<'a>,
    pub(crate) calls: Calls<'a>,
    /// The calls that are root requests.
    pub(crate) roots: Vec<usize>,
}

/// All traces chosen.
#[derive(Debug)]
pub(crate) struct Readings<'a> {
    pub(crate) view: RootView,
    pub(crate) traces: Vec<Reading<'a>>,
    pub(crate) unidentified_traces: u64,
}

impl<'a> Readings<'a> {
    pub(crate) fn of(spans: &'a [Span], options: &AnalysisOptions) -> Self {
        let mut readings = Self {
            view: RootView::Edge,
            traces: Vec::new(),
            unidentified_traces: 0,
        };
        for trace in Forest::plant(spans).traces() {
            match choose(&options.requests, request_id(&trace)) {
                Some(true) => readings.traces.push(Reading::of(trace)),
                None if !is_about_a_replica(&trace) => readings.unidentified_traces += 1,
                Some(false) | None => {}
            }
        }
        readings.find_roots(&options.client);
        readings
    }

    fn find_roots(&mut self, client: &str) {
        for reading in &mut self.traces {
            reading.roots = reading.places_of(|call| is_client_call(call, client));
        }
        if self.traces.iter().any(|reading| !reading.roots.is_empty()) {
            self.view = RootView::ClientCall;
            return;
        }
        for reading in &mut self.traces {
            reading.roots = reading.edge();
        }
    }
}

impl<'a> Reading<'a> {
    fn of(trace: Trace<'a>) -> Self {
        Self {
            calls: Calls::read(&trace),
            trace,
            roots: Vec::new(),
        }
    }

    /// The outermost calls below true roots; in a trace without any, the first of all.
    fn edge(&self) -> Vec<usize> {
        let mut roots = self.places_of(|call| call.outermost && call.under_root);
        if roots.is_empty() {
            roots = self.places_of(|call| call.outermost);
            roots.truncate(1);
        }
        roots
    }

    fn places_of(&self, wanted: impl Fn(&Call<'_>) -> bool) -> Vec<usize> {
        let calls = self.calls.calls.iter().enumerate();
        calls
            .filter(|(_, call)| wanted(call))
            .map(|(place, _)| place)
            .collect()
    }

    /// The calls made because of the root at `root`, with itself first.
    pub(crate) fn below(&self, root: usize) -> std::ops::Range<usize> {
        let next = self.calls.calls[root + 1..]
            .iter()
            .position(|call| call.outermost);
        root..next.map_or(self.calls.calls.len(), |next| root + 1 + next)
    }
}

fn is_client_call(call: &Call<'_>, client: &str) -> bool {
    call.outermost && !call.assumed && &*call.span.service == client
}

/// The id of the request a trace tells of. It stays the same down the whole chain, so any
/// span that carries one will do.
pub(crate) fn request_id<'a>(trace: &Trace<'a>) -> Option<&'a str> {
    trace.spans.iter().find_map(|span| span.request.as_deref())
}

/// Whether it tells of a replica that went down, came back or took over, and of no request.
fn is_about_a_replica(trace: &Trace<'_>) -> bool {
    trace.spans.iter().all(|span| span.replica_change.is_some())
}

/// Whether a trace is wanted; none if that can't be told.
fn choose(wanted: &Requests, request: Option<&str>) -> Option<bool> {
    match wanted {
        Requests::All => Some(true),
        Requests::Prefix(prefix) => Some(request?.starts_with(prefix)),
        Requests::Accept(accept) => Some(accept(request?)),
    }
}
