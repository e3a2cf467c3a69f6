//! A trace read as calls, attempts and requests received.
//!
//! A call is decided from the caller's side: it belongs to the request that made it,
//! holds its attempts, and each attempt holds the request it became, if that was seen.

use crate::{
    abandoned,
    assemble::Trace,
    outcome,
    span::{Kind, Span},
};
use std::sync::Arc;
use types::{Cause, Outcome};

/// What happened in one trace. Entries refer to each other by their place in the lists.
#[derive(Debug, Default)]
pub struct Calls<'a> {
    /// Calls, depth first by start: a call stands before everything made because of it.
    pub calls: Vec<Call<'a>>,
    /// Attempts, in the same order.
    pub attempts: Vec<Attempt<'a>>,
    /// Requests received, in the same order.
    pub requests: Vec<Request<'a>>,
}

/// One logical request to another service.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct Call<'a> {
    /// The span that tells of it.
    pub span: &'a Span,
    /// The request it was made for; none at the edge.
    pub by: Option<usize>,
    /// Whether nothing above it is a call or a request.
    pub outermost: bool,
    /// Whether its tree begins with a span that names no parent.
    pub under_root: bool,
    /// Whether no span of the caller tells of it and only the request received does.
    pub assumed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, as the caller saw it.
    pub cause: Option<Cause>,
    /// Whether its caller cancelled it, or could not make it, for a reason that has nothing to
    /// do with the callee, such as the failure of another call or a lack of file descriptors.
    /// Then it is no failure of the callee.
    pub abandoned: bool,
    /// Its attempts, by start.
    pub attempts: Vec<usize>,
}

/// One exchange with the callee.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The span that tells of it.
    pub span: &'a Span,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    pub cause: Option<Cause>,
    /// Whether it was cancelled because its call was abandoned, or was answered by another
    /// attempt. Then it is no failure of the callee.
    pub abandoned: bool,
    /// The request the callee saw, if it saw one.
    pub request: Option<usize>,
}

/// One request as the callee saw it.
#[derive(Debug)]
pub struct Request<'a> {
    /// The span that tells of it.
    pub span: &'a Span,
    /// The call it belongs to.
    pub call: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    pub cause: Option<Cause>,
    /// The calls made for it, by start.
    pub calls: Vec<usize>,
    /// The statements executed for it, by start.
    pub statements: Vec<&'a Span>,
}

impl<'a> Calls<'a> {
    /// Reads a trace. Deep traces are walked with a list, not by recursion.
    pub fn read(trace: &Trace<'a>) -> Self {
        let mut calls = Self::default();
        let above = |top: &usize| Above {
            under_root: trace.is_root(*top),
            ..Above::default()
        };
        let mut open: Vec<_> = trace
            .tops
            .iter()
            .rev()
            .map(|top| (*top, above(top)))
            .collect();
        while let Some((place, above)) = open.pop() {
            let below = calls.visit(trace.spans[place], above);
            open.extend(
                trace.children[place]
                    .iter()
                    .rev()
                    .map(|child| (*child, below)),
            );
        }
        abandoned::mark(&mut calls);
        calls
    }

    /// The service a call was made to, as far as a request received tells.
    pub fn seen_as(&self, call: &Call<'_>) -> Option<&'a Arc<str>> {
        let request = call
            .attempts
            .iter()
            .find_map(|attempt| self.attempts[*attempt].request)?;
        Some(&self.requests[request].span.service)
    }

    fn visit(&mut self, span: &'a Span, above: Above) -> Above {
        match self.role(span, above) {
            Role::Call => self.add_call(span, above, false),
            Role::Attempt => self.add_attempt(span, above),
            Role::LoneAttempt => {
                let call = self.add_call(span, above, false);
                self.add_attempt(span, call)
            }
            Role::Request => self.add_request(span, above),
            Role::UntoldRequest => {
                let call = match above.call {
                    Some(_) => above,
                    None => self.add_call(span, above, true),
                };
                let attempt = self.add_attempt(span, call);
                self.add_request(span, attempt)
            }
            Role::Statement => {
                if let Some(request) = above.request {
                    self.requests[request].statements.push(span);
                }
                above
            }
            Role::Detached => Above::default(),
            Role::Detail => above,
        }
    }

    fn role(&self, span: &Span, above: Above) -> Role {
        match (span.kind, above.call, above.attempt) {
            _ if span.is_statement => Role::Statement,
            (Kind::Server, Some(_), Some(_)) => Role::Request,
            (Kind::Server, ..) if self.is_inside_own_request(span, above) => Role::Detail,
            (Kind::Server, ..) => Role::UntoldRequest,
            (Kind::Consumer, ..) => Role::Detached,
            _ if span.call_outcome.is_some() => Role::Call,
            (Kind::Client, Some(_), None) => Role::Attempt,
            (Kind::Client, None, _) => Role::LoneAttempt,
            _ => Role::Detail,
        }
    }

    /// Frameworks stack server spans: an inner one of the same service is a detail.
    fn is_inside_own_request(&self, span: &Span, above: Above) -> bool {
        above.call.is_none()
            && above
                .request
                .is_some_and(|r| self.requests[r].span.service == span.service)
    }

    fn add_call(&mut self, span: &'a Span, above: Above, assumed: bool) -> Above {
        let place = self.calls.len();
        self.calls.push(Call {
            span,
            by: above.request,
            outermost: above.request.is_none() && above.call.is_none(),
            under_root: above.under_root,
            assumed,
            outcome: outcome::of_call(span),
            cause: outcome::cause_of_call(span),
            abandoned: false,
            attempts: Vec::new(),
        });
        if let Some(request) = above.request {
            self.requests[request].calls.push(place);
        }
        Above {
            call: Some(place),
            attempt: None,
            ..above
        }
    }

    fn add_attempt(&mut self, span: &'a Span, above: Above) -> Above {
        let place = self.attempts.len();
        let (outcome, cause) = (outcome::of_exchange(span), outcome::cause_of_exchange(span));
        self.attempts.push(Attempt {
            span,
            outcome,
            cause,
            abandoned: false,
            request: None,
        });
        if let Some(call) = above.call {
            self.calls[call].attempts.push(place);
        }
        Above {
            attempt: Some(place),
            ..above
        }
    }

    fn add_request(&mut self, span: &'a Span, above: Above) -> Above {
        let place = self.requests.len();
        let (outcome, cause) = (outcome::of_exchange(span), outcome::cause_of_exchange(span));
        let call = above.call.unwrap_or_default();
        self.requests.push(Request {
            span,
            call,
            outcome,
            cause,
            calls: Vec::new(),
            statements: Vec::new(),
        });
        if let Some(attempt) = above.attempt {
            self.attempts[attempt].request.get_or_insert(place);
        }
        Above {
            request: Some(place),
            call: None,
            attempt: None,
            ..above
        }
    }
}

/// What stands above a span.
#[derive(Debug, Clone, Copy, Default)]
struct Above {
    under_root: bool,
    request: Option<usize>,
    call: Option<usize>,
    attempt: Option<usize>,
}

/// What a span means, given what stands above it.
enum Role {
    Call,
    Attempt,
    /// A client span with no call around it: a call of one attempt.
    LoneAttempt,
    Request,
    /// A request received whose caller told of no attempt.
    UntoldRequest,
    /// A statement that a service had its own database execute.
    Statement,
    /// Work on a message taken from a queue: nobody waits for it.
    Detached,
    Detail,
}
