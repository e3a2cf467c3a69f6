//! A span as the analysis needs it: identity, place, time and the few attributes
//! that decide outcomes, parsed once. A million of them fit in 400 MB.

use serde::{Serialize, Serializer};
use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64, NonZeroU128},
    str::FromStr,
    sync::Arc,
};
use types::{BreakerState, Cause, Outcome, StoppedBy};

/// The identity of a trace: 16 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(NonZeroU128);

/// The identity of a span within its trace: 8 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// An id from its number; none for zero, which means "no trace".
    pub const fn new(id: u128) -> Option<Self> {
        match NonZeroU128::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// An id from the bytes on the wire; none unless they are 16 and not all zero.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::new(u128::from_be_bytes(bytes.try_into().ok()?))
    }

    /// The id as a number.
    pub const fn get(self) -> u128 {
        self.0.get()
    }
}

impl SpanId {
    /// An id from its number; none for zero, which means "no span".
    pub const fn new(id: u64) -> Option<Self> {
        match NonZeroU64::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// An id from the bytes on the wire; none unless they are 8 and not all zero.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::new(u64::from_be_bytes(bytes.try_into().ok()?))
    }

    /// The id as a number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not a trace id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a trace id: 32 hexadecimal digits, not all zero")]
pub struct NotATraceId(String);

impl FromStr for TraceId {
    type Err = NotATraceId;

    fn from_str(text: &str) -> Result<Self, NotATraceId> {
        Some(text)
            .filter(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u128::from_str_radix(text, 16).ok())
            .and_then(Self::new)
            .ok_or_else(|| NotATraceId(text.to_owned()))
    }
}

/// The role of a span, as OpenTelemetry names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Work inside a service; also what an unspecified kind is read as.
    #[default]
    Internal,
    /// A request received.
    Server,
    /// A request sent.
    Client,
    /// A message sent.
    Producer,
    /// A message taken from a queue.
    Consumer,
}

/// One span. The fields are compared in the order given, which puts the spans of a
/// trace together and in order of their start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: TraceId,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended, in nanoseconds since 1970.
    pub end: u64,
    /// Its identity.
    pub id: SpanId,
    /// The span that caused it, if any.
    pub parent: Option<SpanId>,
    /// Its role.
    pub kind: Kind,
    /// Whether its status is "error".
    pub error: bool,
    /// Whether `peer` is an address or a product rather than the name of a service.
    pub peer_is_address: bool,
    /// Whether it is a statement that one of our services had its own database execute. That
    /// is a detail of the request, and no call: the database is no hop.
    pub is_statement: bool,
    /// Call: how it ended. Its presence marks the span as a call.
    pub call_outcome: Option<Outcome>,
    /// Call: the last underlying failure.
    pub call_cause: Option<Cause>,
    /// Call: what ended the trying.
    pub stopped_by: Option<StoppedBy>,
    /// Attempt and server: how it ended.
    pub outcome: Option<Outcome>,
    /// Attempt and server: the failure.
    pub cause: Option<Cause>,
    /// The status of the HTTP answer.
    pub http_status: Option<u16>,
    /// Attempt: which resend this is; absent on the first.
    pub resend: Option<NonZeroU32>,
    /// Call: how many attempts were made.
    pub attempts: Option<u32>,
    /// The service that made the span.
    pub service: Arc<str>,
    /// The process that made the span.
    pub instance: Option<Arc<str>>,
    /// What it is called.
    pub name: Arc<str>,
    /// Call and attempt: who was called.
    pub peer: Option<Arc<str>>,
    /// Server: the kind of the fault injected here.
    pub fault_kind: Option<Arc<str>>,
    /// Server: the name of the fault injected here.
    pub fault_id: Option<Arc<str>>,
    /// Server: which attempt of which call this is.
    pub attempt_path: Option<Arc<str>>,
    /// The request it was made for.
    pub request: Option<Box<str>>,
    /// Attempt: the state of the circuit breaker that let it pass.
    pub breaker: Option<BreakerState>,
    /// Call: changes of the circuit breaker that it saw. Few spans have any, so most pay
    /// for one pointer.
    pub breaker_changes: Option<Box<Vec<BreakerChange>>>,
    /// What became of a replica, on a span of its own.
    pub replica_change: Option<Box<ReplicaChange>>,
}

/// A replica that went down, came back, or took over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReplicaChange {
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// Who noticed: a replica of the caller, or its service if it does not say which.
    pub caller: Arc<str>,
    /// The service that it is a replica of.
    pub callee: Arc<str>,
    /// Which one, as its caller calls it.
    pub replica: Arc<str>,
    /// What became of it.
    pub news: News,
}

/// What became of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It is down, by its heartbeats.
    Down,
    /// It is up again.
    Up,
    /// It is the active one from now on.
    Active,
}

/// A circuit breaker that changed its state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BreakerChange {
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// The service that the breaker guards.
    pub callee: Arc<str>,
    /// Which of its replicas, if it says so.
    pub replica: Option<Arc<str>>,
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
}

impl Span {
    /// A span that says nothing yet but who it is and who made it.
    pub fn new(trace: TraceId, id: SpanId, kind: Kind, service: Arc<str>) -> Self {
        Self {
            trace,
            start: 0,
            end: 0,
            id,
            parent: None,
            kind,
            error: false,
            peer_is_address: false,
            is_statement: false,
            call_outcome: None,
            call_cause: None,
            stopped_by: None,
            outcome: None,
            cause: None,
            http_status: None,
            resend: None,
            attempts: None,
            service,
            instance: None,
            name: Arc::from(""),
            peer: None,
            fault_kind: None,
            fault_id: None,
            attempt_path: None,
            request: None,
            breaker: None,
            breaker_changes: None,
            replica_change: None,
        }
    }

    /// How long it took, in nanoseconds; nothing if its clock ran backwards.
    pub const fn nanos(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_spans_stay_far_below_400_mb() {
        assert!(size_of::<Span>() <= 224, "{} bytes", size_of::<Span>());
    }

    #[test]
    fn ids_are_hexadecimal_and_never_zero() {
        let id = TraceId::new(0xab).unwrap();
        assert_eq!(id.to_string(), format!("{:030}ab", 0));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(TraceId::from_bytes(&[0; 16]), None);
        assert_eq!(SpanId::from_bytes(&[1; 7]), None);
        for bad in [
            "",
            "ab",
            &"0".repeat(32),
            &format!("+{}", "1".repeat(31)),
            &"é".repeat(16),
        ] {
            assert!(bad.parse::<TraceId>().is_err(), "{bad}");
        }
    }
}
