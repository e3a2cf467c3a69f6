//! Relays on real sockets, and others below them that answer or fail as they are told.

use super::*;
use crate::Options;
use axum::{Router, body::Body, routing::get};
use chassis::Chassis;
use clap::Parser;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::{net::TcpListener, sync::Barrier};
use tower::ServiceExt;

/// Who was called, in order.
type Called = Arc<Mutex<Vec<&'static str>>>;

async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A service below that notes that it was called.
async fn below(name: &'static str, status: u16, called: &Called) -> String {
    let called = called.clone();
    let status = StatusCode::from_u16(status).unwrap();
    let answer = json!({ "service": name, "hops": 1 }).to_string();
    let handler = async move || {
        called.lock().unwrap().push(name);
        (status, answer)
    };
    listen(Router::new().route("/v1/relay", get(handler))).await
}

async fn relay(flags: &[String]) -> Router {
    let fixed = [
        "relay",
        "--name=root",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
    ];
    let args = fixed.into_iter().map(str::to_owned).chain(flags.to_vec());
    let options = Options::parse_from(args);
    let chassis = Chassis::start("root", options.chassis.clone())
        .await
        .unwrap();
    let relay = options.relay(&chassis).unwrap();
    router().with_state(Arc::new(relay)).into()
}

async fn ask(relay: &Router) -> (u16, Value) {
    let request = Request::get("/v1/relay").body(Body::empty()).unwrap();
    let response = relay.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A relay that calls `a`, `b` and `c`, of which `b` answers with `status`.
async fn three(status: u16, flags: &[&str]) -> (Router, Called) {
    let called = Called::default();
    let (a, b, c) = (
        below("a", 200, &called).await,
        below("b", status, &called).await,
        below("c", 200, &called).await,
    );
    let mut all = vec![format!("--calls=a={a},b={b},c={c}")];
    all.extend(flags.iter().map(ToString::to_string));
    (relay(&all).await, called)
}

#[tokio::test]
async fn calls_in_turn_are_made_in_their_order_and_counted() {
    let (relay, called) = three(200, &[]).await;
    assert_eq!(
        ask(&relay).await,
        (200, json!({ "service": "root", "hops": 4 }))
    );
    assert_eq!(*called.lock().unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn the_first_hard_failure_in_turn_ends_the_request() {
    let (relay, called) = three(500, &[]).await;
    assert_eq!(ask(&relay).await.0, 502);
    assert_eq!(*called.lock().unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_hard_failure_among_calls_at_once_fails_the_request() {
    let (relay, _) = three(500, &["--order=at-once"]).await;
    assert_eq!(ask(&relay).await.0, 502);
}

#[tokio::test]
async fn a_soft_failure_leaves_a_degraded_answer_that_names_what_is_missing() {
    for order in ["--order=in-turn", "--order=at-once"] {
        let (relay, called) = three(500, &["--soft=b", order]).await;
        let expected = json!({ "service": "root", "hops": 3, "missing": ["b"] });
        assert_eq!(ask(&relay).await, (200, expected), "{order}");
        assert_eq!(called.lock().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn what_is_missing_further_down_is_missing_here_too() {
    let called = Called::default();
    let down = below("down", 500, &called).await;
    let middle = relay(&[format!("--calls=down={down}"), "--soft=down".to_owned()]).await;
    let top = relay(&[format!("--calls=middle={}", listen(middle).await)]).await;
    let expected = json!({ "service": "root", "hops": 2, "missing": ["down"] });
    assert_eq!(ask(&top).await, (200, expected));
}

#[tokio::test]
async fn calls_at_once_do_not_wait_for_each_other() {
    // Each answers only when both are there: one after the other would wait for ever.
    let both = Arc::new(Barrier::new(2));
    let meeting = async || {
        let both = both.clone();
        let handler = async move || {
            both.wait().await;
            json!({ "service": "x", "hops": 1 }).to_string()
        };
        listen(Router::new().route("/v1/relay", get(handler))).await
    };
    let calls = format!("--calls=a={},b={}", meeting().await, meeting().await);
    let relay = relay(&[calls, "--order=at-once".to_owned()]).await;
    assert_eq!(ask(&relay).await.1["hops"], 3);
}

#[tokio::test]
async fn a_relay_without_a_free_slot_refuses_and_gives_its_slot_back_after_each_answer() {
    let called = Called::default();
    let a = below("a", 200, &called).await;
    let flags = [
        format!("--calls=a={a}"),
        "--slots=1".to_owned(),
        "--queue=0".to_owned(),
    ];
    let relay = relay(&flags).await;
    for _ in 0..3 {
        assert_eq!(ask(&relay).await.0, 200);
    }
    let (one, two) = tokio::join!(ask(&relay), ask(&relay));
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
}

#[tokio::test]
async fn a_soft_call_must_be_one_that_is_made() {
    let args = ["relay", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"];
    let calls = [
        "--calls=a=http://127.0.0.1:1,b=http://127.0.0.1:1",
        "--soft=c",
    ];
    let options = Options::parse_from(args.into_iter().chain(calls));
    let error = crate::serve(options).await.unwrap_err();
    assert!(error.to_string().starts_with("--soft c: "), "{error}");
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(reason, "allowed: a, b");
}

#[test]
fn the_routes_are_those_described() {
    let document = chassis::openapi::text("relay", &router());
    testkit::golden(
        concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"),
        &document,
    );
}
