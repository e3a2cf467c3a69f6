//! OTLP spans, of any system, into [`Span`]s. Unknown attributes and attributes of an
//! unexpected type are passed over; only a span without a valid identity is refused.

use crate::{
    intern::Names,
    span::{BreakerChange, Kind, News, ReplicaChange, Span, SpanId, TraceId},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, Span as OtlpSpan,
        span::{Event, SpanKind},
        status::StatusCode,
    },
};
use std::{num::NonZeroU32, str::FromStr, sync::Arc};
use types::{Cause, attribute};

/// What a resource without a name is called, as the conventions have it.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Spans taken from an export request.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The spans, in the order sent.
    pub spans: Vec<Span>,
    /// How many had no valid trace or span id and were left out.
    pub rejected: u64,
}

/// Takes the spans out of an export request.
pub fn decode(request: &ExportTraceServiceRequest) -> Decoded {
    let mut decoder = Decoder::default();
    decoder.take(request);
    decoder.decoded
}

/// Collects the spans of many requests, with one table of names.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    names: Names,
    pub(crate) decoded: Decoded,
}

impl Decoder {
    /// Adds the spans of `request`; returns how many were accepted and rejected.
    pub(crate) fn take(&mut self, request: &ExportTraceServiceRequest) -> (u64, u64) {
        let before = (self.decoded.spans.len(), self.decoded.rejected);
        for group in &request.resource_spans {
            self.take_group(group);
        }
        let accepted = self.decoded.spans.len() - before.0;
        (accepted as u64, self.decoded.rejected - before.1)
    }

    fn take_group(&mut self, group: &ResourceSpans) {
        let origin = Origin::of(group.resource.as_ref(), &mut self.names);
        for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
            match compact(span, &origin, &mut self.names) {
                Some(span) => self.decoded.spans.push(span),
                None => self.decoded.rejected += 1,
            }
        }
    }
}

/// Who made the spans of one resource.
struct Origin {
    service: Arc<str>,
    instance: Option<Arc<str>>,
}

impl Origin {
    fn of(resource: Option<&Resource>, names: &mut Names) -> Self {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        let mut find = |key| {
            let found = attributes.iter().find(|attribute| attribute.key == key)?;
            Some(names.get(text(value(found)?)?))
        };
        let (service, instance) = (find("service.name"), find("service.instance.id"));
        Self {
            service: service.unwrap_or_else(|| names.get(UNKNOWN_SERVICE)),
            instance,
        }
    }
}

fn compact(otlp: &OtlpSpan, origin: &Origin, names: &mut Names) -> Option<Span> {
    let trace = TraceId::from_bytes(&otlp.trace_id)?;
    let id = SpanId::from_bytes(&otlp.span_id)?;
    let mut span = Span::new(trace, id, kind(otlp.kind), Arc::clone(&origin.service));
    span.parent = SpanId::from_bytes(&otlp.parent_span_id);
    span.start = otlp.start_time_unix_nano;
    span.end = otlp.end_time_unix_nano;
    span.instance.clone_from(&origin.instance);
    span.name = names.get(&otlp.name);
    span.error = otlp
        .status
        .as_ref()
        .is_some_and(|s| s.code == StatusCode::Error as i32);
    read_attributes(&mut span, &otlp.attributes, names);
    let changes = otlp
        .events
        .iter()
        .filter_map(|event| breaker_change(event, names));
    let changes: Vec<_> = changes.collect();
    span.replica_change = otlp
        .events
        .iter()
        .find_map(|event| replica_change(event, &span, names));
    span.breaker_changes = Some(changes).filter(|c| !c.is_empty()).map(Box::new);
    Some(span)
}

fn breaker_change(event: &Event, names: &mut Names) -> Option<BreakerChange> {
    if event.name != attribute::BREAKER_EVENT {
        return None;
    }
    let find = |key: &str| value(event.attributes.iter().find(|a| a.key == key)?);
    Some(BreakerChange {
        at: event.time_unix_nano,
        callee: names.get(text(find(attribute::BREAKER_NAME)?)?),
        replica: find(attribute::REPLICA)
            .and_then(text)
            .map(|name| names.get(name)),
        from: word(find(attribute::BREAKER_FROM)?)?,
        to: word(find(attribute::BREAKER_TO)?)?,
    })
}

fn replica_change(event: &Event, span: &Span, names: &mut Names) -> Option<Box<ReplicaChange>> {
    let news = match &*event.name {
        attribute::REPLICA_DOWN => News::Down,
        attribute::REPLICA_UP => News::Up,
        attribute::REPLICA_ACTIVE => News::Active,
        _ => return None,
    };
    let find = |key: &str| text(value(event.attributes.iter().find(|a| a.key == key)?)?);
    Some(Box::new(ReplicaChange {
        at: event.time_unix_nano,
        caller: span.instance.as_ref().unwrap_or(&span.service).clone(),
        callee: names.get(find(attribute::PEER)?),
        replica: names.get(find(attribute::REPLICA)?),
        news,
    }))
}

fn kind(kind: i32) -> Kind {
    match SpanKind::try_from(kind) {
        Ok(SpanKind::Server) => Kind::Server,
        Ok(SpanKind::Client) => Kind::Client,
        Ok(SpanKind::Producer) => Kind::Producer,
        Ok(SpanKind::Consumer) => Kind::Consumer,
        _ => Kind::Internal,
    }
}

fn read_attributes(span: &mut Span, attributes: &[KeyValue], names: &mut Names) {
    let mut peer = Peer::default();
    let mut guess = None;
    let mut is_of_database = false;
    for attribute in attributes {
        let Some(value) = value(attribute) else {
            continue;
        };
        is_of_database |= DATABASE_KEYS.contains(&attribute.key.as_str());
        match attribute.key.as_str() {
            "error.type" => guess = text(value).and_then(cause_of_error_type),
            key if peer.note(key, value) => {}
            key => read_attribute(span, key, value, names),
        }
    }
    span.cause = span.cause.or(guess);
    // Our services say how each statement ended. The database of a foreign service, which does
    // not, stays a hop that is called.
    span.is_statement = is_of_database && span.kind == Kind::Client && span.outcome.is_some();
    if span.kind != Kind::Server {
        span.peer = peer.name.map(|name| names.get(name));
        span.peer_is_address = peer.is_address();
    }
}

fn read_attribute(span: &mut Span, key: &str, value: &Value, names: &mut Names) {
    match key {
        attribute::CALL_OUTCOME => span.call_outcome = word(value),
        attribute::CALL_CAUSE => span.call_cause = word(value),
        attribute::CALL_STOPPED_BY => span.stopped_by = word(value),
        attribute::CALL_ATTEMPTS => span.attempts = number(value),
        attribute::OUTCOME => span.outcome = word(value),
        attribute::CAUSE => span.cause = word(value),
        attribute::BREAKER_STATE => span.breaker = word(value),
        attribute::REQUEST => span.request = text(value).map(Box::from),
        attribute::ATTEMPT_PATH => span.attempt_path = text(value).map(|t| names.get(t)),
        attribute::FAULT_KIND => span.fault_kind = text(value).map(|t| names.get(t)),
        attribute::FAULT_ID => span.fault_id = text(value).map(|t| names.get(t)),
        attribute::RESEND_COUNT => span.resend = number(value).and_then(NonZeroU32::new),
        "http.response.status_code" | "http.status_code" => span.http_status = number(value),
        _ => {}
    }
}

/// The best name known for whoever was called.
#[derive(Default)]
struct Peer<'a> {
    rank: usize,
    name: Option<&'a str>,
}

/// Where the callee's name stands, best first. After the first two it is not the name
/// of a service but an address, or the product behind it.
const PEER_KEYS: [&str; 6] = [
    attribute::PEER,
    attribute::PEER_OLD,
    "server.address",
    "net.peer.name",
    DATABASE_KEYS[0],
    DATABASE_KEYS[1],
];
/// What marks a span as one of a database: by today's conventions, and by older ones.
const DATABASE_KEYS: [&str; 2] = ["db.system.name", "db.system"];

impl<'a> Peer<'a> {
    /// Whether `key` names a callee; keeps the better of two names.
    fn note(&mut self, key: &str, value: &'a Value) -> bool {
        let Some(rank) = PEER_KEYS.iter().position(|known| *known == key) else {
            return false;
        };
        let better = self.name.is_none() || rank < self.rank;
        if let Some(name) = text(value).filter(|_| better) {
            *self = Self {
                rank,
                name: Some(name),
            };
        }
        true
    }

    fn is_address(&self) -> bool {
        self.name.is_some() && self.rank >= 2
    }
}

/// What the free words of `error.type` say about the cause.
fn cause_of_error_type(error: &str) -> Option<Cause> {
    let error = error.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    match () {
        () if has(&["timeout", "timed_out", "timedout", "deadline"]) => Some(Cause::Timeout),
        () if has(&["refused", "unreachable"]) => Some(Cause::Refused),
        () if has(&["reset", "broken_pipe", "brokenpipe"]) => Some(Cause::Reset),
        () if has(&["cancel"]) => Some(Cause::Cancelled),
        () => None,
    }
}

fn value(attribute: &KeyValue) -> Option<&Value> {
    attribute.value.as_ref()?.value.as_ref()
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::StringValue(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn word<T: FromStr>(value: &Value) -> Option<T> {
    text(value)?.parse().ok()
}

/// A number, also when an older library sent it as text.
fn number<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::IntValue(number) => T::try_from(*number).ok(),
        Value::StringValue(text) => T::try_from(text.parse().ok()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::AnyValue;

    fn pair(key: &str, value: Value) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
            ..Default::default()
        }
    }

    fn string(text: &str) -> Value {
        Value::StringValue(text.into())
    }

    fn span_with(attributes: &[KeyValue]) -> Span {
        let (trace, id) = (TraceId::new(1).unwrap(), SpanId::new(1).unwrap());
        let mut span = Span::new(trace, id, Kind::Client, "a".into());
        read_attributes(&mut span, attributes, &mut Names::default());
        span
    }

    #[test]
    fn the_better_name_of_a_peer_wins_in_either_order() {
        let mut attributes = vec![
            pair("server.address", string("10.0.0.1")),
            pair("service.peer.name", string("auth")),
            pair("peer.service", string("old")),
        ];
        for _ in 0..2 {
            let span = span_with(&attributes);
            assert_eq!(
                (span.peer.as_deref(), span.peer_is_address),
                (Some("auth"), false)
            );
            attributes.reverse();
        }
        let span = span_with(&attributes[..1]);
        assert_eq!(
            (span.peer.as_deref(), span.peer_is_address),
            (Some("10.0.0.1"), true)
        );
    }

    #[test]
    fn a_span_of_a_database_is_a_statement_where_it_says_how_it_ended() {
        for key in DATABASE_KEYS {
            let database = pair(key, string("postgresql"));
            let foreign = span_with(std::slice::from_ref(&database));
            assert!(!foreign.is_statement);
            assert_eq!(foreign.peer.as_deref(), Some("postgresql"));
            let ours = [database, pair(attribute::OUTCOME, string("ok"))];
            assert!(span_with(&ours).is_statement);
            assert!(!span_with(&ours[1..]).is_statement);
        }
    }

    #[test]
    fn a_servers_own_address_is_not_its_peer() {
        let mut span = span_with(&[]);
        span.kind = Kind::Server;
        let address = pair("server.address", string("10.0.0.1"));
        read_attributes(&mut span, &[address], &mut Names::default());
        assert_eq!((span.peer, span.peer_is_address), (None, false));
    }

    #[test]
    fn attributes_of_the_wrong_type_or_an_unknown_word_are_passed_over() {
        let span = span_with(&[
            pair(attribute::OUTCOME, Value::IntValue(3)),
            pair(attribute::CALL_OUTCOME, string("splendid")),
            pair(attribute::CALL_ATTEMPTS, Value::IntValue(-1)),
            pair("http.response.status_code", Value::DoubleValue(2.0)),
            KeyValue {
                key: attribute::CAUSE.into(),
                ..Default::default()
            },
        ]);
        assert_eq!(
            (span.outcome, span.call_outcome, span.cause),
            (None, None, None)
        );
        assert_eq!((span.attempts, span.http_status), (None, None));
    }

    #[test]
    fn an_error_type_hints_at_the_cause_unless_the_cause_is_given() {
        let hint = pair("error.type", string("java.net.SocketTimeoutException"));
        assert_eq!(
            span_with(std::slice::from_ref(&hint)).cause,
            Some(Cause::Timeout)
        );
        let given = pair(attribute::CAUSE, string("lost"));
        assert_eq!(span_with(&[given, hint]).cause, Some(Cause::Lost));
    }
}
