//! Pages that do without a part.

use super::*;
use chassis::{Call, RequestContext, Upstream};
use types::Outcome;

fn failing(path: &'static str) -> Below {
    Below::answering(
        path,
        500,
        json!(Problem::new(500, "internal", "The service failed")),
    )
}

#[tokio::test]
async fn a_page_without_its_records_is_answered_and_says_so() {
    let services = failing("/v1/records/pages");
    let (gateway, _) = gateway_with(&services, 5, &["--soft=database"]).await;
    let (status, page) = send(&gateway, get("t")).await;
    let expected = json!({ "profile": profile(), "records": [], "degraded": true });
    assert_eq!((status, page), (200, expected));
    // It is read all the same, and that is recorded.
    assert_eq!(services.paths().len(), 5);
}

#[tokio::test]
async fn every_service_that_is_soft_may_fail_and_no_other() {
    for (soft, path) in [
        ("database", "/v1/records/pages"),
        ("audit", "/v1/events"),
        ("config", "/v1/relay"),
    ] {
        let flag = format!("--soft={soft}");
        let (lenient, _) = gateway_with(&failing(path), 5, &[&flag]).await;
        let (status, page) = send(&lenient, get("t")).await;
        assert_eq!((status, &page["degraded"]), (200, &json!(true)), "{soft}");
        let strict = gateway(&failing(path), 5).await;
        assert_eq!(send(&strict, get("t")).await.0, 502, "{soft}");
    }
}

#[tokio::test]
async fn a_write_needs_the_database_however_soft_it_is() {
    let services = failing("/v1/records/pages/a");
    let (gateway, _) = gateway_with(&services, 4, &["--soft=database,audit"]).await;
    assert_eq!(send(&gateway, put("a")).await.0, 502);
}

/// The gateway on a port of its own, where those who call it see how well it answers.
async fn served(services: &Below, more: &[&str]) -> Upstream {
    let (chassis, chain) = started(services, 4, more).await;
    let address = chassis.addresses().unwrap().public;
    let edge = chassis.upstream("gateway", &[format!("http://{address}").parse().unwrap()]);
    // Ends with the test's runtime.
    tokio::spawn(chassis.serve(router(chain), async || ()));
    edge
}

#[tokio::test]
async fn whatever_is_done_and_not_recorded_is_answered_as_degraded() {
    for (fails, outcome) in [("/v1/events", Outcome::Degraded), ("/nothing", Outcome::Ok)] {
        let edge = served(&failing(fails), &["--soft=audit"]).await;
        let new = json!({ "username": "user-1", "password": "password-1" });
        for (call, status) in [
            (Call::get("page.read", "/v1/me"), 200),
            (
                Call::put("page.write", "/v1/me").json(&json!({ "key": "a", "value": 1 })),
                200,
            ),
            (Call::post("account.create", "/v1/accounts").json(&new), 201),
        ] {
            let call = call.header("authorization", "Bearer t");
            let call = call.header(header::IDEMPOTENCY_KEY, "once");
            let answer = edge.call(&RequestContext::new("r-1"), call).await.unwrap();
            let (answered, quality) = (answer.status(), answer.outcome());
            assert_eq!((answered.as_u16(), quality), (status, outcome), "{fails}");
        }
    }
}

#[test]
fn only_what_a_page_can_do_without_is_soft() {
    let args = ["gateway", "--soft=profile"];
    let error = Options::try_parse_from(args).unwrap_err().to_string();
    for part in ["profile", "--soft", "database", "audit", "config"] {
        assert!(error.contains(part), "{error}");
    }
}
