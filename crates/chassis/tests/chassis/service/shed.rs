//! Requests that are refused because there are too many.

use super::Running;
use serde_json::Value;

#[tokio::test]
async fn the_limit_of_the_policy_holds_and_a_refusal_says_when_to_come_again() {
    let desk = Running::start(&[r#"--shed={"max":1}"#]).await;
    let hanging = desk.ask("/hang");
    tokio::pin!(hanging);
    tokio::select! {
        _ = &mut hanging => panic!("answered"),
        () = desk.sees_one("http_server_active_requests", &[]) => {}
    }
    let refused = desk.ask("/ok").await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["code"], &problem["cause"]),
        (&"overloaded".into(), &"shed".into())
    );
    assert_eq!(desk.ended("shed").await, 1);
}

#[tokio::test]
async fn a_heartbeat_is_answered_however_full_the_service_is() {
    let desk = Running::start(&[r#"--shed={"max":1}"#]).await;
    let hanging = desk.ask("/hang");
    tokio::pin!(hanging);
    tokio::select! {
        _ = &mut hanging => panic!("answered"),
        () = desk.sees_one("http_server_active_requests", &[]) => {}
    }
    assert_eq!(desk.ask("/readyz").await.unwrap().status(), 200);
}
