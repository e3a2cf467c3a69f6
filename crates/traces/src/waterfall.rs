//! A few traces that show what happened, kept small enough for a report.
//!
//! Chosen from all traces of a run, at most [`MOST`] of them, each for a reason that is kept
//! with it. The same spans give the same choice.

use crate::{
    analysis::{AnalysisOptions, Hops, Reading, Readings},
    calls::{Attempt, Call, Calls, Request},
    origin::trace_back,
    span::{Span, TraceId},
};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use types::{BreakerState, Cause, Outcome, StoppedBy};

/// How many traces are chosen at most.
pub const MOST: usize = 4;
/// How many bars of a trace are kept: a storm repeats itself.
pub const MOST_BARS: usize = 60;

/// A trace as bars over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waterfall {
    /// The trace.
    pub trace: TraceId,
    /// Why it was chosen.
    pub why: Why,
    /// How its root request ended.
    pub outcome: Outcome,
    /// How long its root request took, in nanoseconds.
    pub nanos: u64,
    /// Its calls, attempts, requests received and statements, callers before the called.
    pub bars: Vec<Bar>,
    /// How many more there are.
    pub left_out: usize,
}

/// Why a trace was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// The median of the requests that were answered.
    Typical {
        /// How many were answered.
        of: usize,
    },
    /// The median of the failures that originated in one hop by one cause.
    Failed {
        /// The hop.
        hop: String,
        /// The cause.
        cause: Option<Cause>,
        /// How many there were.
        of: usize,
    },
    /// More attempts than any other, some of them again.
    MostAttempts {
        /// How many attempts it took, at all hops.
        attempts: usize,
    },
    /// A circuit breaker refused one of its calls.
    Refused {
        /// In how many traces that happened.
        of: usize,
    },
}

/// One call, attempt, request received or statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// How many bars stand above it.
    pub depth: usize,
    /// What it is.
    pub role: Role,
    /// Who made the span.
    pub by: String,
    /// Who was called; of a statement, what it does to which table.
    pub callee: String,
    /// When it began, in nanoseconds after the root request.
    pub start: u64,
    /// How long it took, in nanoseconds.
    pub nanos: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Call: what ended the trying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// Attempt: the status of the HTTP answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Attempt: the state of the circuit breaker that let it pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// Request received: the fault injected into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// One logical request to another service.
    Call,
    /// One exchange of it; 0 is the first.
    Attempt(u32),
    /// What the callee saw of it.
    Request,
    /// A statement that the callee had its own database execute for it.
    Statement,
}

/// Chooses the most telling traces: one that went well; one that failed in the most frequent
/// way; the one with the most attempts; one in which a breaker refused; and while there is
/// room, the next most frequent failures.
pub fn waterfalls(spans: &[Span], options: &AnalysisOptions) -> Vec<Waterfall> {
    let readings = Readings::of(spans, options);
    let hops = Hops::of(&readings);
    let roots = Root::all(&readings);
    let mut chosen = Chosen::default();
    chosen.add(typical(&roots));
    let mut failures = failures(&roots, &hops).into_iter();
    chosen.add(failures.next());
    chosen.add(most_attempts(&roots));
    chosen.add(refused(&roots));
    failures.for_each(|failure| chosen.add(Some(failure)));
    let draw = |(root, why): (Root<'_>, Why)| root.draw(&hops, why);
    chosen.roots.into_iter().map(draw).collect()
}

/// What was chosen so far, each trace once.
#[derive(Default)]
struct Chosen<'a> {
    roots: Vec<(Root<'a>, Why)>,
    traces: HashSet<TraceId>,
}

impl<'a> Chosen<'a> {
    fn add(&mut self, candidate: Option<(Root<'a>, Why)>) {
        if let Some((root, why)) = candidate
            && self.roots.len() < MOST
            && self.traces.insert(root.reading.trace.id)
        {
            self.roots.push((root, why));
        }
    }
}

/// A root request.
#[derive(Clone, Copy)]
struct Root<'a> {
    /// The place of its trace among all.
    place: usize,
    reading: &'a Reading<'a>,
    call: usize,
}

impl<'a> Root<'a> {
    fn all(readings: &'a Readings<'a>) -> Vec<Self> {
        let traces = readings.traces.iter().enumerate();
        let roots = traces.flat_map(|(place, reading)| {
            let one = move |call: &usize| Root {
                place,
                reading,
                call: *call,
            };
            reading.roots.iter().map(one)
        });
        roots.collect()
    }

    fn calls(&self) -> &'a Calls<'a> {
        &self.reading.calls
    }

    fn span(&self) -> &'a Span {
        self.calls().calls[self.call].span
    }

    fn is_answered(&self) -> bool {
        self.calls().calls[self.call].outcome.is_available()
    }

    fn below(&self) -> impl Iterator<Item = &'a Call<'a>> + use<'a> {
        self.calls().calls[self.reading.below(self.call)].iter()
    }

    fn attempts(&self) -> usize {
        self.below().map(|call| call.attempts.len()).sum()
    }

    fn is_tried_again(&self) -> bool {
        self.below().any(|call| call.attempts.len() > 1)
    }

    fn is_refused(&self) -> bool {
        let refused = |call: &Call<'_>| {
            call.attempts.is_empty() && call.span.stopped_by == Some(StoppedBy::BreakerOpen)
        };
        self.below().any(refused)
    }

    fn draw(self, hops: &Hops, why: Why) -> Waterfall {
        let mut drawing = Drawing {
            calls: self.calls(),
            names: |call| hops.name(self.place, call),
            begin: self.span().start,
            bars: Vec::new(),
        };
        drawing.call(self.call);
        let left_out = drawing.bars.len().saturating_sub(MOST_BARS);
        drawing.bars.truncate(MOST_BARS);
        Waterfall {
            trace: self.reading.trace.id,
            why,
            outcome: self.calls().calls[self.call].outcome,
            nanos: self.span().nanos(),
            bars: drawing.bars,
            left_out,
        }
    }
}

/// The root whose duration is the median; of equals, the one with the lowest trace id.
fn median(mut roots: Vec<Root<'_>>) -> Option<Root<'_>> {
    roots.sort_by_key(|root| (root.span().nanos(), root.reading.trace.id));
    roots.get(roots.len().saturating_sub(1) / 2).copied()
}

fn typical<'a>(roots: &[Root<'a>]) -> Option<(Root<'a>, Why)> {
    let answered: Vec<_> = roots.iter().copied().filter(Root::is_answered).collect();
    let of = answered.len();
    Some((median(answered)?, Why::Typical { of }))
}

/// One root for each way to fail, the most frequent first. Where a breaker refused it is not
/// the failure that is shown.
fn failures<'a>(roots: &[Root<'a>], hops: &Hops) -> Vec<(Root<'a>, Why)> {
    let mut ways: BTreeMap<(&str, Option<Cause>), Vec<Root<'a>>> = BTreeMap::new();
    let failed = |root: &&Root<'a>| !root.is_answered() && !root.is_refused();
    for root in roots.iter().filter(failed) {
        let source = trace_back(root.calls(), root.call);
        let way = (hops.name(root.place, source.call), source.cause);
        ways.entry(way).or_default().push(*root);
    }
    let mut ways: Vec<_> = ways.into_iter().collect();
    // A stable sort: equally frequent ways stay in the order of their names.
    ways.sort_by_key(|(_, roots)| std::cmp::Reverse(roots.len()));
    let one = |((hop, cause), roots): ((&str, _), Vec<_>)| {
        let (of, hop) = (roots.len(), hop.to_owned());
        Some((median(roots)?, Why::Failed { hop, cause, of }))
    };
    ways.into_iter().filter_map(one).collect()
}

fn most_attempts<'a>(roots: &[Root<'a>]) -> Option<(Root<'a>, Why)> {
    let again = roots.iter().filter(|root| root.is_tried_again());
    let most = again.max_by_key(|root| (root.attempts(), std::cmp::Reverse(root.reading.trace.id)));
    let attempts = most?.attempts();
    Some((*most?, Why::MostAttempts { attempts }))
}

fn refused<'a>(roots: &[Root<'a>]) -> Option<(Root<'a>, Why)> {
    let refused: Vec<_> = roots.iter().copied().filter(Root::is_refused).collect();
    let of = refused.len();
    Some((median(refused)?, Why::Refused { of }))
}

/// Bars in the making.
struct Drawing<'a, N> {
    calls: &'a Calls<'a>,
    names: N,
    begin: u64,
    bars: Vec<Bar>,
}

/// What is still to be drawn, and how deep it stands.
enum Open<'a> {
    Statement(&'a Span, usize),
    Call(usize, usize),
    Attempt(usize, u32, usize),
    Request(usize, usize),
}

impl<'a, N: Fn(usize) -> &'a str> Drawing<'a, N> {
    /// Draws a call and everything below it, with a list and not by recursion: traces of
    /// others may be deeper than a stack.
    fn call(&mut self, root: usize) {
        let mut callees = vec![""; self.calls.attempts.len()];
        let mut open = vec![Open::Call(root, 0)];
        while let Some(next) = open.pop() {
            let first = open.len();
            match next {
                Open::Call(place, depth) => {
                    let call = &self.calls.calls[place];
                    let callee = (self.names)(place);
                    self.bars.push(self.of_call(call, callee, depth));
                    for (nth, attempt) in (0..).zip(&call.attempts) {
                        callees[*attempt] = callee;
                        open.push(Open::Attempt(*attempt, nth, depth + 1));
                    }
                }
                Open::Attempt(place, nth, depth) => {
                    let attempt = &self.calls.attempts[place];
                    let bar = self.of_attempt(attempt, callees[place], nth, depth);
                    self.bars.push(bar);
                    open.extend(attempt.request.map(|at| Open::Request(at, depth + 1)));
                }
                Open::Request(place, depth) => {
                    let request = &self.calls.requests[place];
                    self.bars.push(self.of_request(request, depth));
                    open.extend(self.below(request, depth + 1));
                }
                Open::Statement(span, depth) => self.bars.push(self.of_statement(span, depth)),
            }
            open[first..].reverse();
        }
    }

    /// What was done for a request, by start.
    fn below(&self, request: &Request<'a>, depth: usize) -> Vec<Open<'a>> {
        let calls = request.calls.iter();
        let calls = calls.map(|call| {
            let start = self.calls.calls[*call].span.start;
            (start, Open::Call(*call, depth))
        });
        let statements = request.statements.iter();
        let statements = statements.map(|span| (span.start, Open::Statement(span, depth)));
        let mut all: Vec<_> = calls.chain(statements).collect();
        all.sort_by_key(|(start, _)| *start);
        all.into_iter().map(|(_, open)| open).collect()
    }

    fn of_statement(&self, span: &Span, depth: usize) -> Bar {
        Bar {
            outcome: span.outcome.unwrap_or(Outcome::Ok),
            cause: span.cause,
            ..self.bar(span, Role::Statement, &span.name, depth)
        }
    }

    fn of_call(&self, call: &Call<'_>, callee: &str, depth: usize) -> Bar {
        Bar {
            outcome: call.outcome,
            cause: call.cause,
            stopped_by: call.span.stopped_by,
            ..self.bar(call.span, Role::Call, callee, depth)
        }
    }

    fn of_attempt(&self, attempt: &Attempt<'_>, callee: &str, nth: u32, depth: usize) -> Bar {
        let nth = attempt.span.resend.map_or(nth, u32::from);
        Bar {
            outcome: attempt.outcome,
            cause: attempt.cause,
            http_status: attempt.span.http_status,
            breaker: attempt.span.breaker,
            ..self.bar(attempt.span, Role::Attempt(nth), callee, depth)
        }
    }

    fn of_request(&self, request: &Request<'_>, depth: usize) -> Bar {
        let span = request.span;
        let fault = span.fault_id.as_ref().or(span.fault_kind.as_ref());
        Bar {
            outcome: request.outcome,
            cause: request.cause,
            fault: fault.map(ToString::to_string),
            ..self.bar(span, Role::Request, &span.service, depth)
        }
    }

    fn bar(&self, span: &Span, role: Role, callee: &str, depth: usize) -> Bar {
        Bar {
            depth,
            role,
            by: span.service.to_string(),
            callee: callee.to_owned(),
            start: span.start.saturating_sub(self.begin),
            nanos: span.nanos(),
            outcome: Outcome::Ok,
            cause: None,
            stopped_by: None,
            http_status: None,
            breaker: None,
            fault: None,
        }
    }
}
