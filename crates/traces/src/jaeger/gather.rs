//! Many traces, complete if they ever will be.
//!
//! Services send spans in batches, a collector keeps them for a while, and each service has its
//! own rhythm. So traces are asked for again until every one is whole, or until nothing new has
//! come for a while.

use super::{Jaeger, JaegerError};
use crate::{
    decode,
    span::{Kind, Span, SpanId, TraceId},
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use types::Cause;

/// Traces that are asked for at the same time. Each may take [`ANSWER_LIMIT`](super::ANSWER_LIMIT)
/// bytes, and is let go of before the next.
const LANES: usize = 8;
/// The pause before traces are asked for again.
const PAUSE: Duration = Duration::from_millis(500);
/// Without news for so long, what is missing is lost: twice as long as exporters and collectors
/// wait for a batch to fill, by default.
const QUIET: Duration = Duration::from_secs(10);
/// The same where nothing is known to be missing: a request that was given up may have been
/// received or not.
const SETTLED: Duration = Duration::from_secs(3);
/// The longest to wait although there is news.
const LONGEST: Duration = Duration::from_mins(3);

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Traces of which nothing is known to be missing.
    pub whole: usize,
    /// Traces that lack something, and are as they are.
    pub broken: usize,
}

/// How much of a trace is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Nothing is missing.
    Whole,
    /// Somebody gave up: whether the other side saw it can't be known.
    Unsure,
    /// A span tells of one that is not there.
    Broken,
}

/// A trace that is not whole yet.
#[derive(Debug)]
struct Pending {
    trace: TraceId,
    /// Its spans that are here already.
    known: Arc<[Span]>,
    /// How many of it Jaeger had when it was last asked.
    seen: usize,
    state: State,
}

/// A trace as Jaeger has it now, without the spans that are known.
struct Fetched {
    pending: Pending,
    answer: Result<Option<ExportTraceServiceRequest>, JaegerError>,
}

impl Jaeger {
    /// Hands to `take` what Jaeger holds of each of these traces, of which some spans are known
    /// already, once for each trace; tells `tell` how many are complete.
    ///
    /// # Errors
    ///
    /// If Jaeger does not answer as it should, and goes on so for a while.
    pub async fn gather(
        &self,
        traces: BTreeMap<TraceId, Vec<Span>>,
        tell: impl Fn(usize),
        mut take: impl FnMut(&ExportTraceServiceRequest),
    ) -> Result<Gathered, JaegerError> {
        let mut pending: Vec<_> = traces.into_iter().map(Pending::new).collect();
        let of = pending.len();
        let begin = Instant::now();
        let mut news_at = begin;
        loop {
            let is_last = is_over(&pending, begin, news_at);
            let round = self.round(pending, is_last, &mut take).await;
            if let Some(error) = round.error.filter(|_| is_last) {
                return Err(error);
            }
            pending = round.pending;
            if is_last || pending.is_empty() {
                let broken = round.broken;
                return Ok(Gathered {
                    whole: of - broken,
                    broken,
                });
            }
            if round.news {
                news_at = Instant::now();
            }
            tell(of - pending.len());
            sleep(PAUSE).await;
        }
    }

    /// Asks for all of `pending` once. Those that are whole are taken; in the last round, all.
    async fn round(
        &self,
        pending: Vec<Pending>,
        is_last: bool,
        take: &mut impl FnMut(&ExportTraceServiceRequest),
    ) -> Round {
        let mut round = Round::default();
        let mut waiting = pending.into_iter();
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < LANES {
                let Some(next) = waiting.next() else { break };
                under_way.spawn(next.fetch(self.clone()));
            }
            match under_way.join_next().await {
                None => return round,
                Some(Ok(fetched)) => round.add(fetched, is_last, take),
                // Nothing in there panics, and nobody aborts it.
                Some(Err(_)) => round.broken += 1,
            }
        }
    }
}

/// Whether there is no use in waiting any longer.
fn is_over(pending: &[Pending], begin: Instant, news_at: Instant) -> bool {
    let worst = pending.iter().map(|pending| pending.state).max();
    let quiet = match worst {
        None | Some(State::Broken) => QUIET,
        Some(_) => SETTLED,
    };
    news_at.elapsed() > quiet || begin.elapsed() > LONGEST
}

/// What one round of questions came to.
#[derive(Default)]
struct Round {
    pending: Vec<Pending>,
    news: bool,
    broken: usize,
    error: Option<JaegerError>,
}

impl Round {
    fn add(
        &mut self,
        Fetched {
            mut pending,
            answer,
        }: Fetched,
        is_last: bool,
        take: &mut impl FnMut(&ExportTraceServiceRequest),
    ) {
        let spans = match answer {
            Ok(spans) => spans.unwrap_or_default(),
            Err(error) => {
                self.error = Some(error);
                self.pending.push(pending);
                return;
            }
        };
        let fetched = decode(&spans).spans;
        self.news |= fetched.len() > pending.seen;
        pending.seen = fetched.len();
        pending.state = state(&pending.known, &fetched);
        if is_last || pending.state == State::Whole {
            take(&spans);
            self.broken += usize::from(pending.state == State::Broken);
        } else {
            self.pending.push(pending);
        }
    }
}

impl Pending {
    fn new((trace, known): (TraceId, Vec<Span>)) -> Self {
        Self {
            trace,
            known: known.into(),
            seen: 0,
            state: State::Broken,
        }
    }

    async fn fetch(self, jaeger: Jaeger) -> Fetched {
        let answer = jaeger.trace(self.trace).await;
        let answer = answer.map(|spans| spans.map(|spans| without(&self.known, spans)));
        Fetched {
            pending: self,
            answer,
        }
    }
}

/// What came without the spans that were known before: they may have been sent there as well.
fn without(known: &[Span], mut spans: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    let known: HashSet<_> = known.iter().map(|span| span.id).collect();
    let is_new = |id: &[u8]| SpanId::from_bytes(id).is_none_or(|id| !known.contains(&id));
    for resource in &mut spans.resource_spans {
        for scope in &mut resource.scope_spans {
            scope.spans.retain(|span| is_new(&span.span_id));
        }
        resource.scope_spans.retain(|scope| !scope.spans.is_empty());
    }
    spans
        .resource_spans
        .retain(|resource| !resource.scope_spans.is_empty());
    spans
}

/// What the spans of a trace say of those that are not there.
fn state(known: &[Span], fetched: &[Span]) -> State {
    let spans = || known.iter().chain(fetched);
    let ids: HashSet<_> = spans().map(|span| span.id).collect();
    let mut attempts: BTreeMap<SpanId, u32> = BTreeMap::new();
    let mut received = HashSet::new();
    for span in spans() {
        match (span.kind, span.parent) {
            (_, Some(parent)) if !ids.contains(&parent) => return State::Broken,
            (Kind::Client, Some(parent)) => *attempts.entry(parent).or_default() += 1,
            (Kind::Server, Some(parent)) => {
                received.insert(parent);
            }
            _ => {}
        }
    }
    let made = |span: &Span| attempts.get(&span.id).copied().unwrap_or_default();
    let lacks_attempts = |span: &Span| span.attempts.is_some_and(|told| told > made(span));
    let of_span = |span: &Span| match span.kind {
        Kind::Client if !received.contains(&span.id) => unreceived(span),
        _ if lacks_attempts(span) => State::Broken,
        _ => State::Whole,
    };
    spans().map(of_span).max().unwrap_or(State::Broken)
}

/// What an attempt that nobody saw says.
fn unreceived(attempt: &Span) -> State {
    let answered =
        attempt.http_status.is_some() || attempt.outcome.is_some_and(types::Outcome::is_available);
    match (answered, attempt.cause) {
        (true, _) => State::Broken,
        (false, Some(Cause::Refused)) => State::Whole,
        (false, _) => State::Unsure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Outcome;

    fn span(id: u64, parent: u64, kind: Kind) -> Span {
        let (trace, id) = (TraceId::new(1).unwrap(), SpanId::new(id).unwrap());
        Span {
            parent: SpanId::new(parent),
            ..Span::new(trace, id, kind, "a".into())
        }
    }

    fn call(id: u64, parent: u64, attempts: u32) -> Span {
        Span {
            attempts: Some(attempts),
            ..span(id, parent, Kind::Internal)
        }
    }

    fn attempt(id: u64, parent: u64, cause: Option<Cause>) -> Span {
        Span {
            outcome: Some(cause.map_or(Outcome::Ok, |_| Outcome::Failed)),
            cause,
            ..span(id, parent, Kind::Client)
        }
    }

    #[test]
    fn a_trace_is_whole_when_no_span_tells_of_one_that_is_not_there() {
        let known = [call(1, 0, 1), attempt(2, 1, None)];
        let server = span(3, 2, Kind::Server);
        assert_eq!(state(&known, &[]), State::Broken, "it was answered");
        assert_eq!(state(&known, std::slice::from_ref(&server)), State::Whole);
        let below = [server.clone(), attempt(5, 4, None)];
        assert_eq!(state(&known, &below), State::Broken, "4 made 5");
        let below = [server, call(4, 3, 2), attempt(5, 4, Some(Cause::Refused))];
        assert_eq!(state(&known, &below), State::Broken, "two attempts");
        assert_eq!(state(&[], &[]), State::Broken, "nothing has come");
    }

    #[test]
    fn what_nobody_answered_may_have_been_received_or_not() {
        for (cause, then) in [
            (Cause::Refused, State::Whole),
            (Cause::Timeout, State::Unsure),
            (Cause::Reset, State::Unsure),
        ] {
            let known = [call(1, 0, 1), attempt(2, 1, Some(cause))];
            assert_eq!(state(&known, &[]), then, "{cause}");
        }
        let refused = Span {
            http_status: Some(503),
            ..attempt(2, 1, Some(Cause::Error))
        };
        assert_eq!(state(&[call(1, 0, 1), refused], &[]), State::Broken);
    }
}
