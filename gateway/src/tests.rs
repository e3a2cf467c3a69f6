//! The routes, with one server that plays all the services below and notes who asked what.

mod accounts;
mod authorization;
mod events;
mod local;
mod queued;
mod soft;

use crate::{Chain, Options, chain, router};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::Chassis;
use clap::Parser;
use futures_util::stream;
use http::{Request, StatusCode, header::AUTHORIZATION, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::sync::RwLock;
use tower::ServiceExt;
use types::{PROBLEM_CONTENT_TYPE, Problem, header};

/// A request that arrived below: method and path, idempotency key, body.
type Asked = (String, Option<String>, Value);

/// Path and answer.
type Reply = (&'static str, u16, Value);

/// What the services below answer, and what they were asked.
#[derive(Clone, Default)]
struct Below {
    /// The first that fits counts, before what is usual.
    answers: Vec<Reply>,
    /// Method and path, and the answer.
    special: Option<Reply>,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Answers that were set while it runs.
    latest: Arc<Mutex<Vec<Reply>>>,
    /// While a test holds it for writing, nobody is answered.
    gate: Arc<RwLock<()>>,
}

impl Below {
    fn answering(path: &'static str, status: u16, body: Value) -> Self {
        Self {
            answers: vec![(path, status, body)],
            ..Self::default()
        }
    }

    /// With a log that can be read, and is appended to all the same.
    fn with_events() -> Self {
        Self {
            special: Some(("GET /v1/events", 200, json!({ "events": [] }))),
            ..Self::default()
        }
    }

    /// From now on it answers so, before anything else.
    fn replies(&self, path: &'static str, status: u16, body: Value) {
        let mut latest = self.latest.lock().unwrap();
        latest.retain(|(of, ..)| *of != path);
        latest.push((path, status, body));
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.0).collect()
    }

    fn answer(&self, method: &str, path: &str, asked: &Value) -> (u16, Value) {
        if let Some((of, status, body)) = &self.special
            && *of == format!("{method} {path}")
        {
            return (*status, body.clone());
        }
        let latest = self.latest.lock().unwrap();
        let mut set = latest.iter().chain(&self.answers);
        let set = set.find(|(of, ..)| *of == path);
        set.map_or_else(
            || (200, usual(path, asked)),
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

/// Whose token `token` is; `t` is that of `user-1`, who has no further role.
fn introspection(token: &Value) -> Value {
    let (subject, role) = match token.as_str() {
        Some("t") => ("user-1", "user"),
        Some("auditor") => ("user-2", "auditor"),
        Some("admin") => ("user-3", "admin"),
        _ => return json!({ "active": false }),
    };
    json!({ "active": true, "subject": subject, "expires_at": 9, "roles": ["user", role] })
}

fn usual(path: &str, asked: &Value) -> Value {
    match path {
        "/v1/login" => json!({ "token": "t", "expires_at": 9 }),
        "/v1/accounts" => json!({ "user": "user-1" }),
        "/v1/introspect" => introspection(&asked["token"]),
        "/v1/profiles/user-1" => profile(),
        path if path.ends_with("/view") => {
            json!({ "profile": profile(), "collection": "pages", "keys": ["a", "b"] })
        }
        "/v1/records/pages" => json!({ "records": [record("a"), record("b")] }),
        "/v1/events" => json!({ "sequence": 1, "recorded_at_ms": 2, "key": "k",
            "actor": "user-1", "action": "page.read", "hash": "00" }),
        "/v1/relay" => json!({ "service": "config", "hops": 1 }),
        _ => record("a"),
    }
}

async fn below(State(below): State<Below>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let once = parts.headers.get(header::IDEMPOTENCY_KEY);
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    below.asked.lock().unwrap().push((
        format!("{} {}", parts.method, parts.uri),
        once.map(|once| once.to_str().unwrap().to_owned()),
        asked.clone(),
    ));
    let _open = below.gate.read().await;
    let (status, body) = below.answer(parts.method.as_str(), parts.uri.path(), &asked);
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
    gateway_with(other, hops, &[]).await.0
}

/// The same with further flags, and what its routes share.
async fn gateway_with(other: &Below, hops: usize, more: &[&str]) -> (Router, Arc<Chain>) {
    let (_, chain) = started(other, hops, more).await;
    (router(chain.clone()).into(), chain)
}

/// What such a gateway runs on, before it serves.
async fn started(other: &Below, hops: usize, more: &[&str]) -> (Chassis, Arc<Chain>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let services = Router::new().fallback(below).with_state(other.clone());
    tokio::spawn(async move { axum::serve(listener, services).await });
    let flags = [
        "--auth",
        "--profile",
        "--database",
        "--audit",
        "--config-server",
    ];
    let mut args = vec!["gateway", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"];
    args.extend(flags[..hops].iter().flat_map(|flag| [*flag, &url]));
    args.extend(more);
    let options = Options::parse_from(args);
    let chassis = Chassis::start("gateway", options.chassis.clone()).await;
    let chassis = chassis.unwrap();
    let chain = chain(&chassis, &options).await.unwrap();
    (chassis, Arc::new(chain))
}

fn get(token: &str) -> Request<Body> {
    let request = Request::get("/v1/me").header(header::REQUEST_ID, "r-1");
    let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    request.body(Body::empty()).unwrap()
}

fn put(key: &str) -> Request<Body> {
    put_to("/v1/me", key)
}

fn put_to(path: &str, key: &str) -> Request<Body> {
    let request = Request::put(path)
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
    let event = &services.asked()[3].2;
    assert_eq!(
        (&event["actor"], &event["action"]),
        (&json!("user-1"), &json!("page.read"))
    );
}

#[tokio::test]
async fn each_reading_is_an_event_of_its_own_also_under_the_same_request_id() {
    let services = Below::default();
    let gateway = gateway(&services, 4).await;
    send(&gateway, get("t")).await;
    send(&gateway, get("t")).await;
    let asked = services.asked();
    let key = |place: usize| asked[place].2["key"].as_str().unwrap();
    assert!(key(3).starts_with("r-1:") && key(7).starts_with("r-1:"));
    assert_ne!(key(3), key(7));
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
async fn a_body_is_read_only_of_somebody_whose_token_is_good() {
    let read = Arc::new(AtomicBool::new(false));
    let seen = read.clone();
    let body = stream::once(async move {
        seen.store(true, Relaxed);
        Ok::<_, Infallible>("{}")
    });
    let mut request = put("a");
    *request.body_mut() = Body::from_stream(body);
    let bad = "Bearer bad".parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, bad);
    assert_eq!(
        send(&gateway(&Below::default(), 4).await, request).await.0,
        401
    );
    assert!(!read.load(Relaxed));
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
    assert_eq!(once.as_ref().unwrap().len(), 43);
    let event = json!({ "key": "page.write:pages/a@1", "actor": "user-1", "action": "page.write" });
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
async fn a_write_sees_the_page_as_it_is_although_reads_may_see_an_old_one() {
    let view = "/v1/profiles/user-1/view";
    let services = Below::default();
    let (gateway, _) = gateway_with(&services, 4, &[r#"--cache={"fresh":"1h"}"#]).await;
    assert_eq!(send(&gateway, get("t")).await.0, 200);
    let changed = json!({ "profile": profile(), "collection": "pages", "keys": ["c"] });
    services.replies(view, 200, changed);
    let asked = || {
        let is_view = |path: &&String| **path == format!("GET {view}");
        services.paths().iter().filter(is_view).count()
    };
    assert_eq!(send(&gateway, get("t")).await.0, 200);
    assert_eq!(asked(), 1);
    assert_eq!(send(&gateway, put("c")).await.0, 200);
    assert_eq!(send(&gateway, put("a")).await.0, 403);
    assert_eq!(asked(), 3);
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
        ("/v1/events", 409, problem(409, "event-key-reused"), 502),
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

#[test]
fn the_routes_are_those_described() {
    let document = chassis::openapi::text("gateway", &crate::routes());
    testkit::golden(
        concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"),
        &document,
    );
}

#[tokio::test]
async fn the_description_is_served_to_everybody() {
    let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let (status, document) = send(&gateway(&Below::default(), 3).await, request).await;
    assert_eq!(status, 200);
    assert!(document["paths"]["/v1/me"]["put"].is_object(), "{document}");
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

#[test]
fn whoever_reaches_the_gateway_cannot_make_it_the_active_one() {
    let url = "http://127.0.0.1:1";
    let mut args = vec!["gateway"];
    for flag in ["--auth", "--profile", "--database"] {
        args.extend([flag, url]);
    }
    assert!(Options::try_parse_from(&args).is_ok());
    args.push("--takeover=1s");
    let error = Options::try_parse_from(&args).unwrap_err().to_string();
    for part in ["--takeover", "clients reach the gateway", "allowed:"] {
        assert!(error.contains(part), "{part:?} is missing: {error}");
    }
}
