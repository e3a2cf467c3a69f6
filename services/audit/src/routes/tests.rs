//! The routes, as a client sees them.

use super::*;
use crate::store;
use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{Request, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use stores::StoreUrl;
use tower::ServiceExt;

async fn audit() -> Arc<Audit> {
    let store = store::open(&StoreUrl::MEMORY).await.unwrap();
    Arc::new(Audit::new(store))
}

async fn empty() -> Router {
    router().with_state(audit().await).into()
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn read(router: &Router, path: &str) -> (StatusCode, Value) {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post_event(router: &Router, key: &str, actor: &str) -> (StatusCode, Value) {
    let body = json!({ "key": key, "actor": actor, "action": "page.read" });
    let request = Request::post("/v1/events").header(CONTENT_TYPE, "application/json");
    send(router, request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn an_event_is_recorded_once_and_can_be_read_and_verified() {
    let router = empty().await;
    let first = post_event(&router, "r-1", "user-1").await;
    assert_eq!(first.0, 200);
    assert_eq!(first.1["sequence"], 1);
    assert_eq!(post_event(&router, "r-1", "user-1").await, first);
    assert_eq!(post_event(&router, "r-1", "user-2").await.0, 409);
    let second = post_event(&router, "r-2", "user-2").await.1;
    let (status, page) = read(&router, "/v1/events?after=0&limit=10").await;
    assert_eq!(status, 200);
    assert_eq!(page["events"], json!([first.1, second]));
    let (status, found) = read(&router, "/v1/verify").await;
    let expected = json!({ "events": 2, "intact": true, "head": second["hash"] });
    assert_eq!((status, found), (StatusCode::OK, expected.clone()));
    for (noted, answer) in [
        (first.1["hash"].as_str().unwrap(), expected),
        (
            &*"0".repeat(64),
            json!({ "events": 2, "intact": false, "broken_at": 3 }),
        ),
    ] {
        let found = read(&router, &format!("/v1/verify?noted={noted}")).await;
        assert_eq!(found, (StatusCode::OK, answer));
    }
}

#[tokio::test]
async fn what_is_not_valid_is_refused() {
    let router = empty().await;
    let long = "x".repeat(257);
    for (key, actor) in [
        ("", "a"),
        ("a b", "a"),
        (&*long, "a"),
        ("k", ""),
        ("k", &long[..129]),
        ("k", "é"),
    ] {
        assert_eq!(post_event(&router, key, actor).await.0, 400, "{key:?}");
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "after=-1",
        "after=9223372036854775808",
        "more=1",
    ] {
        let (status, _) = read(&router, &format!("/v1/events?{query}")).await;
        assert_eq!(status, 400, "{query}");
    }
    for noted in [
        "",
        "00",
        &"0".repeat(65),
        &"0G".repeat(32),
        &"AA".repeat(32),
    ] {
        let (status, _) = read(&router, &format!("/v1/verify?noted={noted}")).await;
        assert_eq!(status, 400, "{noted}");
    }
    assert_eq!(read(&router, "/v1/events").await.1, json!({ "events": [] }));
}

#[tokio::test]
async fn one_at_a_time_verifies_the_log_and_the_others_are_told_to_try_again() {
    let audit = audit().await;
    let router = router().with_state(audit.clone()).into();
    let walk = audit.walk.acquire().await.unwrap();
    let (status, _) = read(&router, "/v1/verify").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(post_event(&router, "r-1", "user-1").await.0, 200);
    drop(walk);
    for _ in 0..2 {
        assert_eq!(read(&router, "/v1/verify").await.0, 200);
    }
}
