//! The routes, as a client sees them.

use super::*;
use crate::{seed, store};
use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderMap, Request, header};
use serde_json::{Value, json};
use stores::StoreUrl;
use tower::ServiceExt;

const PATH: &str = "/v1/profiles/user-1";

async fn seeded() -> Router {
    let store = store::open(&StoreUrl::MEMORY).await.unwrap();
    seed::profiles(&*store, 1).await.unwrap();
    router().with_state(store).into()
}

async fn send(
    router: &Router,
    method: &str,
    path: &str,
    header: (&str, &str),
    body: &Value,
) -> (u16, HeaderMap, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header.0, header.1);
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    (parts.status.as_u16(), parts.headers, json)
}

fn tag(headers: &HeaderMap) -> &str {
    headers[header::ETAG].to_str().unwrap()
}

const NONE: (&str, &str) = ("x-none", "");

async fn get(router: &Router, path: &str) -> (u16, Value) {
    let (status, _, body) = send(router, "GET", path, NONE, &Value::Null).await;
    (status, body)
}

async fn put(router: &Router, path: &str, body: &Value) -> (u16, Value) {
    let (status, _, body) = send(router, "PUT", path, NONE, body).await;
    (status, body)
}

#[tokio::test]
async fn a_view_names_the_records_and_a_profile_does_not() {
    let router = seeded().await;
    let (status, view) = get(&router, "/v1/profiles/user-1/view").await;
    assert_eq!(status, 200);
    assert_eq!(view["collection"], "pages");
    assert_eq!(view["keys"], json!(["user-1-1", "user-1-2", "user-1-3"]));
    assert_eq!(get(&router, PATH).await, (200, view["profile"].clone()));
    let page = json!({ "collection": view["collection"], "keys": view["keys"] });
    assert_eq!(get(&router, "/v1/profiles/user-1/page").await, (200, page));
    for part in ["", "/view", "/page"] {
        let path = format!("/v1/profiles/user-2{part}");
        assert_eq!(get(&router, &path).await.0, 404, "{path}");
        let path = format!("/v1/profiles/a%2Fb{part}");
        assert_eq!(get(&router, &path).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn a_profile_put_is_there_and_a_wrong_one_changes_nothing() {
    let router = seeded().await;
    let good = json!({ "display_name": "Ada", "language": "en-GB" });
    let (status, answer) = put(&router, PATH, &good).await;
    assert_eq!(status, 200);
    for (wrong, status) in [
        (json!({ "display_name": "", "language": "en" }), 400),
        (json!({ "display_name": "A", "language": "english!" }), 400),
        (json!({ "display_name": "A" }), 422),
        (
            json!({ "display_name": "A", "language": "en", "x": 1 }),
            422,
        ),
    ] {
        assert_eq!(put(&router, PATH, &wrong).await.0, status, "{wrong}");
    }
    assert_eq!(put(&router, "/v1/profiles/a%20b", &good).await.0, 400);
    assert_eq!(get(&router, PATH).await.1, answer);
}

#[tokio::test]
async fn somebody_new_gets_a_page_and_may_choose_another() {
    let router = seeded().await;
    let profile = json!({ "display_name": "Ada", "language": "en-GB" });
    let page = json!({ "collection": "other", "keys": ["b", "a"] });
    assert_eq!(put(&router, "/v1/profiles/ada/page", &page).await.0, 404);
    assert_eq!(put(&router, "/v1/profiles/ada", &profile).await.0, 201);
    let first = json!({ "collection": "pages", "keys": ["ada-1", "ada-2", "ada-3"] });
    assert_eq!(get(&router, "/v1/profiles/ada/page").await, (200, first));
    assert_eq!(
        put(&router, "/v1/profiles/ada/page", &page).await,
        (200, page.clone())
    );
    assert_eq!(put(&router, "/v1/profiles/ada", &profile).await.0, 200);
    assert_eq!(get(&router, "/v1/profiles/ada/page").await, (200, page));
    let twice = json!({ "collection": "other", "keys": ["a", "a"] });
    assert_eq!(put(&router, "/v1/profiles/ada/page", &twice).await.0, 400);
}

#[tokio::test]
async fn profile_view_and_page_share_a_version_that_a_request_can_depend_on() {
    let router = seeded().await;
    let profile = json!({ "display_name": "Ada", "language": "en-GB" });
    let page = json!({ "collection": "other", "keys": [] });
    let paths = ["", "/view", "/page"].map(|part| format!("{PATH}{part}"));
    for (version, path, body) in [(1, &paths[0], &profile), (2, &paths[2], &page)] {
        let (now, next) = (format!("\"{version}\""), format!("\"{}\"", version + 1));
        for path in &paths {
            let (status, headers, _) = send(&router, "GET", path, NONE, &Value::Null).await;
            assert_eq!((status, tag(&headers)), (200, &*now), "{path}");
            let known = ("if-none-match", &*now);
            assert_eq!(
                send(&router, "GET", path, known, &Value::Null).await.0,
                304,
                "{path}"
            );
            let other = ("if-match", &*next);
            assert_eq!(
                send(&router, "GET", path, other, &Value::Null).await.0,
                412,
                "{path}"
            );
        }
        let expected = ("if-match", &*now);
        let (status, headers, _) = send(&router, "PUT", path, expected, body).await;
        assert_eq!((status, tag(&headers)), (200, &*next), "{path}");
        assert_eq!(
            send(&router, "PUT", path, expected, body).await.0,
            412,
            "{path}"
        );
    }
    let new = ("if-none-match", "*");
    assert_eq!(send(&router, "PUT", PATH, new, &profile).await.0, 412);
    assert_eq!(
        send(&router, "PUT", "/v1/profiles/ada", new, &profile)
            .await
            .0,
        201
    );
}
