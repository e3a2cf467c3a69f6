//! The policy of a running service: read by anyone, replaced with the token.

use super::Running;
use http::StatusCode;
use serde_json::{Value, json};
use types::Problem;

async fn guarded(flags: &[&str]) -> Running {
    let mut all = vec!["--admin-token=open-sesame"];
    all.extend(flags);
    Running::start(&all).await
}

async fn put(desk: &Running, token: &str, body: &str) -> reqwest::Response {
    let request = desk.admin("PUT", "/policy").bearer_auth(token);
    let request = request.header("content-type", "application/json");
    request.body(body.to_owned()).send().await.unwrap()
}

async fn policy(desk: &Running) -> Value {
    serde_json::from_str(&desk.look("/policy").await).unwrap()
}

fn none() -> Value {
    json!({
        "attempt_timeout_ms": null, "deadline_ms": null, "retry": null, "breaker": null,
        "balance": null, "hedge": null, "bulkhead": null, "shed": null, "cache": null,
    })
}

#[tokio::test]
async fn the_policy_of_the_flags_is_the_one_that_is_shown() {
    let desk = guarded(&[]).await;
    assert_eq!(policy(&desk).await, none());
    let flags = [
        "--attempt-timeout=250ms",
        "--deadline=1s",
        r#"--retry={"retries":1}"#,
    ];
    let shown = policy(&guarded(&flags).await).await;
    assert_eq!(shown["attempt_timeout_ms"], 250);
    assert_eq!(shown["deadline_ms"], 1000);
    assert_eq!(shown["retry"]["retries"], 1);
    assert_eq!(shown["breaker"], Value::Null);
}

#[tokio::test]
async fn a_policy_put_with_the_token_replaces_the_whole_one_and_bounds_the_next_request() {
    let desk = guarded(&["--attempt-timeout=250ms"]).await;
    let answer = put(&desk, "open-sesame", r#"{"deadline_ms":20}"#).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let now: Value = answer.json().await.unwrap();
    assert_eq!(now["attempt_timeout_ms"], Value::Null);
    assert_eq!(
        (&now["deadline_ms"], &now),
        (&json!(20), &policy(&desk).await)
    );
    // Without the new limit this would never be answered.
    assert_eq!(desk.ask("/hang").await.unwrap().status(), 504);
    put(&desk, "open-sesame", "{}").await;
    assert_eq!(policy(&desk).await, none());
}

#[tokio::test]
async fn without_the_token_no_policy_changes() {
    let desk = guarded(&[]).await;
    for wrong in ["", "open-sesam", "open-sesame!"] {
        let answer = put(&desk, wrong, r#"{"deadline_ms":20}"#).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
    let closed = Running::start(&[]).await;
    let answer = put(&closed, "guess", r#"{"deadline_ms":20}"#).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    for desk in [desk, closed] {
        assert_eq!(policy(&desk).await, none());
    }
}

#[tokio::test]
async fn a_bad_policy_is_refused_with_field_value_and_what_is_allowed_and_changes_nothing() {
    let desk = guarded(&["--deadline=7s"]).await;
    for (body, status, parts) in [
        ("{", 400, &["(line 1, column 1)"][..]),
        ("[]", 422, &["an object"]),
        (
            r#"{"deadline_ms":0}"#,
            422,
            &["deadline_ms: 0 can't be", "above 0 and up to 3600000"],
        ),
        (
            r#"{"attempt_timeout_ms":"1s"}"#,
            422,
            &["attempt_timeout_ms: \"1s\" can't be", "milliseconds"],
        ),
        (
            r#"{"attempt_timeout_ms":1e300}"#,
            422,
            &["attempt_timeout_ms: 1e+300 can't be"],
        ),
        (
            r#"{"retries":1}"#,
            422,
            &["retries: unknown field", "`retry`"],
        ),
        (
            r#"{"retry":{"retries":"two"}}"#,
            422,
            &["retry.retries: invalid value \"two\", expected a whole number from 0"],
        ),
        (
            r#"{"retry":{"budget":{"ratoi":1}}}"#,
            422,
            &["retry.budget.ratoi: unknown field: did you mean `ratio`?"],
        ),
        (
            r#"{"balance":{"pick":3}}"#,
            422,
            &["balance.pick: invalid value 3, expected `less_loaded`"],
        ),
        (
            r#"{"balance":{"eject":7}}"#,
            422,
            &["balance.eject: invalid value 7, expected settings"],
        ),
        (
            r#"{"retry":{"retries":11}}"#,
            422,
            &["retry.retries: 11 can't be", "from 1 to 10"],
        ),
        (
            r#"{"breaker":{"open":"soon"}}"#,
            422,
            &["breaker.open: invalid value \"soon\"", "250ms"],
        ),
        (
            r#"{"attempt_timeout_ms":10,"deadline_ms":15,"retry":{"retries":1}}"#,
            422,
            &["retry.retries: 1 can't be", "fits the deadline"],
        ),
    ] {
        let answer = put(&desk, "open-sesame", body).await;
        assert_eq!(answer.status(), status, "{body}");
        let problem: Problem = answer.json().await.unwrap();
        let detail = problem.detail.unwrap();
        for part in parts {
            assert!(detail.contains(part), "{body} misses {part:?}: {detail}");
        }
    }
    assert_eq!(policy(&desk).await["deadline_ms"], 7000);
}
