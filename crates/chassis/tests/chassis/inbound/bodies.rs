//! Bodies that are refused, and what their sender is told.

use crate::support::{Desk, get, json, post, problem, text};
use axum::{body::Body, extract::Request};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use types::{Outcome, Problem};

const GOOD: &str = r#"{"item":"tea","count":2}"#;

/// The problem with `request`, which counts as an answer: the service did its work.
async fn refused(request: Request) -> Problem {
    let desk = Desk::new();
    let response = desk.ask(request).await;
    desk.saw_one(Outcome::Ok, None);
    problem(response).await
}

#[track_caller]
fn says(problem: &Problem, status: u16, code: &str, parts: &[&str]) {
    assert_eq!((problem.status, &*problem.code), (status, code));
    let detail = problem.detail.as_deref().unwrap_or_default();
    for part in parts {
        assert!(detail.contains(part), "{detail:?} misses {part:?}");
    }
    assert!(!problem.retryable);
}

#[tokio::test]
async fn a_good_body_is_taken() {
    let response = Desk::new().ask(json("/orders", GOOD)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, GOOD);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_the_size_that_is_allowed() {
    let large = format!(r#"{{"item":"{}","count":2}}"#, "x".repeat(300));
    let problem = refused(json("/orders", large)).await;
    says(&problem, 413, "too-large", &["256 bytes"]);
}

#[tokio::test]
async fn a_body_of_unannounced_length_is_refused_once_it_is_too_large() {
    let pieces = (0..64).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"        ")));
    let body = Body::from_stream(stream::iter(pieces));
    let problem = refused(json("/orders", body)).await;
    says(&problem, 413, "too-large", &["256 bytes"]);
}

#[tokio::test]
async fn a_body_of_just_the_size_allowed_is_taken() {
    let padding = " ".repeat(256 - GOOD.len());
    let response = Desk::new()
        .ask(json("/orders", format!("{GOOD}{padding}")))
        .await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn another_content_type_is_refused_with_the_one_that_is_allowed() {
    let without = Request::post("/orders").body(Body::from(GOOD)).unwrap();
    for request in [post("/orders", "text/plain", GOOD), without] {
        let problem = refused(request).await;
        says(
            &problem,
            415,
            "unsupported-media-type",
            &["application/json"],
        );
    }
}

#[tokio::test]
async fn truncated_json_is_refused_with_the_place_where_it_breaks_off() {
    let problem = refused(json("/orders", r#"{"item":"tea""#)).await;
    says(
        &problem,
        400,
        "not-json",
        &["ends too early (line 1, column 13)"],
    );
}

#[tokio::test]
async fn the_wrong_shape_is_refused_with_the_field() {
    for (body, parts) in [
        (r#"{"item":"tea"}"#, ["count: missing", "needed"]),
        (
            r#"{"item":"tea","count":-1}"#,
            ["count: invalid value -1", "a whole number from 0"],
        ),
        (
            r#"{"item":"tea","count":1,"sise":2}"#,
            ["sise: unknown field", "expected `item` or `count`"],
        ),
        ("[1,2]", ["(a list)", "expected an object"]),
    ] {
        let problem = refused(json("/orders", body)).await;
        says(&problem, 422, "wrong-shape", &parts);
    }
}

#[tokio::test]
async fn the_limit_is_one_of_bodies_read_and_not_of_requests_without_one() {
    assert_eq!(Desk::new().ask(get("/ok")).await.status(), 200);
}
