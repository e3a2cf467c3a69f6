//! The routes, as a client sees them.

use super::*;
use crate::{seed, store};
use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use stores::StoreUrl;
use tower::ServiceExt;
use types::header::{ACTOR, IDEMPOTENCY_KEY};

const PATH: &str = "/v1/records/pages/user-1-1";

/// Status, headers and body.
type Answer = (StatusCode, HeaderMap, Value);

async fn seeded() -> Router {
    let store = store::open(&StoreUrl::MEMORY).await.unwrap();
    seed::records(&*store, 1).await.unwrap();
    let outbox = None;
    router()
        .with_state(Arc::new(Database { store, outbox }))
        .into()
}

async fn send(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    request = request.header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    let response = router
        .clone()
        .oneshot(request.body(body).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (
        parts.status,
        parts.headers,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

async fn read(router: &Router, path: &str) -> (u16, Value) {
    let (status, _, body) = send(router, "GET", path, &[], None).await;
    (status.as_u16(), body)
}

async fn write(router: &Router, path: &str, headers: &[(&str, &str)], value: &str) -> Answer {
    send(
        router,
        "PUT",
        path,
        headers,
        Some(json!({ "value": value })),
    )
    .await
}

#[tokio::test]
async fn records_are_read_alone_or_together() {
    let router = seeded().await;
    let (status, found) = read(&router, "/v1/records/pages?keys=user-1-3,nobody,user-1-1").await;
    assert_eq!(status, 200);
    let keys = found["records"].as_array().unwrap().iter();
    let keys: Vec<_> = keys.map(|record| &record["key"]).collect();
    assert_eq!(keys, ["user-1-3", "user-1-1"]);
    let one = read(&router, PATH).await;
    assert_eq!(one, (200, found["records"][1].clone()));
    let none = read(&router, "/v1/records/pages?keys=").await;
    assert_eq!(none, (200, json!({ "records": [] })));
    assert_eq!(read(&router, "/v1/records/pages/nobody").await.0, 404);
}

#[tokio::test]
async fn a_collection_is_read_page_by_page_to_its_end() {
    let router = seeded().await;
    let mut path = "/v1/records/pages?limit=2".to_owned();
    let mut keys = Vec::new();
    loop {
        let (status, page) = read(&router, &path).await;
        assert_eq!(status, 200);
        for record in page["records"].as_array().unwrap() {
            keys.push(record["key"].as_str().unwrap().to_owned());
        }
        let Some(next) = page.get("next") else { break };
        path = format!(
            "/v1/records/pages?limit=2&cursor={}",
            next.as_str().unwrap()
        );
    }
    assert_eq!(keys, ["user-1-1", "user-1-2", "user-1-3"]);
    // A page that is just full is the last one.
    let all = read(&router, "/v1/records/pages?limit=3").await.1;
    assert_eq!(all.get("next"), None);
    assert_eq!(read(&router, "/v1/records/pages").await.1, all);
}

#[tokio::test]
async fn what_is_no_name_is_refused() {
    let router = seeded().await;
    let long = "x".repeat(65);
    let many = ["k"; 101].join(",");
    for path in [
        "/v1/records/a%20b?keys=a".to_owned(),
        "/v1/records/pages?keys=a,,b".to_owned(),
        "/v1/records/pages?keys=a%2Fb".to_owned(),
        format!("/v1/records/pages?keys={many}"),
        "/v1/records/pages?limit=0".to_owned(),
        "/v1/records/pages?limit=101".to_owned(),
        "/v1/records/pages?cursor=user-1-1".to_owned(),
        "/v1/records/pages?keys=a&more=b".to_owned(),
        format!("/v1/records/{long}/a"),
        "/v1/records/pages/a%20b".to_owned(),
        "/v1/records/pages/.a".to_owned(),
    ] {
        let (status, _) = read(&router, &path).await;
        assert_eq!(status, 400, "{path}");
    }
    for (name, value) in [(IDEMPOTENCY_KEY, "a b"), (ACTOR, ""), ("if-match", "7")] {
        assert_eq!(
            write(&router, PATH, &[(name, value)], "x").await.0,
            400,
            "{name}"
        );
        assert_eq!(
            send(&router, "DELETE", PATH, &[(name, value)], None)
                .await
                .0,
            400,
            "{name}"
        );
    }
    // Not an object, although it could be taken for one.
    let array = Some(json!([{ "a": 1 }]));
    assert_eq!(send(&router, "PUT", PATH, &[], array).await.0, 422);
    assert_eq!(read(&router, PATH).await.1["version"], 1);
}

#[tokio::test]
async fn a_write_that_is_sent_again_gets_the_same_answer() {
    let router = seeded().await;
    for (path, status) in [(PATH, 200), ("/v1/records/pages/new", 201)] {
        let key = [(IDEMPOTENCY_KEY, path)];
        let first = write(&router, path, &key, "new").await;
        assert_eq!(first.0, status);
        assert_eq!(first.1[header::ETAG], format!("\"{}\"", first.2["version"]));
        assert_eq!(write(&router, path, &key, "new").await, first);
        assert_eq!(write(&router, path, &key, "other").await.0, 422);
        assert_eq!(read(&router, path).await, (200, first.2));
        let key = [(IDEMPOTENCY_KEY, &*format!("{path}-gone"))];
        for _ in 0..2 {
            assert_eq!(send(&router, "DELETE", path, &key, None).await.0, 204);
        }
        assert_eq!(send(&router, "DELETE", path, &[], None).await.0, 404);
        assert_eq!(read(&router, path).await.0, 404);
    }
}

#[tokio::test]
async fn a_write_or_a_read_can_depend_on_the_version_that_is_there() {
    let router = seeded().await;
    let tag = send(&router, "GET", PATH, &[], None).await.1[header::ETAG].clone();
    assert_eq!(tag, "\"1\"");
    let known = [("if-none-match", "\"1\"")];
    let (status, headers, body) = send(&router, "GET", PATH, &known, None).await;
    assert_eq!(
        (status.as_u16(), body, &headers[header::ETAG]),
        (304, Value::Null, &tag)
    );
    let first = [("if-match", "\"1\"")];
    assert_eq!(write(&router, PATH, &first, "two").await.0, 200);
    assert_eq!(write(&router, PATH, &first, "three").await.0, 412);
    assert_eq!(send(&router, "DELETE", PATH, &first, None).await.0, 412);
    assert_eq!(send(&router, "GET", PATH, &first, None).await.0, 412);
    let new = [("if-none-match", "*")];
    assert_eq!(write(&router, PATH, &new, "three").await.0, 412);
    assert_eq!(
        write(&router, "/v1/records/pages/new", &new, "one").await.0,
        201
    );
    let there = [("if-match", "*")];
    assert_eq!(
        write(&router, "/v1/records/pages/nobody", &there, "x")
            .await
            .0,
        412
    );
    assert_eq!(
        send(&router, "GET", "/v1/records/pages/nobody", &there, None)
            .await
            .0,
        412
    );
    assert_eq!(read(&router, PATH).await.1["value"], "two");
}
