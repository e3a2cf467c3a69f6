//! Spans as they are sent.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status},
};
use traces::{Kind, Span};
use types::{Cause, Outcome, StoppedBy, attribute};

/// One export request, with a resource for each run of spans of one service.
pub fn request(spans: &[Span]) -> ExportTraceServiceRequest {
    let groups = spans.chunk_by(|a, b| (&a.service, &a.instance) == (&b.service, &b.instance));
    ExportTraceServiceRequest {
        resource_spans: groups.map(resource_spans).collect(),
    }
}

fn resource_spans(spans: &[Span]) -> ResourceSpans {
    let mut attributes = vec![text("service.name", &spans[0].service)];
    attributes.extend(
        spans[0]
            .instance
            .as_deref()
            .map(|i| text("service.instance.id", i)),
    );
    let spans = spans.iter().map(otlp).collect();
    ResourceSpans {
        resource: Some(Resource {
            attributes,
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

fn otlp(span: &Span) -> OtlpSpan {
    let kind = match span.kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    };
    OtlpSpan {
        trace_id: span.trace.get().to_be_bytes().to_vec(),
        span_id: span.id.get().to_be_bytes().to_vec(),
        parent_span_id: span
            .parent
            .map_or(vec![], |id| id.get().to_be_bytes().to_vec()),
        name: span.name.to_string(),
        kind,
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end,
        attributes: attributes(span),
        status: span.error.then(|| Status {
            code: 2,
            ..Status::default()
        }),
        ..OtlpSpan::default()
    }
}

fn attributes(span: &Span) -> Vec<KeyValue> {
    let peer_key = if span.peer_is_address {
        "server.address"
    } else {
        attribute::PEER
    };
    let texts = [
        (
            attribute::CALL_OUTCOME,
            span.call_outcome.map(Outcome::as_str),
        ),
        (attribute::CALL_CAUSE, span.call_cause.map(Cause::as_str)),
        (
            attribute::CALL_STOPPED_BY,
            span.stopped_by.map(StoppedBy::as_str),
        ),
        (attribute::OUTCOME, span.outcome.map(Outcome::as_str)),
        (attribute::CAUSE, span.cause.map(Cause::as_str)),
        (attribute::REQUEST, span.request.as_deref()),
        (attribute::ATTEMPT_PATH, span.attempt_path.as_deref()),
        (attribute::FAULT_KIND, span.fault_kind.as_deref()),
        (attribute::FAULT_ID, span.fault_id.as_deref()),
        (peer_key, span.peer.as_deref()),
    ];
    let numbers = [
        (attribute::CALL_ATTEMPTS, span.attempts.map(i64::from)),
        (
            attribute::RESEND_COUNT,
            span.resend.map(|n| i64::from(n.get())),
        ),
        ("http.response.status_code", span.http_status.map(i64::from)),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(key, value)| Some(text(key, value?)));
    let numbers = numbers
        .into_iter()
        .filter_map(|(key, n)| Some(pair(key, Value::IntValue(n?))));
    texts
        .chain(numbers)
        .chain([text("something.else", "entirely")])
        .collect()
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.to_owned()))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
