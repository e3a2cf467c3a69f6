//! The order of the stack, seen from outside.

use crate::support::{Desk, always, attribute, get, is_pending, text};
use axum::{Router, extract::Request};
use faults::FaultSet;
use std::{pin::pin, time::Duration};
use tokio::time::Instant;
use tower::{Service, ServiceExt};
use types::{Cause, Outcome, header};

/// A request whose sender waits for `milliseconds`.
fn impatient(path: &str, milliseconds: &str) -> Request {
    let mut request = get(path);
    let value = milliseconds.parse().unwrap();
    request.headers_mut().insert(header::DEADLINE_MS, value);
    request
}

async fn status(app: &Router, path: &str) -> u16 {
    let response = app.clone().oneshot(get(path)).await.unwrap();
    response.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_an_injected_hang() {
    let desk = Desk::new();
    desk.allow(Duration::from_secs(2));
    desk.inbound.faults.set(always("hang"));
    let begin = Instant::now();
    assert_eq!(desk.ask(get("/ok")).await.status(), 504);
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Timeout));
    assert_eq!(
        attribute(&span, "nines.fault.kind").as_deref(),
        Some("hang")
    );
    assert_eq!(desk.reached(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_gets_the_time_it_asks_for_and_no_more_than_the_service_allows() {
    for (asked, budget) in [("700", 700), ("9000", 2000), ("soon", 2000)] {
        let desk = Desk::new();
        desk.allow(Duration::from_secs(2));
        let begin = Instant::now();
        assert_eq!(desk.ask(impatient("/hang", asked)).await.status(), 504);
        assert_eq!(begin.elapsed(), Duration::from_millis(budget), "{asked}");
        let said = attribute(&desk.spans()[0], "nines.deadline.budget_ms");
        assert_eq!(said, Some(budget.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_at_the_edge_gets_a_second_or_more_and_no_more_than_the_service_allows() {
    for (asked, allowed, budget, noted) in [
        ("0", 2000, 1000, Some("0")),
        ("999", 2000, 1000, Some("999")),
        ("1700", 2000, 1700, None),
        ("9000", 2000, 2000, None),
        ("0", 300, 300, Some("0")),
        ("soon", 2000, 2000, None),
    ] {
        let mut desk = Desk::new();
        desk.inbound.is_edge = true;
        desk.allow(Duration::from_millis(allowed));
        let begin = Instant::now();
        assert_eq!(desk.ask(impatient("/hang", asked)).await.status(), 504);
        assert_eq!(begin.elapsed(), Duration::from_millis(budget), "{asked}");
        let span = &desk.spans()[0];
        let said = attribute(span, "nines.deadline.asked_ms");
        assert_eq!(said.as_deref(), noted, "{asked}");
    }
}

#[tokio::test]
async fn a_client_at_the_edge_that_asks_for_no_time_is_answered_and_no_failure() {
    let mut desk = Desk::new();
    desk.inbound.is_edge = true;
    assert_eq!(desk.ask(impatient("/ok", "0")).await.status(), 200);
    desk.saw_one(Outcome::Ok, None);
}

#[tokio::test]
async fn without_a_deadline_none_is_made_up() {
    let desk = Desk::new();
    desk.ask(get("/ok")).await;
    assert_eq!(
        attribute(&desk.spans()[0], "nines.deadline.budget_ms"),
        None
    );
}

#[tokio::test]
async fn a_request_that_is_late_on_arrival_reaches_neither_faults_nor_handler() {
    let desk = Desk::new();
    desk.inbound.faults.set(always("error"));
    assert_eq!(desk.ask(impatient("/ok", "0")).await.status(), 504);
    let span = desk.saw_one(Outcome::Failed, Some(Cause::Timeout));
    assert!(span.events.is_empty(), "a fault fired");
    assert_eq!(desk.reached(), 0);
}

#[tokio::test]
async fn a_shed_request_reaches_neither_faults_nor_handler() {
    let desk = Desk::with_room_for_one();
    desk.inbound.faults.set(always("hang"));
    let app = desk.open();
    let mut hanging = pin!(app.clone().oneshot(get("/ok")));
    assert!(is_pending(hanging.as_mut()));

    assert_eq!(status(&app, "/ok").await, 503);
    let shed = &desk.spans()[0];
    assert_eq!(attribute(shed, "nines.cause").as_deref(), Some("shed"));
    assert!(shed.events.is_empty(), "a fault fired");
    assert_eq!(desk.reached(), 0);
}

#[tokio::test]
async fn one_limit_holds_for_all_routes_and_for_none() {
    let desk = Desk::with_room_for_one();
    let app = desk.open();
    let mut busy = pin!(app.clone().oneshot(get("/gate")));
    assert!(is_pending(busy.as_mut()));
    for path in ["/gate", "/ok", "/items/7", "/nowhere"] {
        assert_eq!(status(&app, path).await, 503, "{path}");
    }
    desk.handlers.gate.add_permits(1);
    assert_eq!(text(busy.await.unwrap()).await, "passed");
    assert_eq!(status(&app, "/ok").await, 200);
}

#[tokio::test(start_paused = true)]
async fn room_is_given_back_however_a_request_ends() {
    let desk = Desk::with_room_for_one();
    desk.allow(Duration::from_secs(1));
    let app = desk.open();
    for path in ["/ok", "/bad", "/internal", "/panic", "/nowhere", "/hang"] {
        status(&app, path).await;
        assert_eq!(status(&app, "/ok").await, 200, "after {path}");
    }
    for kind in ["error", "reset", "hang"] {
        desk.inbound.faults.set(always(kind));
        status(&app, "/ok").await;
        desk.inbound.faults.set(FaultSet::default());
        assert_eq!(status(&app, "/ok").await, 200, "after the fault {kind}");
    }
    assert!(is_pending(pin!(app.clone().oneshot(get("/gate"))).as_mut()));
    assert_eq!(status(&app, "/ok").await, 200, "after a client that left");
}

#[tokio::test]
async fn a_clone_that_is_ready_and_idle_holds_no_room() {
    let desk = Desk::with_room_for_one();
    let app = desk.open();
    let mut kept = app.clone();
    ServiceExt::<Request>::ready(&mut kept).await.unwrap();
    let mut dropped = app.clone();
    ServiceExt::<Request>::ready(&mut dropped).await.unwrap();
    drop(dropped);
    assert_eq!(status(&app, "/ok").await, 200);
    assert_eq!(kept.call(get("/ok")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_panic_ends_nobody_elses_request() {
    let desk = Desk::new();
    let app = desk.open();
    let mut other = pin!(app.clone().oneshot(get("/gate")));
    assert!(is_pending(other.as_mut()));
    assert_eq!(status(&app, "/panic").await, 500);
    desk.handlers.gate.add_permits(1);
    assert_eq!(text(other.await.unwrap()).await, "passed");
}

#[tokio::test(start_paused = true)]
async fn an_injected_delay_comes_before_the_handler_and_changes_nothing_else() {
    let desk = Desk::new();
    let faults =
        r#"{"seed":1,"faults":[{"id":"slow","kind":"delay","probability":1,"delay_ms":40}]}"#;
    desk.inbound
        .faults
        .set(serde_json::from_str(faults).unwrap());
    let app = desk.open();
    let mut request = pin!(app.oneshot(get("/ok")));
    assert!(is_pending(request.as_mut()));
    assert_eq!(
        desk.reached(),
        0,
        "the handler works before the delay is over"
    );
    assert_eq!(text(request.await.unwrap()).await, "fine");
    let span = desk.saw_one(Outcome::Ok, None);
    assert_eq!(
        attribute(&span, "nines.fault.kind").as_deref(),
        Some("delay")
    );
}
