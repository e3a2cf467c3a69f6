//! Who a request is: on its span, in its answer, and for its handler.

use crate::support::{Desk, attribute, get, text};
use axum::{extract::Request, response::Response};
use opentelemetry::trace::SpanId;
use types::header;

fn with(path: &str, name: &'static str, value: &[u8]) -> Request {
    let mut request = get(path);
    let value = http::HeaderValue::from_bytes(value).unwrap();
    request.headers_mut().insert(name, value);
    request
}

fn id(response: &Response) -> String {
    let id = &response.headers()[header::REQUEST_ID];
    id.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_good_request_id_is_kept_everywhere() {
    let desk = Desk::new();
    let response = desk.ask(with("/who", header::REQUEST_ID, b"r-1.a_B")).await;
    assert_eq!(id(&response), "r-1.a_B");
    assert_eq!(text(response).await, r#"r-1.a_B at """#);
    let said = attribute(&desk.spans()[0], "nines.request.id");
    assert_eq!(said.as_deref(), Some("r-1.a_B"));
}

#[tokio::test]
async fn a_bad_or_missing_request_id_is_replaced_by_one_new_for_each_request() {
    let long = "x".repeat(65);
    let bad: [&[u8]; 5] = [b"", b"a b", b"a\tb", b"\xff", long.as_bytes()];
    let mut seen = Vec::new();
    for value in bad {
        let desk = Desk::new();
        let response = desk.ask(with("/who", header::REQUEST_ID, value)).await;
        let new = id(&response);
        assert_eq!(new.len(), 32, "{value:?}");
        assert!(text(response).await.starts_with(&new));
        seen.push(new);
    }
    seen.push(id(&Desk::new().ask(get("/who")).await));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn every_answer_carries_the_request_id_failures_and_refusals_too() {
    for path in ["/ok", "/bad", "/internal", "/panic", "/raw", "/nowhere"] {
        let desk = Desk::new();
        let response = desk.ask(with(path, header::REQUEST_ID, b"r-1")).await;
        assert_eq!(id(&response), "r-1", "{path}");
    }
}

#[tokio::test]
async fn the_attempt_path_reaches_handler_and_span() {
    let desk = Desk::new();
    let path = b"gateway:0/desk:2";
    let response = desk.ask(with("/who", header::ATTEMPT_PATH, path)).await;
    assert!(text(response).await.ends_with(r#" at "gateway:0/desk:2""#));
    let said = attribute(&desk.spans()[0], "nines.attempt.path");
    assert_eq!(said.as_deref(), Some("gateway:0/desk:2"));
}

#[tokio::test]
async fn the_server_span_continues_the_callers_trace() {
    let desk = Desk::new();
    let caller = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    desk.ask(with("/ok", "traceparent", caller)).await;
    let span = &desk.spans()[0];
    let trace = span.span_context.trace_id().to_string();
    assert_eq!(trace, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert!(span.parent_span_is_remote);
}

#[tokio::test]
async fn without_a_caller_or_with_garbage_for_one_the_trace_begins_here() {
    for value in ["", "00-xyz", "nonsense"] {
        let desk = Desk::new();
        desk.ask(with("/ok", "traceparent", value.as_bytes())).await;
        let span = &desk.spans()[0];
        assert_eq!(span.parent_span_id, SpanId::INVALID, "{value}");
        assert!(span.span_context.is_valid());
    }
}

#[tokio::test]
async fn a_degraded_answer_is_marked_and_others_are_not() {
    let degraded = Desk::new().ask(get("/degraded")).await;
    assert_eq!(degraded.headers()[header::OUTCOME], "degraded");
    for path in ["/ok", "/bad", "/internal"] {
        let answer = Desk::new().ask(get(path)).await;
        assert!(!answer.headers().contains_key(header::OUTCOME), "{path}");
    }
}
