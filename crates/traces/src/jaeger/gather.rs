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
    mem,
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
/// The longest to wait although there is news, and the longest that the last round may take.
const LONGEST: Duration = Duration::from_mins(3);

/// What came of it.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Traces of which nothing is known to be missing.
    pub whole: usize,
    /// Traces that lack something, and are as they are, or could not be fetched.
    pub broken: usize,
    /// Why the last that could not be fetched could not be.
    pub error: Option<JaegerError>,
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
    /// already, once for each trace; tells `tell` after each how many are whole.
    ///
    /// # Errors
    ///
    /// If not one answer was as it should be.
    pub async fn gather(
        &self,
        traces: BTreeMap<TraceId, Vec<Span>>,
        tell: impl Fn(usize),
        mut take: impl FnMut(&ExportTraceServiceRequest),
    ) -> Result<Gathered, JaegerError> {
        let mut asked = Asked {
            pending: traces.into_iter().map(Pending::new).collect(),
            ..Asked::default()
        };
        let begin = Instant::now();
        let mut news_at = begin;
        loop {
            let is_last = is_over(&asked.pending, begin, news_at);
            let since = if is_last { Instant::now() } else { begin };
            asked.begin_round(is_last);
            let mut add = |asked: &mut Asked, fetched| {
                asked.add(fetched, &mut take);
                tell(asked.gathered.whole);
            };
            self.round(&mut asked, since + LONGEST, &mut add).await;
            if is_last || asked.pending.is_empty() {
                return asked.end();
            }
            if asked.news {
                news_at = Instant::now();
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks for all that is pending once, but for no more after `until`, or if there are only
    /// errors: a Jaeger that hangs answers each with an error of its own, after a while.
    async fn round(
        &self,
        asked: &mut Asked,
        until: Instant,
        add: &mut impl FnMut(&mut Asked, Fetched),
    ) {
        let mut waiting = mem::take(&mut asked.pending).into_iter();
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < LANES && asked.errors < LANES && Instant::now() < until {
                let Some(next) = waiting.next() else { break };
                under_way.spawn(next.fetch(self.clone()));
            }
            match under_way.join_next().await {
                None => break,
                Some(Ok(fetched)) => add(asked, fetched),
                // Nothing in there panics, and nobody aborts it.
                Some(Err(_)) => asked.gathered.broken += 1,
            }
        }
        // Those that were not asked for come first the next time.
        asked.pending = waiting.chain(mem::take(&mut asked.pending)).collect();
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

/// What came of the questions so far.
#[derive(Default)]
struct Asked {
    pending: Vec<Pending>,
    gathered: Gathered,
    /// Whether any answer was as it should be.
    answered: bool,
    /// Errors in a row, in this round.
    errors: usize,
    /// Whether there was more than before, in this round.
    news: bool,
    /// Whether this is the last round.
    is_last: bool,
}

impl Asked {
    fn begin_round(&mut self, is_last: bool) {
        (self.errors, self.news, self.is_last) = (0, false, is_last);
    }

    /// A trace that is whole is taken; in the last round, each.
    fn add(
        &mut self,
        Fetched {
            mut pending,
            answer,
        }: Fetched,
        take: &mut impl FnMut(&ExportTraceServiceRequest),
    ) {
        let spans = match answer {
            Ok(spans) => spans.unwrap_or_default(),
            Err(error) => {
                self.errors += 1;
                self.gathered.error = Some(error);
                self.pending.push(pending);
                return;
            }
        };
        (self.answered, self.errors) = (true, 0);
        let fetched = decode(&spans).spans;
        self.news |= fetched.len() > pending.seen;
        pending.seen = fetched.len();
        pending.state = state(&pending.known, &fetched);
        match pending.state {
            State::Broken if self.is_last => self.gathered.broken += 1,
            State::Unsure if self.is_last => self.gathered.whole += 1,
            State::Whole => self.gathered.whole += 1,
            _ => return self.pending.push(pending),
        }
        take(&spans);
    }

    /// What is still pending could not be fetched.
    fn end(mut self) -> Result<Gathered, JaegerError> {
        self.gathered.broken += self.pending.len();
        match self.gathered.error.take() {
            Some(error) if !self.answered => Err(error),
            error => Ok(Gathered {
                error: error.filter(|_| !self.pending.is_empty()),
                ..self.gathered
            }),
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
    // A statement names no other span but its request's, which that request's attempt names as well.
    let spans = || {
        let all = known.iter().chain(fetched);
        all.filter(|span| !span.is_statement)
    };
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
        let statement = Span {
            is_statement: true,
            ..attempt(6, 3, None)
        };
        let with_statement = [server.clone(), statement.clone()];
        assert_eq!(state(&known, &with_statement), State::Whole);
        assert_eq!(state(&known, &[statement]), State::Broken, "3 is not there");
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
