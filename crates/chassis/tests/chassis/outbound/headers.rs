//! What a callee is told, and what the spans of a call say.

use crate::support::{Callee, Caller, Reply, attribute};
use chassis::Call;
use serde_json::json;
use std::time::{Duration, SystemTime};
use telemetry::AnchoredClock;
use tokio::time::Instant;
use types::{Outcome, header};

const SECOND: Duration = Duration::from_secs(1);

async fn well() -> Callee {
    Callee::start([Reply::answer(200, "", "{}")]).await
}

#[tokio::test]
async fn the_callee_is_told_the_request_and_which_attempt_of_which_call_it_is() {
    let (mut gateway, auth) = (Caller::new(), well().await);
    gateway.context.attempt_path = "gateway:0".into();
    gateway.ask(&auth).await.unwrap();
    assert_eq!(auth.header(header::REQUEST_ID).as_deref(), Some("r-1"));
    assert_eq!(
        auth.header(header::ATTEMPT_PATH).as_deref(),
        Some("gateway:0/auth:0")
    );
    let (call, _) = gateway.saw_one(Outcome::Ok, None);
    assert_eq!(attribute(&call, "nines.request.id").as_deref(), Some("r-1"));
}

#[tokio::test]
async fn the_callee_continues_the_trace_from_the_attempt() {
    let (gateway, auth) = (Caller::new(), well().await);
    gateway.ask(&auth).await.unwrap();
    let (call, attempt) = gateway.saw_one(Outcome::Ok, None);
    let (trace, span) = (
        attempt.span_context.trace_id(),
        attempt.span_context.span_id(),
    );
    assert_eq!(
        auth.header("traceparent"),
        Some(format!("00-{trace}-{span}-01"))
    );
    assert_eq!(call.span_context.trace_id(), trace);
}

#[tokio::test]
async fn the_callee_is_told_the_time_that_is_left_if_anybody_set_a_limit() {
    let (gateway, auth) = (Caller::with_deadline(Duration::from_hours(1)), well().await);
    gateway.ask(&auth).await.unwrap();
    let left: u64 = auth.header(header::DEADLINE_MS).unwrap().parse().unwrap();
    assert!((1..3_600_000).contains(&left), "{left}");
    let (_, attempt) = gateway.saw_one(Outcome::Ok, None);
    let said = attribute(&attempt, "nines.deadline.remaining_ms");
    assert_eq!(said, Some(left.to_string()));
}

#[tokio::test]
async fn without_a_deadline_the_callee_is_told_of_none() {
    let (gateway, auth) = (Caller::new(), well().await);
    gateway.ask(&auth).await.unwrap();
    assert_eq!(auth.header(header::DEADLINE_MS), None);
    let (_, attempt) = gateway.saw_one(Outcome::Ok, None);
    assert_eq!(attribute(&attempt, "nines.deadline.remaining_ms"), None);
}

#[tokio::test]
async fn an_attempt_says_where_it_went_and_a_first_one_is_no_resend() {
    let (gateway, auth) = (Caller::new(), well().await);
    gateway.ask(&auth).await.unwrap();
    let (call, attempt) = gateway.saw_one(Outcome::Ok, None);
    let port = auth.url.port().unwrap();
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port.to_string()),
        ("url.full", &format!("http://127.0.0.1:{port}/v1/ask")),
        ("url.template", "/v1/ask"),
    ] {
        assert_eq!(attribute(&attempt, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(attribute(&attempt, "http.request.resend_count"), None);
    for span in [call, attempt] {
        assert_eq!(
            attribute(&span, "service.peer.name").as_deref(),
            Some("auth")
        );
        assert_eq!(attribute(&span, "peer.service").as_deref(), Some("auth"));
    }
}

#[tokio::test]
async fn an_attempt_is_named_by_its_template_and_never_by_the_path() {
    for (user, query) in [("ann", ""), ("bob", "?part=1")] {
        let (gateway, auth) = (Caller::new(), well().await);
        let path = format!("/v1/users/{user}{query}");
        let call = Call::get("auth.user", "/v1/users/{user}").at(&path);
        let upstream = gateway.upstream("auth", &auth.url);
        upstream.call(&gateway.context, call).await.unwrap();
        assert!(auth.heard()[0].starts_with(&format!("get {path} http/1.1\r\n")));
        let (_, attempt) = gateway.saw_one(Outcome::Ok, None);
        assert_eq!(attempt.name, "GET /v1/users/{user}");
        let said = |name| attribute(&attempt, name).unwrap();
        assert_eq!(said("url.template"), "/v1/users/{user}");
        assert!(said("url.full").ends_with(&path));
    }
}

#[tokio::test]
async fn the_query_is_no_part_of_a_template() {
    let (gateway, auth) = (Caller::new(), well().await);
    let call = Call::get("auth.ask", "/v1/ask?a=b");
    let upstream = gateway.upstream("auth", &auth.url);
    upstream.call(&gateway.context, call).await.unwrap();
    assert!(auth.heard()[0].starts_with("get /v1/ask?a=b http/1.1\r\n"));
    assert_eq!(gateway.saw_one(Outcome::Ok, None).1.name, "GET /v1/ask");
}

#[tokio::test]
async fn a_base_address_with_a_path_is_kept_before_the_path_of_the_call() {
    let (gateway, auth) = (Caller::new(), well().await);
    let base = auth.url.join("/below/").unwrap();
    gateway.call(&base).await.unwrap();
    assert!(auth.heard()[0].starts_with("get /below/v1/ask http/1.1\r\n"));
}

#[tokio::test]
async fn a_call_carries_its_own_headers_and_leaves_out_what_can_not_be_one() {
    let (gateway, auth) = (Caller::new(), well().await);
    let call = Call::put("auth.write", "/v1/write?a=b")
        .header(header::IDEMPOTENCY_KEY, "k-1")
        .header("x-broken", "two\r\nlines");
    let upstream = gateway.upstream("auth", &auth.url);
    upstream.call(&gateway.context, call).await.unwrap();
    assert!(auth.heard()[0].starts_with("put /v1/write?a=b http/1.1\r\n"));
    assert_eq!(auth.header(header::IDEMPOTENCY_KEY).as_deref(), Some("k-1"));
    assert_eq!(auth.header("x-broken"), None);
}

#[tokio::test]
async fn a_json_body_is_announced_as_such() {
    let (gateway, auth) = (Caller::new(), well().await);
    let call = Call::post("auth.introspect", "/v1/introspect").json(&json!({ "token": "t" }));
    let upstream = gateway.upstream("auth", &auth.url);
    upstream.call(&gateway.context, call).await.unwrap();
    assert_eq!(
        auth.header("content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(auth.header("content-length").as_deref(), Some("13"));
}

#[tokio::test]
async fn a_call_that_is_sent_late_begins_when_it_should_have() {
    let (gateway, auth) = (Caller::new(), well().await);
    // Had it been read later, the time of day would say 1970.
    let due = AnchoredClock {
        at: Instant::now() - SECOND,
        time: SystemTime::UNIX_EPOCH,
    };
    let call = Call::get("auth.ask", "/v1/ask").scheduled(due);
    let upstream = gateway.upstream("auth", &auth.url);
    upstream.call(&gateway.context, call).await.unwrap();
    let (call, attempt) = gateway.saw_one(Outcome::Ok, None);
    assert_eq!(call.start_time, due.time);
    assert!(attempt.start_time >= due.time + SECOND);
    assert!(attempt.start_time <= attempt.end_time && attempt.end_time <= call.end_time);
    assert!(call.end_time <= due.now());
}
