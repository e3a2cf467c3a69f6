//! Requests that no route is for: they pass the same layers as all others.

use super::Running;
use crate::support::number;
use types::{Problem, header};

/// A method, a path, the status of the answer, and the code of its problem.
const UNKNOWN: [(&str, &str, u16, &str); 4] = [
    ("GET", "/nowhere", 404, "no-such-route"),
    ("BREW", "/nowhere/at/all?q=1", 404, "no-such-route"),
    ("DELETE", "/ok", 405, "method-not-allowed"),
    ("POST", "/readyz", 405, "method-not-allowed"),
];

#[tokio::test]
async fn a_request_without_a_route_is_answered_with_a_problem_that_names_it_and_is_counted() {
    let desk = Running::start(&[]).await;
    for (place, (method, path, status, code)) in UNKNOWN.into_iter().enumerate() {
        let url = format!("http://{}{path}", desk.addresses.public);
        let request = desk.client.request(method.parse().unwrap(), url);
        let answer = request.header(header::REQUEST_ID, "r-7").send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        let kind = &answer.headers()["content-type"];
        assert_eq!(kind, "application/problem+json", "{method} {path}");
        assert_eq!(answer.headers()[header::REQUEST_ID], "r-7");
        let allow = answer.headers().contains_key("allow");
        assert_eq!(allow, status == 405, "{method} {path}");
        let problem: Problem = answer.json().await.unwrap();
        assert_eq!((problem.status, &*problem.code), (status, code));
        assert_eq!(problem.request_id.as_deref(), Some("r-7"));
        assert_eq!(desk.ended("none").await, i64::try_from(place + 1).unwrap());
    }
}

#[tokio::test]
async fn paths_that_clients_invent_make_no_series_of_their_own() {
    let desk = Running::start(&[]).await;
    for path in ["/a", "/b", "/c"] {
        assert_eq!(desk.ask(path).await.unwrap().status(), 404);
    }
    let metrics = desk.look("/metrics").await;
    let durations = "http_server_request_duration_seconds_count";
    let series = metrics.lines().filter(|line| line.starts_with(durations));
    assert_eq!(series.count(), 1, "{metrics}");
    let labels = [("http_response_status_code", "404")];
    assert_eq!(number(&metrics, durations, &labels), 3);
}

#[tokio::test]
async fn heartbeats_are_answered_and_not_counted() {
    let desk = Running::start(&[]).await;
    assert_eq!(desk.ask("/readyz").await.unwrap().status(), 200);
    assert_eq!(desk.ended("none").await, 0);
}
