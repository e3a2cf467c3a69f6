//! In which hop did a failure originate?
//!
//! A failed call is followed down: to its last failed attempt, to the request the callee
//! saw, to the call that failed last while serving it, and so on until no failed call is
//! left. A request that was cancelled because its caller ran out of time is followed in the
//! same way: the call it waited for is what took too long. A call that its caller dropped for
//! another reason is not followed: if two calls are made at the same time and one fails, the
//! other is cancelled and has lost nothing (the module `abandoned` has the rules).
//!
//! Only a request that failed is lost. If the user got an answer, no hop lost the request,
//! whatever failed on the way: a failed call that its caller did without is absorbed.
//!
//! A hop that absorbed one failure and then failed by itself looks like a hop that passed
//! the failure on; spans do not tell the two apart.

use crate::calls::{Attempt, Call, Calls, Request};
use serde::Serialize;
use types::{Cause, Outcome};

/// How a failure showed at the hop it originated in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// The hop saw the request and failed it by itself.
    SelfFailure,
    /// The hop saw nothing wrong, or nothing at all: it was down, or its link was.
    Unseen,
    /// The caller's policy refused to try, because of what came before.
    NotTried,
}

/// Where a failure originated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The hop.
    pub hop: String,
    /// The cause, as seen nearest to the hop. Where the hop was abandoned it is the cause of
    /// whoever gave up first, and `cancelled` only if that was the client without a word.
    pub cause: Option<Cause>,
    /// The fault injected into the request that failed, if any.
    pub fault_id: Option<String>,
    /// How it showed.
    pub kind: OriginKind,
}

/// Where a failure originated, by place in the trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) call: usize,
    pub(crate) request: Option<usize>,
    pub(crate) cause: Option<Cause>,
    pub(crate) kind: OriginKind,
}

/// What became of a call at the hop it reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFate {
    Ok,
    Degraded,
    Own(OriginKind),
    Propagated,
    /// Cancelled by the caller for a reason of its own.
    Abandoned,
}

/// What became of an attempt at the hop it reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptFate {
    Ok,
    Degraded,
    /// Failed here before any call was made from here.
    Entry,
    /// Failed here after calls made from here.
    Late,
    /// Failed because a call made from here failed.
    Propagated,
    /// Cancelled by the caller, which had its answer from another attempt or failed by
    /// another call.
    Abandoned,
}

/// Follows a failed call down to where the failure originated.
pub(crate) fn trace_back(calls: &Calls<'_>, failed: usize) -> Source {
    let (mut at, mut cause) = (failed, None);
    loop {
        let attempt = blamed_attempt(calls, &calls.calls[at]);
        cause = cause_told(calls, at, attempt).or(cause);
        let Some(child) = attempt.and_then(|attempt| culprit(calls, attempt)) else {
            return Source {
                call: at,
                request: attempt.and_then(|attempt| attempt.request),
                cause: cause.or(calls.calls[failed].cause),
                kind: kind(calls, attempt),
            };
        };
        at = child;
    }
}

/// The cause named nearest to the callee, but for its being abandoned.
fn cause_told(calls: &Calls<'_>, call: usize, attempt: Option<&Attempt<'_>>) -> Option<Cause> {
    let request = attempt.and_then(|attempt| attempt.request);
    let told = [
        calls.calls[call].cause,
        attempt.and_then(|attempt| attempt.cause),
        request.and_then(|request| calls.requests[request].cause),
    ];
    told.into_iter()
        .flatten()
        .rfind(|cause| *cause != Cause::Cancelled)
}

/// What became of a call.
pub(crate) fn fate_of_call(calls: &Calls<'_>, call: &Call<'_>) -> CallFate {
    match call.outcome {
        Outcome::Ok => CallFate::Ok,
        Outcome::Degraded => CallFate::Degraded,
        Outcome::Failed if call.abandoned => CallFate::Abandoned,
        Outcome::Failed => {
            let attempt = blamed_attempt(calls, call);
            match attempt.and_then(|attempt| culprit(calls, attempt)) {
                Some(_) => CallFate::Propagated,
                None => CallFate::Own(kind(calls, attempt)),
            }
        }
    }
}

/// What became of an attempt at the hop it reached.
pub(crate) fn fate_of_attempt(calls: &Calls<'_>, attempt: &Attempt<'_>) -> AttemptFate {
    match attempt.outcome {
        Outcome::Ok => AttemptFate::Ok,
        Outcome::Degraded => AttemptFate::Degraded,
        Outcome::Failed if attempt.abandoned => AttemptFate::Abandoned,
        Outcome::Failed if culprit(calls, attempt).is_some() => AttemptFate::Propagated,
        Outcome::Failed if made_calls(calls, attempt) => AttemptFate::Late,
        Outcome::Failed => AttemptFate::Entry,
    }
}

/// Whether a request was answered although a call made for it failed. A call that it dropped
/// has not failed.
pub(crate) fn absorbed(calls: &Calls<'_>, request: &Request<'_>) -> bool {
    request.outcome.is_available() && last_failed(calls, request).is_some()
}

/// The attempt that speaks for a failed call: its last failed one. Where all succeeded the
/// call was failed over the answer, so the last one speaks.
fn blamed_attempt<'c, 'a>(calls: &'c Calls<'a>, call: &Call<'a>) -> Option<&'c Attempt<'a>> {
    let attempts = || {
        call.attempts
            .iter()
            .rev()
            .map(|attempt| &calls.attempts[*attempt])
    };
    attempts()
        .find(|attempt| !attempt.outcome.is_available())
        .or_else(|| attempts().next())
}

/// The call, made for the request an attempt became, that made it fail.
fn culprit(calls: &Calls<'_>, attempt: &Attempt<'_>) -> Option<usize> {
    let request = &calls.requests[attempt.request?];
    if attempt.outcome.is_available() || request.outcome.is_available() {
        return None;
    }
    last_failed(calls, request)
}

fn last_failed(calls: &Calls<'_>, request: &Request<'_>) -> Option<usize> {
    let failed = |call: &usize| {
        let call = &calls.calls[*call];
        !call.outcome.is_available() && !call.abandoned
    };
    let ended = |call: &usize| (calls.calls[*call].span.end, *call);
    request
        .calls
        .iter()
        .copied()
        .filter(failed)
        .max_by_key(ended)
}

fn made_calls(calls: &Calls<'_>, attempt: &Attempt<'_>) -> bool {
    attempt
        .request
        .is_some_and(|request| !calls.requests[request].calls.is_empty())
}

/// A request that ended well although its attempt failed lost its answer on the way, unless
/// a fault injected into it says that the hop itself threw the answer away.
fn kind(calls: &Calls<'_>, attempt: Option<&Attempt<'_>>) -> OriginKind {
    let Some(attempt) = attempt else {
        return OriginKind::NotTried;
    };
    let Some(request) = attempt.request.map(|request| &calls.requests[request]) else {
        return OriginKind::Unseen;
    };
    let hop_failed = !request.outcome.is_available() || request.span.fault_id.is_some();
    if hop_failed || attempt.outcome.is_available() {
        OriginKind::SelfFailure
    } else {
        OriginKind::Unseen
    }
}
