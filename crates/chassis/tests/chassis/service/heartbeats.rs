//! What a replica tells those who ask whether it takes requests.

use super::Running;
use crate::support::number;
use serde_json::json;

#[tokio::test]
async fn a_heartbeat_is_answered_where_requests_are_and_is_none() {
    let desk = Running::start(&[]).await;
    let answer = desk.ask("/readyz").await.unwrap();
    assert_eq!(answer.status(), 200);
    let metrics = desk.look("/metrics").await;
    assert_eq!(number(&metrics, "nines_requests_total", &[]), 0);
    assert!(metrics.contains("nines_requests_total{"), "{metrics}");
}

#[tokio::test]
async fn faults_strike_heartbeats_as_they_strike_requests() {
    let faults = json!({ "seed": 1, "faults": [{ "id": "f", "kind": "error", "probability": 1 }] });
    let desk = Running::start(&[&format!("--faults={faults}")]).await;
    assert_eq!(desk.ask("/readyz").await.unwrap().status(), 500);
    // The probe for whoever runs the process is touched by nothing.
    assert_eq!(desk.look("/readyz").await, "ready\n");
}

async fn told(desk: &Running, role: &str) -> u16 {
    let url = format!("http://{}/readyz", desk.addresses.public);
    let answer = desk.client.get(url).header("nines-role", role).send().await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_standby_refuses_requests_until_it_is_told_that_it_is_the_active_one() {
    let desk = Running::start(&["--takeover=0s"]).await;
    let refused = desk.ask("/ok").await.unwrap();
    assert_eq!(refused.status(), 503);
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["code"], &problem["retryable"]),
        (&json!("standing-by"), &json!(true))
    );
    assert_eq!(told(&desk, "active").await, 200);
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 200);
    assert_eq!(told(&desk, "standby").await, 200);
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 503);
}

#[tokio::test]
async fn whoever_always_serves_is_not_told_otherwise() {
    let desk = Running::start(&[]).await;
    assert_eq!(told(&desk, "standby").await, 200);
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 200);
}
