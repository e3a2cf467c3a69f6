//! Exactly one outcome and one server span for each request received, however it ends.

use crate::support::{Desk, always, attribute, get, is_pending, json};
use axum::extract::Request;
use faults::ResetConnection;
use http::Method;
use opentelemetry::trace::{Event, Status};
use std::{pin::pin, time::Duration};
use tower::ServiceExt;
use types::{Cause, Outcome};

/// Requests, the status each is answered with, and how it counts.
fn endings() -> Vec<(Request, u16, Outcome, Option<Cause>)> {
    let ok = |request, status| (request, status, Outcome::Ok, None);
    let failed = |path, status| (get(path), status, Outcome::Failed, Some(Cause::Error));
    let mut delete = get("/ok");
    *delete.method_mut() = Method::DELETE;
    vec![
        ok(get("/ok"), 200),
        ok(get("/bad"), 400),
        ok(get("/items/7"), 404),
        ok(get("/nowhere"), 404),
        ok(delete, 405),
        ok(json("/orders", "{"), 400),
        (get("/degraded"), 200, Outcome::Degraded, None),
        failed("/internal", 500),
        failed("/panic", 500),
        failed("/raw", 502),
        failed("/wordless", 503),
    ]
}

#[tokio::test]
async fn a_request_is_one_span_and_one_count_whatever_the_handler_makes_of_it() {
    for (request, status, outcome, cause) in endings() {
        let desk = Desk::new();
        let path = request.uri().path().to_owned();
        let response = desk.ask(request).await;
        assert_eq!(response.status(), status, "{path}");
        let span = desk.saw_one(outcome, cause);
        let code = attribute(&span, "http.response.status_code");
        assert_eq!(code, Some(status.to_string()), "{path}");
        assert_eq!(attribute(&span, "url.path"), Some(path));
    }
}

#[tokio::test]
async fn spans_counts_and_requests_are_as_many_as_each_other() {
    let desk = Desk::new();
    let app = desk.open();
    let mut sent = 0;
    for (request, ..) in endings().into_iter().chain(endings()) {
        app.clone().oneshot(request).await.unwrap();
        sent += 1;
    }
    assert_eq!(desk.spans().len(), sent);
    let counted = desk.watch.count("nines_requests_total", &[]);
    assert_eq!(usize::try_from(counted), Ok(sent));
}

#[tokio::test]
async fn a_failure_marks_the_span_as_an_error_and_an_answer_below_500_does_not() {
    for (path, status, error) in [
        ("/ok", Status::Unset, None),
        ("/bad", Status::Unset, None),
        ("/degraded", Status::Unset, None),
        ("/panic", Status::error("error"), Some("error")),
    ] {
        let desk = Desk::new();
        desk.ask(get(path)).await;
        let span = &desk.spans()[0];
        assert_eq!(span.status, status, "{path}");
        assert_eq!(attribute(span, "error.type").as_deref(), error, "{path}");
    }
}

#[tokio::test]
async fn spans_and_metrics_name_the_route_and_never_what_a_client_can_invent() {
    for (method, path, name, route) in [
        ("GET", "/items/7", "GET /items/{id}", Some("/items/{id}")),
        ("GET", "/nowhere", "GET", None),
        ("BREW", "/nowhere", "_OTHER", None),
    ] {
        let desk = Desk::new();
        let mut request = get(path);
        *request.method_mut() = method.parse().unwrap();
        desk.ask(request).await;
        let span = &desk.spans()[0];
        assert_eq!(span.name, name);
        assert_eq!(attribute(span, "http.route").as_deref(), route);
        assert_eq!(attribute(span, "nines.replica").as_deref(), Some("desk-0"));
        let durations = "http_server_request_duration_seconds_count";
        let method = name.split(' ').next().unwrap();
        let labels = [("http_request_method", method)];
        assert_eq!(desk.watch.count(durations, &labels), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_runs_out_of_time_counts_as_failed_by_timeout() {
    let desk = Desk::new();
    desk.allow(Duration::from_secs(3));
    assert_eq!(desk.ask(get("/hang")).await.status(), 504);
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Timeout));
    assert_eq!(
        attribute(&span, "nines.deadline.budget_ms").as_deref(),
        Some("3000")
    );
}

#[tokio::test]
async fn a_request_without_room_counts_as_failed_by_shedding() {
    let desk = Desk::with_room_for_one();
    let app = desk.open();
    let mut first = pin!(app.clone().oneshot(get("/hang")));
    assert!(is_pending(first.as_mut()));
    let second = app.oneshot(get("/ok")).await.unwrap();
    assert_eq!(second.status(), 503);
    let spans = desk.spans();
    assert_eq!(spans.len(), 1, "the first is still under way");
    assert_eq!(attribute(&spans[0], "nines.cause").as_deref(), Some("shed"));
    let shed = [("outcome", "failed"), ("cause", "shed")];
    assert_eq!(desk.watch.count("nines_requests_total", &shed), 1);
}

#[tokio::test]
async fn an_injected_error_counts_as_an_error_and_is_written_on_the_span() {
    let desk = Desk::new();
    desk.inbound.faults.set(always("error"));
    assert_eq!(desk.ask(get("/ok")).await.status(), 500);
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Error));
    assert_eq!(
        attribute(&span, "nines.fault.kind").as_deref(),
        Some("error")
    );
    assert_eq!(attribute(&span, "nines.fault.id").as_deref(), Some("f"));
    let events: Vec<_> = span.events.iter().map(|event| &*event.name).collect();
    assert_eq!(events, ["fault.injected"]);
}

#[tokio::test]
async fn an_injected_reset_counts_as_a_reset_that_had_no_status() {
    let desk = Desk::new();
    desk.inbound.faults.set(always("reset"));
    let response = desk.ask(get("/ok")).await;
    assert!(response.extensions().get::<ResetConnection>().is_some());
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Reset));
    assert_eq!(attribute(&span, "http.response.status_code"), None);
}

#[tokio::test(start_paused = true)]
async fn of_several_faults_the_span_names_the_last_and_its_events_name_all() {
    let desk = Desk::new();
    let faults = r#"{"seed":1,"faults":[
        {"id":"slow","kind":"delay","probability":1,"delay_ms":40},
        {"id":"broken","kind":"error","probability":1}]}"#;
    desk.inbound
        .faults
        .set(serde_json::from_str(faults).unwrap());
    desk.ask(get("/ok")).await;
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Error));
    assert_eq!(
        attribute(&span, "nines.fault.id").as_deref(),
        Some("broken")
    );
    assert_eq!(
        attribute(&span, "nines.fault.kind").as_deref(),
        Some("error")
    );
    let named = |event: &Event| event.attributes[1].value.to_string();
    let named: Vec<_> = span.events.iter().map(named).collect();
    assert_eq!(named, ["slow", "broken"]);
}

#[tokio::test]
async fn a_client_that_leaves_a_hanging_request_is_counted_as_cancelled() {
    let desk = Desk::new();
    desk.inbound.faults.set(always("hang"));
    let app = desk.open();
    {
        let mut request = pin!(app.oneshot(get("/ok")));
        assert!(is_pending(request.as_mut()));
        assert_eq!(desk.watch.count("http_server_active_requests", &[]), 1);
        assert!(desk.spans().is_empty());
    }
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Cancelled));
    assert_eq!(
        attribute(&span, "nines.fault.kind").as_deref(),
        Some("hang")
    );
    assert_eq!(attribute(&span, "http.response.status_code"), None);
}

#[tokio::test]
async fn a_client_that_leaves_a_handler_at_work_is_counted_as_cancelled() {
    let desk = Desk::new();
    let app = desk.open();
    {
        let mut request = pin!(app.oneshot(get("/gate")));
        assert!(is_pending(request.as_mut()));
    }
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Cancelled));
    assert_eq!(span.status, Status::Unset, "it is no error of the service");
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn a_request_that_was_never_begun_is_neither_a_span_nor_a_count() {
    let desk = Desk::new();
    drop(desk.open().oneshot(get("/ok")));
    assert!(desk.spans().is_empty());
    assert_eq!(desk.watch.count("nines_requests_total", &[]), 0);
    assert_eq!(desk.watch.count("http_server_active_requests", &[]), 0);
}
