//! The routes, with one server that plays all the services below and notes who asked what.

use crate::{Options, chain, router};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::Chassis;
use clap::Parser;
use http::{Request, StatusCode, header::AUTHORIZATION, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;
use types::{PROBLEM_CONTENT_TYPE, Problem, header};

/// A request that arrived below: method and path, idempotency key, body.
type Asked = (String, Option<String>, Value);

/// What the services below answer, and what they were asked.
#[derive(Clone, Default)]
struct Below {
    /// Path and answer; the first that fits counts, before what is usual.
    answers: Vec<(&'static str, u16, Value)>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Below {
    fn answering(path: &'static str, status: u16, body: Value) -> Self {
        Self {
            answers: vec![(path, status, body)],
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.0).collect()
    }

    fn answer(&self, path: &str) -> (u16, Value) {
        let set = self.answers.iter().find(|(of, ..)| *of == path);
        set.map_or_else(
            || (200, usual(path)),
            |(_, status, body)| (*status, body.clone()),
        )
    }
}

fn record(key: &str) -> Value {
    json!({ "collection": "pages", "key": key, "version": 1, "value": { "text": key } })
}

fn profile() -> Value {
    json!({ "user": "user-1", "display_name": "User 1", "language": "en" })
}

fn usual(path: &str) -> Value {
    match path {
        "/v1/login" => json!({ "token": "t", "expires_at": 9 }),
        "/v1/introspect" => json!({ "active": true, "subject": "user-1", "expires_at": 9 }),
        "/v1/profiles/user-1/view" => {
            json!({ "profile": profile(), "collection": "pages", "keys": ["a", "b"] })
        }
        "/v1/records/pages" => json!({ "records": [record("a"), record("b")] }),
        "/v1/events" => json!({ "sequence": 1, "recorded_at_ms": 2, "key": "k",
            "actor": "user-1", "action": "page.read", "hash": "00" }),
        _ => record("a"),
    }
}

async fn below(State(below): State<Below>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let once = parts.headers.get(header::IDEMPOTENCY_KEY);
    below.asked.lock().unwrap().push((
        format!("{} {}", parts.method, parts.uri),
        once.map(|once| once.to_str().unwrap().to_owned()),
        serde_json::from_slice(&body).unwrap_or_default(),
    ));
    let (status, body) = below.answer(parts.uri.path());
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [(CONTENT_TYPE, PROBLEM_CONTENT_TYPE)],
        body.to_string(),
    )
        .into_response()
}

/// The gateway before the first `hops` services, which `other` plays.
async fn gateway(other: &Below, hops: usize) -> Router {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let services = Router::new().fallback(below).with_state(other.clone());
    tokio::spawn(async move { axum::serve(listener, services).await });
    let flags = ["--auth", "--profile", "--database", "--audit"];
    let mut args = vec!["gateway", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"];
    args.extend(flags[..hops].iter().flat_map(|flag| [*flag, &url]));
    let options = Options::parse_from(args);
    let chassis = Chassis::start("gateway", options.chassis.clone()).await;
    router(chain(&chassis.unwrap(), &options))
}

fn get(token: &str) -> Request<Body> {
    let request = Request::get("/v1/me").header(header::REQUEST_ID, "r-1");
    let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    request.body(Body::empty()).unwrap()
}

fn put(key: &str) -> Request<Body> {
    let request = Request::put("/v1/me")
        .header(AUTHORIZATION, "Bearer t")
        .header(header::IDEMPOTENCY_KEY, "once")
        .header(CONTENT_TYPE, "application/json");
    let body = json!({ "key": key, "value": 1 }).to_string();
    request.body(Body::from(body)).unwrap()
}

async fn send(gateway: &Router, request: Request<Body>) -> (u16, Value) {
    let response = gateway.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_page_takes_each_service_in_its_turn_and_the_database_once() {
    let services = Below::default();
    let (status, page) = send(&gateway(&services, 4).await, get("t")).await;
    assert_eq!(status, 200);
    let records = [record("a"), record("b")];
    let expected = json!({ "profile": profile(),
        "records": records, "degraded": false });
    assert_eq!(page, expected);
    let paths = [
        "POST /v1/introspect",
        "GET /v1/profiles/user-1/view",
        "GET /v1/records/pages?keys=a,b",
        "POST /v1/events",
    ];
    assert_eq!(services.paths(), paths);
    let event = json!({ "key": "r-1", "actor": "user-1", "action": "page.read" });
    assert_eq!(services.asked()[3].2, event);
}

#[tokio::test]
async fn without_a_fifth_hop_nothing_is_recorded() {
    let services = Below::default();
    assert_eq!(send(&gateway(&services, 3).await, get("t")).await.0, 200);
    assert_eq!(services.paths().len(), 3);
}

#[tokio::test]
async fn without_a_token_or_a_key_nobody_is_called() {
    let services = Below::default();
    let gateway = gateway(&services, 4).await;
    let bare = Request::get("/v1/me").body(Body::empty()).unwrap();
    assert_eq!(send(&gateway, bare).await.0, 401);
    assert_eq!(send(&gateway, get("a b")).await.0, 401);
    let mut without_key = put("a");
    without_key.headers_mut().remove(header::IDEMPOTENCY_KEY);
    assert_eq!(send(&gateway, without_key).await.0, 400);
    assert!(services.paths().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_good_ends_the_sequence() {
    let services = Below::answering("/v1/introspect", 200, json!({ "active": false }));
    assert_eq!(send(&gateway(&services, 4).await, get("t")).await.0, 401);
    assert_eq!(services.paths(), ["POST /v1/introspect"]);
}

#[tokio::test]
async fn a_write_goes_down_the_same_chain_under_a_key_of_the_user() {
    let services = Below::default();
    let gateway = gateway(&services, 4).await;
    let (status, body) = send(&gateway, put("a")).await;
    assert_eq!((status, body), (200, record("a")));
    send(&gateway, put("a")).await;
    let asked = services.asked();
    let (path, once, body) = &asked[2];
    assert_eq!(path, "PUT /v1/records/pages/a");
    assert_eq!(body, &json!({ "value": 1 }));
    let once = once.as_ref().unwrap();
    let event = json!({ "key": once, "actor": "user-1", "action": "page.write" });
    assert_eq!(asked[3].2, event);
    assert_eq!((&asked[6], &asked[7]), (&asked[2], &asked[3]));
}

#[tokio::test]
async fn a_record_that_is_not_on_the_page_is_not_written() {
    let services = Below::default();
    assert_eq!(send(&gateway(&services, 4).await, put("c")).await.0, 403);
    assert_eq!(services.paths().len(), 2);
}

#[tokio::test]
async fn problems_that_are_the_clients_are_passed_on_and_others_are_failures_below() {
    let problem = |status, code| json!(Problem::new(status, code, "Title"));
    let view = "/v1/profiles/user-1/view";
    for (path, status, body, expected) in [
        (view, 404, problem(404, "not-found"), 404),
        (view, 404, problem(404, "no-such-route"), 502),
        (view, 404, problem(400, "not-found"), 502),
        (view, 404, json!("no problem"), 502),
        (view, 500, problem(500, "internal"), 502),
        (view, 200, json!({ "not": "a view" }), 502),
        (
            view,
            200,
            json!({ "profile": profile(), "collection": "..", "keys": [] }),
            502,
        ),
        ("/v1/introspect", 400, problem(400, "bad-request"), 502),
        ("/v1/introspect", 200, json!({ "active": true }), 502),
        (
            "/v1/introspect",
            200,
            json!({ "active": true, "subject": "../x" }),
            502,
        ),
        ("/v1/records/pages", 404, problem(404, "not-found"), 502),
        ("/v1/events", 422, problem(422, "event-key-reused"), 422),
        ("/v1/events", 503, problem(503, "too-busy"), 503),
    ] {
        let services = Below::answering(path, status, body.clone());
        let (status, _) = send(&gateway(&services, 4).await, get("t")).await;
        assert_eq!(status, expected, "{path} {body}");
    }
    let reused = problem(422, "idempotency-key-reused");
    let services = Below::answering("/v1/records/pages/a", 422, reused);
    assert_eq!(send(&gateway(&services, 4).await, put("a")).await.0, 422);
}

#[tokio::test]
async fn a_login_is_passed_to_auth_and_its_answer_back() {
    let login = || {
        let body = json!({ "username": "u", "password": "p" }).to_string();
        let request = Request::post("/v1/login").header(CONTENT_TYPE, "application/json");
        request.body(Body::from(body)).unwrap()
    };
    let services = Below::default();
    let (status, body) = send(&gateway(&services, 3).await, login()).await;
    assert_eq!((status, body), (200, usual("/v1/login")));
    assert_eq!(
        services.asked()[0].2,
        json!({ "username": "u", "password": "p" })
    );
    let wrong = json!(Problem::new(401, "wrong-credentials", "Title"));
    let services = Below::answering("/v1/login", 401, wrong);
    assert_eq!(send(&gateway(&services, 3).await, login()).await.0, 401);
}

#[test]
fn a_flag_that_is_wrong_or_missing_is_named() {
    let error = |args: &[&str]| {
        let args = ["gateway"].iter().chain(args);
        Options::try_parse_from(args).unwrap_err().to_string()
    };
    let bad = error(&["--auth", "nowhere"]);
    assert!(bad.contains("--auth") && bad.contains("nowhere"), "{bad}");
    let missing = error(&[]);
    for flag in ["--auth", "--profile", "--database"] {
        assert!(missing.contains(flag), "{missing}");
    }
    assert!(!missing.contains("--audit"), "{missing}");
}
