//! The admin listener: probes, metrics and faults.

use super::Running;
use http::StatusCode;
use serde_json::{Value, json};
use types::Problem;

const FAULTS: &str = r#"{"seed":7,"faults":[{"id":"f","kind":"error","probability":1}]}"#;

/// A service whose faults can be changed by whoever knows the token.
async fn guarded() -> Running {
    Running::start(&["--admin-token=open-sesame"]).await
}

/// `PUT /faults` with this `Authorization`, if any.
async fn put(desk: &Running, authorization: Option<&str>, body: &str) -> reqwest::Response {
    let mut request = desk.admin("PUT", "/faults").body(body.to_owned());
    request = request.header("content-type", "application/json");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.send().await.unwrap()
}

async fn put_with_token(desk: &Running, body: &str) -> reqwest::Response {
    put(desk, Some("Bearer open-sesame"), body).await
}

async fn problem(answer: reqwest::Response) -> Problem {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    answer.json().await.unwrap()
}

async fn faults(desk: &Running) -> Value {
    serde_json::from_str(&desk.look("/faults").await).unwrap()
}

#[tokio::test]
async fn a_service_that_serves_is_alive_and_ready() {
    let desk = guarded().await;
    assert_eq!(desk.look("/livez").await, "alive\n");
    assert_eq!(desk.look("/readyz").await, "ready\n");
}

#[tokio::test]
async fn a_service_describes_its_routes() {
    let desk = guarded().await;
    let document: Value = serde_json::from_str(&desk.look("/openapi.json").await).unwrap();
    assert_eq!(document["info"]["title"], "nines desk");
    let problem = &document["components"]["responses"]["NotFound"]["content"];
    let schema = &problem["application/problem+json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/Problem");
}

#[tokio::test]
async fn a_service_s_own_admin_routes_need_the_token() {
    let desk = guarded().await;
    for (token, status) in [
        (None, 401),
        (Some("guess"), 401),
        (Some("open-sesame"), 200),
    ] {
        let request = desk.admin("GET", "/own");
        let request = match token {
            None => request,
            Some(token) => request.bearer_auth(token),
        };
        assert_eq!(request.send().await.unwrap().status(), status, "{token:?}");
    }
    let closed = Running::start(&[]).await;
    let answer = closed.admin("GET", "/own").bearer_auth("").send().await;
    assert_eq!(answer.unwrap().status(), 403);
}

#[tokio::test]
async fn metrics_count_the_requests_of_the_service_and_not_those_of_the_admin_listener() {
    let desk = guarded().await;
    for _ in 0..3 {
        desk.ask("/ok").await.unwrap();
    }
    assert_eq!(desk.ended("none").await, 3);
    assert_eq!(desk.ended("none").await, 3);
    let answer = desk.admin("GET", "/metrics").send().await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4"
    );
}

#[tokio::test]
async fn faults_put_with_the_token_are_in_force_and_can_be_read_by_anyone() {
    let desk = guarded().await;
    assert_eq!(faults(&desk).await, json!({ "seed": 0, "faults": [] }));
    let answer = put_with_token(&desk, FAULTS).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let now: Value = answer.json().await.unwrap();
    assert_eq!(now, faults(&desk).await);
    assert_eq!(now["seed"], 7);
    assert_eq!(now["faults"][0]["kind"], "error");
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 500);
    put_with_token(&desk, r#"{"seed":7}"#).await;
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 200);
}

#[tokio::test]
async fn faults_that_are_read_and_put_back_keep_the_moment_at_which_they_began() {
    let desk = guarded().await;
    put_with_token(&desk, FAULTS).await;
    let before = faults(&desk).await;
    assert!(before["begin_ms"].is_u64(), "{before}");
    put_with_token(&desk, &before.to_string()).await;
    assert_eq!(faults(&desk).await, before);
}

#[tokio::test]
async fn faults_given_at_the_start_are_in_force_from_the_first_request() {
    let desk = Running::start(&[&format!("--faults={FAULTS}")]).await;
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 500);
    assert_eq!(faults(&desk).await["seed"], 7);
}

#[tokio::test]
async fn without_the_token_nothing_changes() {
    let desk = guarded().await;
    for wrong in [
        None,
        Some("open-sesame"),
        Some("Bearer "),
        Some("Bearer open-sesam"),
        Some("Bearer open-sesame!"),
        Some("Basic open-sesame"),
    ] {
        let answer = put(&desk, wrong, FAULTS).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong:?}");
        assert_eq!(problem(answer).await.code, "unauthorized");
    }
    // Not even what is wrong with the body is told.
    let answer = put(&desk, None, "{").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(faults(&desk).await["faults"], json!([]));
}

#[tokio::test]
async fn where_no_token_is_configured_nobody_can_change_faults() {
    let desk = Running::start(&[]).await;
    for guess in [None, Some("Bearer "), Some("Bearer guess")] {
        let answer = put(&desk, guess, FAULTS).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{guess:?}");
        let detail = problem(answer).await.detail.unwrap();
        assert!(detail.contains("NINES_ADMIN_TOKEN"), "{detail}");
    }
    assert_eq!(faults(&desk).await["faults"], json!([]));
}

#[tokio::test]
async fn bad_faults_are_refused_with_the_field_and_leave_those_in_force_alone() {
    let desk = guarded().await;
    put_with_token(&desk, FAULTS).await;
    for (body, status, part) in [
        ("{", 400, "line 1, column 1"),
        (
            r#"{"seed":-1}"#,
            422,
            "seed: invalid value -1, expected a whole number from 0",
        ),
        (r#"{"faults":[]}"#, 422, "seed: missing"),
        (
            r#"{"seed":1,"fault":[]}"#,
            422,
            "fault: unknown field: did you mean `faults`?",
        ),
        (
            r#"{"seed":1,"faults":[{"id":"x","kind":"erorr","probability":1}]}"#,
            422,
            "faults[0].kind: invalid value \"erorr\", expected `error`, `hang`, `delay`, `reset`: \
             did you mean `error`?",
        ),
        (
            r#"{"seed":1,"faults":[{"id":"x","kind":"error","probability":1,"scope":"all"}]}"#,
            422,
            "faults[0].scope: invalid value \"all\", expected `attempt` or `request`",
        ),
        (
            r#"{"seed":1,"faults":[{"id":"x","kind":"error","windows":[{"at_ms":"now","for_ms":1}]}]}"#,
            422,
            "faults[0].windows[0].at_ms: invalid value \"now\", expected a number",
        ),
        (
            r#"{"seed":1,"faults":[{"id":"x","kind":"error","probability":2}]}"#,
            422,
            "faults[0].probability: 2 is not a probability; allowed: 0 to 1",
        ),
        (
            r#"{"seed":1,"faults":[{"id":"x","kind":"delay","probability":1}]}"#,
            422,
            "faults[0].delay_ms: missing",
        ),
    ] {
        let answer = put_with_token(&desk, body).await;
        assert_eq!(answer.status(), status, "{body}");
        let detail = problem(answer).await.detail.unwrap();
        assert!(detail.contains(part), "{body}: {detail}");
    }
    assert_eq!(faults(&desk).await["seed"], 7);
}

#[tokio::test]
async fn faults_never_touch_the_admin_listener() {
    let desk = guarded().await;
    for kind in ["error", "reset", "hang"] {
        put_with_token(&desk, &FAULTS.replace("error", kind)).await;
        for path in ["/livez", "/readyz", "/metrics", "/faults"] {
            desk.look(path).await;
        }
    }
    assert_eq!(
        put_with_token(&desk, r#"{"seed":1}"#).await.status(),
        StatusCode::OK
    );
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_the_admin_listener_does_not_have_is_a_problem_too() {
    let desk = guarded().await;
    for (method, path, code) in [
        ("GET", "/nowhere", "no-such-route"),
        ("DELETE", "/faults", "method-not-allowed"),
    ] {
        let answer = desk.admin(method, path).send().await.unwrap();
        assert_eq!(problem(answer).await.code, code, "{method} {path}");
    }
}

#[tokio::test]
async fn probes_and_faults_are_not_to_be_had_from_the_service_itself() {
    let desk = guarded().await;
    for path in ["/livez", "/metrics", "/faults", "/policy"] {
        assert_eq!(desk.ask(path).await.unwrap().status(), 404, "{path}");
    }
}
