//! Readings that are told to the audit log later.

use super::*;
use axum::Json;
use chassis::RequestContext;
use futures_util::FutureExt;
use http::HeaderMap;
use std::{collections::HashMap, path::Path, time::Duration};
use types::audit::NewEvent;

async fn queued(services: &Below, folder: &Path) -> (Router, Arc<Chain>) {
    let flag = format!("--audit-queue=sqlite:{}", folder.join("queue.db").display());
    gateway_with(services, 4, &[&flag]).await
}

/// The keys of the events that the audit log has taken so far.
fn recorded(services: &Below) -> Vec<String> {
    let asked = services.asked();
    let events = asked.iter().filter(|asked| asked.0 == "POST /v1/events");
    let key = |asked: &Asked| asked.2["key"].as_str().unwrap().to_owned();
    events.map(key).collect()
}

pub(super) async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_page_is_answered_while_the_log_is_down_and_the_reading_is_recorded_later() {
    let folder = tempfile::tempdir().unwrap();
    let services = Below::default();
    services.replies(
        "/v1/events",
        503,
        json!(Problem::new(503, "too-busy", "Busy")),
    );
    let (gateway, chain) = queued(&services, folder.path()).await;
    for _ in 0..3 {
        let (status, page) = send(&gateway, get("t")).await;
        assert_eq!((status, &page["degraded"]), (200, &json!(false)));
    }
    services.replies("/v1/events", 200, usual("/v1/events", &Value::Null));
    let before = recorded(&services).len();
    until(|| recorded(&services).len() >= before + 3).await;
    chain.close().await;
    let mut keys = recorded(&services);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn what_waits_survives_the_gateway_and_is_delivered_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let down = Below::answering("/v1/events", 503, json!("down"));
    let (gateway, chain) = queued(&down, folder.path()).await;
    assert_eq!(send(&gateway, get("t")).await.0, 200);
    chain.close().await;
    let asked: Vec<_> = recorded(&down);
    let up = Below::default();
    let (_, chain) = queued(&up, folder.path()).await;
    until(|| recorded(&up).len() == 1).await;
    assert_eq!(recorded(&up)[0], asked[0]);
    chain.close().await;
    // Delivered, it is forgotten.
    let (_, chain) = queued(&up, folder.path()).await;
    chain.close().await;
    assert_eq!(recorded(&up).len(), 1);
}

/// A log where a fault strikes some request ids, as one with a probability does that draws by
/// them: of each event the first that comes, and whenever that comes again.
#[derive(Clone, Default)]
struct Struck {
    first: Arc<Mutex<HashMap<String, String>>>,
    recorded: Arc<Mutex<Vec<String>>>,
}

impl Struck {
    async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(strike).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        url
    }
}

async fn strike(
    State(log): State<Struck>,
    headers: HeaderMap,
    Json(event): Json<Value>,
) -> StatusCode {
    let id = headers[header::REQUEST_ID].to_str().unwrap().to_owned();
    assert!(header::is_request_id(&id), "{id}");
    let key = event["key"].as_str().unwrap().to_owned();
    let mut first = log.first.lock().unwrap();
    if *first.entry(key.clone()).or_insert_with(|| id.clone()) == id {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    log.recorded.lock().unwrap().push(key);
    StatusCode::OK
}

#[tokio::test]
async fn an_event_that_a_fault_strikes_once_is_not_struck_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let log = Struck::default();
    let audit = format!("--audit={}", log.listen().await);
    let queue = format!(
        "--audit-queue=sqlite:{}",
        folder.path().join("q.db").display()
    );
    let (gateway, chain) = gateway_with(&Below::default(), 3, &[&audit, &queue]).await;
    for _ in 0..3 {
        assert_eq!(send(&gateway, get("t")).await.0, 200);
    }
    until(|| log.recorded.lock().unwrap().len() == 3).await;
    chain.close().await;
}

#[tokio::test]
async fn what_the_log_refuses_is_put_aside_and_whatever_else_is_answered_is_sent_again() {
    for (status, code, comes_again) in [
        (413, "too-large", false),
        (409, "event-key-reused", false),
        (409, "another", true),
        (403, "forbidden", true),
        (404, "not-found", true),
        (429, "too-many", true),
        (503, "too-busy", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let problem = json!(Problem::new(status, code, "No"));
        let services = Below::answering("/v1/events", status, problem);
        let (gateway, chain) = queued(&services, folder.path()).await;
        assert_eq!(send(&gateway, get("t")).await.0, 200);
        until(|| !recorded(&services).is_empty()).await;
        chain.close().await;
        // The next gateway delivers what is not put aside.
        let up = Below::default();
        let (_, chain) = queued(&up, folder.path()).await;
        chain.close().await;
        assert_eq!(
            recorded(&up).len(),
            usize::from(comes_again),
            "{status} {code}"
        );
    }
}

#[tokio::test]
async fn an_event_that_the_log_will_never_take_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let services = Below::default();
    services.replies("/v1/events", 422, json!(Problem::new(422, "bad", "Bad")));
    let (gateway, chain) = queued(&services, folder.path()).await;
    assert_eq!(send(&gateway, get("t")).await.0, 200);
    until(|| recorded(&services).len() == 1).await;
    services.replies("/v1/events", 200, usual("/v1/events", &Value::Null));
    assert_eq!(send(&gateway, get("t")).await.0, 200);
    until(|| recorded(&services).len() == 2).await;
    let keys = recorded(&services);
    assert_ne!(keys[0], keys[1]);
    chain.close().await;
}

#[tokio::test]
async fn an_event_whose_request_was_given_up_meanwhile_is_delivered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let services = Below::default();
    let (_, chain) = queued(&services, folder.path()).await;
    for number in 1..=5 {
        let event = NewEvent {
            key: format!("k{number}"),
            actor: "user-1".to_owned(),
            action: "page.read".to_owned(),
        };
        // Polled once, and dropped: nobody waits for the commit any more.
        let context = RequestContext::new("r-1");
        assert!(chain.record(&context, event).now_or_never().is_none());
        until(|| recorded(&services).len() == number).await;
    }
    chain.close().await;
}

#[tokio::test]
async fn a_write_is_told_by_the_database_service_and_not_twice() {
    let folder = tempfile::tempdir().unwrap();
    let services = Below::default();
    let (gateway, chain) = queued(&services, folder.path()).await;
    assert_eq!(send(&gateway, put("a")).await.0, 200);
    chain.close().await;
    assert_eq!(recorded(&services), Vec::<String>::new());
}

#[test]
fn a_queue_without_a_log_or_on_no_disk_is_refused() {
    let error = |flag: &str| {
        let url = "http://127.0.0.1:1";
        let args = [
            "gateway",
            "--auth",
            url,
            "--profile",
            url,
            "--database",
            url,
            flag,
        ];
        Options::try_parse_from(args).unwrap_err().to_string()
    };
    assert!(error("--audit-queue=sqlite:q.db").contains("--audit"));
    assert!(error("--audit-queue=postgres://db/q").contains("allowed: sqlite:PATH"));
}
