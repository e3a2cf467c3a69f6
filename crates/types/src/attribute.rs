//! Names of span attributes that no semantic convention covers.
//!
//! A trace tells four things apart. A **call** (INTERNAL span) is one logical request
//! to another service, however many attempts it takes. An **attempt** (CLIENT span) is
//! one HTTP exchange. A **request received** (SERVER span) is the callee's side of it. A
//! **statement** (CLIENT span with `db.system.name`) is what it asked of its own database.

/// Call: `ok`, `degraded` or `failed`. Its presence marks a span as a call.
pub const CALL_OUTCOME: &str = "nines.call.outcome";
/// Call: the last underlying failure, where the outcome is `failed`.
pub const CALL_CAUSE: &str = "nines.call.cause";
/// Call: what ended the trying, where the outcome is `failed`.
pub const CALL_STOPPED_BY: &str = "nines.call.stopped_by";
/// Call: how many attempts were made.
pub const CALL_ATTEMPTS: &str = "nines.call.attempts";
/// Attempt and server: `ok`, `degraded` or `failed`. Statement: `ok` or `failed`; that it says
/// so marks a span of a database as ours.
pub const OUTCOME: &str = "nines.outcome";
/// Attempt and server: the failure, where the outcome is `failed`.
pub const CAUSE: &str = "nines.cause";
/// Attempt: the state of the circuit breaker that let it pass: `closed` or `half_open`.
pub const BREAKER_STATE: &str = "nines.breaker.state";
/// The event, on the call that saw it, of a circuit breaker that changes its state.
pub const BREAKER_EVENT: &str = "breaker.transition";
/// Event: the service that the breaker guards, also where the breaker refused a call.
pub const BREAKER_NAME: &str = "nines.breaker.name";
/// Event: the state before.
pub const BREAKER_FROM: &str = "nines.breaker.from";
/// Event: the state after.
pub const BREAKER_TO: &str = "nines.breaker.to";
/// Event: why.
pub const BREAKER_WHY: &str = "nines.breaker.why";
/// The event, on the call, of a refusal by the caller's own policy: nothing was sent to the
/// callee. `nines.call.stopped_by` says which part refused, `service.peer.name` which callee.
pub const REFUSED_EVENT: &str = "call.refused";
/// The event, on the call, of a retry that was not made because the budget was empty or the
/// deadline left no time. `nines.call.stopped_by` says which.
pub const RETRY_REFUSED_EVENT: &str = "retry.refused";
/// The event, on the call, of a retry that will follow after a pause.
pub const RETRY_EVENT: &str = "retry.scheduled";
/// Event: which resend it will be.
pub const RETRY_NUMBER: &str = "nines.retry.number";
/// Event: the pause before it, in milliseconds.
pub const RETRY_PAUSE_MS: &str = "nines.retry.pause_ms";
/// The event, on the call that saw it, of a replica that is left out for a while.
pub const EJECTION_EVENT: &str = "replica.ejected";
/// Event: for how long, in milliseconds.
pub const EJECTION_MS: &str = "nines.ejection.ms";
/// The span of a replica that went down or came back, by its heartbeats, or took over.
pub const REPLICA_SPAN: &str = "replica.change";
/// Its event: the replica is down.
pub const REPLICA_DOWN: &str = "replica.down";
/// Its event: the replica is up again.
pub const REPLICA_UP: &str = "replica.up";
/// Its event: the replica is the active one from now on.
pub const REPLICA_ACTIVE: &str = "replica.active";
/// The event, on the call, of a second request that goes out because the first is slow.
pub const HEDGE_EVENT: &str = "hedge.sent";
/// Event: which of the call's further requests it is.
pub const HEDGE_NUMBER: &str = "nines.hedge.number";
/// Event: how long the first answer was waited for, in milliseconds.
pub const HEDGE_DELAY_MS: &str = "nines.hedge.delay_ms";
/// Call: what the cache had for it: `fresh`, with which the call is done, `stale` or `none`.
pub const CACHE_FOUND: &str = "nines.cache.found";
/// Call: how old the answer is that stands in for one that could not be had, in milliseconds.
pub const CACHE_AGE_MS: &str = "nines.cache.age_ms";
/// Call and server: the request id.
pub const REQUEST: &str = "nines.request.id";
/// Server: which attempt of which call this is, from the edge down.
pub const ATTEMPT_PATH: &str = "nines.attempt.path";
/// Attempt: the address of the replica it was sent to. Server: the replica's own name.
pub const REPLICA: &str = "nines.replica";
/// Server: the milliseconds that a client at the edge asked for, where it got more because
/// that was too little.
pub const DEADLINE_ASKED_MS: &str = "nines.deadline.asked_ms";
/// Call and server: milliseconds allowed when the work began.
pub const DEADLINE_BUDGET_MS: &str = "nines.deadline.budget_ms";
/// Attempt: milliseconds left when it was sent.
pub const DEADLINE_REMAINING_MS: &str = "nines.deadline.remaining_ms";
/// Server: the kind of fault injected here, if any: ground truth for attribution.
pub const FAULT_KIND: &str = "nines.fault.kind";
/// Server: the name of the fault injected here, if any.
pub const FAULT_ID: &str = "nines.fault.id";
/// Call and attempt: the service called, as the conventions name it.
pub const PEER: &str = "service.peer.name";
/// Call and attempt: the same under its older name, which most tools still read.
pub const PEER_OLD: &str = "peer.service";
/// Attempt: which resend this is; absent on the first.
pub const RESEND_COUNT: &str = "http.request.resend_count";
/// Resource: the namespace of all services, `nines`.
pub const NAMESPACE: &str = "service.namespace";
/// Resource: the scenario of the run that the process takes part in.
pub const SCENARIO: &str = "nines.scenario";
/// Resource: the variant of the scenario, if it has variants.
pub const VARIANT: &str = "nines.variant";
/// Resource: the seed of the run.
pub const SEED: &str = "nines.seed";
/// Resource: which run of the scenario it is, from 1.
pub const RUN: &str = "nines.run";
