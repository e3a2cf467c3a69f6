//! Finds the calls and attempts that a caller dropped, or could not make, for a reason of its
//! own.
//!
//! A server cannot answer a request that its caller has cancelled, so such a request says
//! nothing about the server: it is neither a success nor a failure of it. A cancelled call is
//! abandoned if
//!
//! - the request it was made for failed with a cause of its own, such as the failure of
//!   another call made at the same time;
//! - that request was answered without it; or
//! - that request was abandoned itself.
//!
//! A cancelled attempt is abandoned if its call is, or if its call was answered by another
//! attempt, as with hedging.
//!
//! A call for which the caller had no resource left (cause `exhausted`) never reached the
//! callee: it is abandoned, and so is its attempt. The request that needed it failed at the
//! caller.
//!
//! One kind of cancelled call is not abandoned: the one that the caller waited for until its
//! own caller, or its own deadline, ended the request. What it waited for explains why the
//! request failed, so [`origin`](crate::origin) follows it, and it is a failure of the callee.

use crate::calls::{Calls, Request};
use types::Cause;

/// Marks every abandoned call and attempt.
pub(crate) fn mark(calls: &mut Calls<'_>) {
    let mut is_request_abandoned = vec![false; calls.requests.len()];
    // A call stands before everything made because of it, so one pass is enough.
    for place in 0..calls.calls.len() {
        let call = &calls.calls[place];
        let is_abandoned = call.by.is_some_and(|request| match call.cause {
            Some(Cause::Exhausted) => true,
            Some(Cause::Cancelled) => {
                is_request_abandoned[request] || !waited_for(calls, request, place)
            }
            _ => false,
        });
        let is_answered = call.outcome.is_available();
        calls.calls[place].abandoned = is_abandoned;
        for nth in 0..calls.calls[place].attempts.len() {
            let attempt = calls.calls[place].attempts[nth];
            let attempt = &mut calls.attempts[attempt];
            attempt.abandoned = match attempt.cause {
                Some(Cause::Cancelled) => is_abandoned || is_answered,
                Some(Cause::Exhausted) => is_abandoned,
                _ => false,
            };
            if let Some(request) = attempt.request {
                is_request_abandoned[request] = attempt.abandoned;
            }
        }
    }
}

/// Whether the request `request` ended because the cancelled call `call` took too long.
fn waited_for(calls: &Calls<'_>, request: usize, call: usize) -> bool {
    let request = &calls.requests[request];
    match request.cause {
        Some(Cause::Cancelled) => true,
        // Its own deadline, or that of another call: only the first also ends the attempt.
        Some(Cause::Timeout) => ran_out_of_time(calls, call) || !a_call_failed(calls, request),
        _ => false,
    }
}

fn ran_out_of_time(calls: &Calls<'_>, call: usize) -> bool {
    let last = calls.calls[call].attempts.last();
    last.is_some_and(|attempt| calls.attempts[*attempt].cause == Some(Cause::Timeout))
}

/// Whether a call made for `request` failed, other than by being cancelled.
fn a_call_failed(calls: &Calls<'_>, request: &Request<'_>) -> bool {
    let mut made = request.calls.iter().map(|call| &calls.calls[*call]);
    made.any(|call| !call.outcome.is_available() && call.cause != Some(Cause::Cancelled))
}
