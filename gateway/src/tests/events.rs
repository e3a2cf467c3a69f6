//! Reading what was recorded.

use super::*;

fn events(query: &str) -> Request<Body> {
    let request = Request::get(format!("/v1/events{query}"));
    let request = request.header(AUTHORIZATION, "Bearer auditor");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_part_of_the_log_is_passed_on() {
    let services = Below::with_events();
    let (status, found) = send(&gateway(&services, 4).await, events("?after=7&limit=2")).await;
    assert_eq!((status, found), (200, json!({ "events": [] })));
    assert_eq!(services.paths()[1], "GET /v1/events?after=7&limit=2");
}

#[tokio::test]
async fn a_part_that_cannot_be_is_refused() {
    let problem = json!(Problem::new(400, "bad-request", "Title"));
    let services = Below::answering("/v1/events", 400, problem);
    let gateway = gateway(&services, 4).await;
    for query in ["?after=x", "?limit=-1", "?more=1", "?limit=0"] {
        assert_eq!(send(&gateway, events(query)).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn where_nothing_is_recorded_there_is_nothing_to_read() {
    assert_eq!(
        send(&gateway(&Below::default(), 3).await, events(""))
            .await
            .0,
        404
    );
}
