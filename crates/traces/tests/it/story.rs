//! Stories with a known ending: what happened, told as our services tell it in spans.

use std::{num::NonZeroU32, sync::Arc};
use traces::{Kind, Span, SpanId, TraceId};
use types::{Cause, Outcome, StoppedBy};

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub outcome: Outcome,
    pub cause: Option<Cause>,
}

pub const OK: End = End {
    outcome: Outcome::Ok,
    cause: None,
};
pub const DEGRADED: End = End {
    outcome: Outcome::Degraded,
    cause: None,
};
pub const CANCELLED: End = failed(Cause::Cancelled);

pub const fn failed(cause: Cause) -> End {
    End {
        outcome: Outcome::Failed,
        cause: Some(cause),
    }
}

/// A logical call.
#[derive(Debug, Clone)]
pub struct Call {
    pub callee: String,
    pub end: End,
    pub stopped_by: Option<StoppedBy>,
    pub attempts: Vec<Attempt>,
}

/// One attempt of it.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub end: End,
    /// None: the callee saw nothing, or its span is lost.
    pub request: Option<Request>,
}

/// What the callee saw.
#[derive(Debug, Clone)]
pub struct Request {
    pub end: End,
    pub fault: Option<String>,
    pub calls: Vec<Call>,
}

/// A call whose one attempt was served so.
pub fn call(callee: &str, end: End, calls: Vec<Call>) -> Call {
    attempted(callee, end, vec![served(end, calls)])
}

/// A call that failed by an injected fault before it did anything.
pub fn fault(callee: &str, cause: Cause) -> Call {
    let mut call = call(callee, failed(cause), vec![]);
    call.attempts[0].request.as_mut().unwrap().fault = Some(format!("{callee}-fault"));
    call
}

/// A call with these attempts.
pub fn attempted(callee: &str, end: End, attempts: Vec<Attempt>) -> Call {
    Call {
        callee: callee.into(),
        end,
        stopped_by: None,
        attempts,
    }
}

/// A call whose one attempt the callee never saw.
pub fn unseen(callee: &str, cause: Cause) -> Call {
    attempted(
        callee,
        failed(cause),
        vec![Attempt {
            end: failed(cause),
            request: None,
        }],
    )
}

/// A call that timed out while the callee was busy with `calls`.
pub fn timed_out(callee: &str, calls: Vec<Call>) -> Call {
    attempted(
        callee,
        failed(Cause::Timeout),
        vec![abandoned(failed(Cause::Timeout), calls)],
    )
}

/// A call cut off because its caller was abandoned itself.
pub fn cut_off(callee: &str, calls: Vec<Call>) -> Call {
    attempted(callee, CANCELLED, vec![abandoned(CANCELLED, calls)])
}

/// An attempt that ended alike on both sides.
pub fn served(end: End, calls: Vec<Call>) -> Attempt {
    Attempt {
        end,
        request: Some(Request {
            end,
            fault: None,
            calls,
        }),
    }
}

fn abandoned(end: End, calls: Vec<Call>) -> Attempt {
    Attempt {
        end,
        request: Some(Request {
            end: CANCELLED,
            fault: None,
            calls,
        }),
    }
}

/// Tells the story of a root request made by `client` as one trace. Ids and times follow
/// from `trace`; `request` is its request id.
pub fn tell(trace: u64, request: &str, root: &Call) -> Vec<Span> {
    let mut teller = Teller {
        trace,
        request,
        spans: Vec::new(),
        ticks: 0,
    };
    teller.call(root, "client", None);
    teller.spans
}

/// Nanoseconds between two things that happen in a story.
pub const TICK: u64 = 1_000;

struct Teller<'a> {
    trace: u64,
    request: &'a str,
    spans: Vec<Span>,
    ticks: u64,
}

impl Teller<'_> {
    fn tick(&mut self) -> u64 {
        self.ticks += 1;
        1_700_000_000_000_000_000 + self.trace * 1_000_000_000 + self.ticks * TICK
    }

    fn open(&mut self, kind: Kind, service: &str, parent: Option<usize>) -> usize {
        let trace = TraceId::new((u128::from(self.trace) << 64) | 0xfeed).unwrap();
        let id = SpanId::new(self.trace << 20 | (self.spans.len() as u64 + 1)).unwrap();
        let mut span = Span::new(trace, id, kind, Arc::from(service));
        span.parent = parent.map(|parent| self.spans[parent].id);
        span.name = Arc::from(format!("{kind:?}").as_str());
        span.instance = Some(Arc::from(format!("{service}-1").as_str()));
        span.start = self.tick();
        self.spans.push(span);
        self.spans.len() - 1
    }

    fn call(&mut self, call: &Call, by: &str, parent: Option<usize>) {
        let place = self.open(Kind::Internal, by, parent);
        for (nth, attempt) in call.attempts.iter().enumerate() {
            self.attempt(
                attempt,
                u32::try_from(nth).unwrap(),
                &call.callee,
                by,
                place,
            );
        }
        let end = self.tick();
        let span = &mut self.spans[place];
        span.end = end;
        span.peer = Some(Arc::from(call.callee.as_str()));
        span.request = Some(self.request.into());
        span.call_outcome = Some(call.end.outcome);
        span.call_cause = call.end.cause;
        span.stopped_by = call.stopped_by;
        span.attempts = u32::try_from(call.attempts.len()).ok();
    }

    fn attempt(&mut self, attempt: &Attempt, nth: u32, callee: &str, by: &str, call: usize) {
        let place = self.open(Kind::Client, by, Some(call));
        if let Some(request) = &attempt.request {
            self.request(request, callee, place);
        }
        let end = self.tick();
        let span = &mut self.spans[place];
        span.end = end;
        span.peer = Some(Arc::from(callee));
        span.resend = NonZeroU32::new(nth);
        (span.outcome, span.cause) = (Some(attempt.end.outcome), attempt.end.cause);
    }

    fn request(&mut self, request: &Request, callee: &str, attempt: usize) {
        let place = self.open(Kind::Server, callee, Some(attempt));
        for call in &request.calls {
            self.call(call, callee, Some(place));
        }
        let end = self.tick();
        let span = &mut self.spans[place];
        span.end = end;
        span.request = Some(self.request.into());
        span.attempt_path = Some(Arc::from(format!("{callee}:0").as_str()));
        span.fault_id = request.fault.as_deref().map(Arc::from);
        span.fault_kind = request.fault.as_ref().map(|_| Arc::from("error"));
        (span.outcome, span.cause) = (Some(request.end.outcome), request.end.cause);
    }
}
