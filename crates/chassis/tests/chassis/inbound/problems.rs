//! What a caller is told when it does not get what it asked for.

use crate::support::{Desk, always, get, is_pending, problem};
use axum::extract::Request;
use http::Method;
use std::{pin::pin, time::Duration};
use tower::ServiceExt;
use types::{Cause, Problem, StoppedBy, header};

async fn told(desk: &Desk, mut request: Request) -> Problem {
    let id = "r-1".parse().unwrap();
    request.headers_mut().insert(header::REQUEST_ID, id);
    problem(desk.ask(request).await).await
}

#[tokio::test]
async fn every_problem_names_its_code_its_hop_its_cause_and_the_request() {
    let error = Some(Cause::Error);
    for (path, status, code, hop, cause, retryable) in [
        ("/bad", 400, "bad-request", None, None, false),
        ("/items/7", 404, "not-found", None, None, false),
        ("/nowhere", 404, "no-such-route", None, None, false),
        ("/internal", 500, "internal", Some("desk"), error, true),
        ("/panic", 500, "panic", Some("desk"), error, false),
        ("/raw", 502, "internal", Some("desk"), None, false),
    ] {
        let problem = told(&Desk::new(), get(path)).await;
        assert_eq!((problem.status, &*problem.code), (status, code));
        assert_eq!(problem.kind, format!("urn:nines:problem:{code}"));
        assert_eq!(problem.hop.as_deref(), hop, "{path}");
        assert_eq!(problem.cause, cause, "{path}");
        assert_eq!(problem.retryable, retryable, "{path}");
        assert_eq!(problem.request_id.as_deref(), Some("r-1"), "{path}");
    }
}

#[tokio::test]
async fn a_handlers_detail_is_passed_on_and_the_inside_of_a_failure_is_not() {
    let problem = told(&Desk::new(), get("/bad")).await;
    assert_eq!(problem.detail.as_deref(), Some("count: 0; allowed: 1 to 9"));
    for path in ["/internal", "/panic"] {
        let problem = told(&Desk::new(), get(path)).await;
        let all = serde_json::to_string(&problem).unwrap();
        assert!(!all.contains("secret"), "{all}");
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_know_is_answered_with_those_it_knows() {
    let mut request = get("/ok");
    *request.method_mut() = Method::PUT;
    let response = Desk::new().ask(request).await;
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(response).await.code, "method-not-allowed");
}

#[tokio::test]
async fn whoever_should_come_back_later_is_told_when_in_the_header_too() {
    let response = Desk::new().ask(get("/later")).await;
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(problem(response).await.retry_after, Some(7));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_is_no_reason_to_send_the_request_again() {
    let desk = Desk::new();
    desk.allow(Duration::from_secs(1));
    let problem = told(&desk, get("/hang")).await;
    assert_eq!((problem.status, &*problem.code), (504, "deadline-exceeded"));
    assert_eq!(problem.hop.as_deref(), Some("desk"));
    assert_eq!(problem.cause, Some(Cause::Timeout));
    assert_eq!(problem.stopped_by, Some(StoppedBy::Deadline));
    assert!(!problem.retryable);
}

#[tokio::test]
async fn a_full_service_says_so_and_that_trying_again_can_help() {
    let desk = Desk::with_room_for_one();
    let app = desk.open();
    let mut busy = pin!(app.clone().oneshot(get("/hang")));
    assert!(is_pending(busy.as_mut()));
    let problem = problem(app.oneshot(get("/ok")).await.unwrap()).await;
    assert_eq!((problem.status, &*problem.code), (503, "overloaded"));
    assert_eq!(problem.hop.as_deref(), Some("desk"));
    assert_eq!(problem.cause, Some(Cause::Shed));
    assert!(problem.retryable);
}

#[tokio::test]
async fn an_injected_error_says_that_it_was_injected_and_that_trying_again_can_help() {
    let desk = Desk::new();
    desk.inbound.faults.set(always("error"));
    let problem = told(&desk, get("/ok")).await;
    assert_eq!((problem.status, &*problem.code), (500, "injected-fault"));
    assert_eq!(problem.detail.as_deref(), Some("fault `f` of kind `error`"));
    assert_eq!(problem.hop.as_deref(), Some("desk"));
    assert_eq!(problem.cause, Some(Cause::Error));
    assert!(problem.retryable);
}
