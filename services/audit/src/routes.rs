//! The log, as HTTP.

use crate::{
    Audit,
    store::{Appended, StoreError},
    writer::AppendError,
};
use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    routing::{get, post},
};
use chassis::{Json, Refusal};
use serde::Deserialize;
use std::sync::Arc;
use types::{
    Cause, Problem,
    audit::{Event, Events, NewEvent, Verification},
};

const MAX_LIMIT: u32 = 1000;

pub(crate) fn router(audit: Arc<Audit>) -> Router {
    Router::new()
        .route("/v1/events", post(append).get(events))
        .route("/v1/verify", get(verify))
        .with_state(audit)
}

/// `POST /v1/events`: records an event once; the answer comes when it is on the disk.
async fn append(
    State(audit): State<Arc<Audit>>,
    Json(event): Json<NewEvent>,
) -> Result<Json<Event>, Refusal> {
    check("key", &event.key)?;
    check("actor", &event.actor)?;
    check("action", &event.action)?;
    match audit.writer.append(event).await? {
        Appended::Recorded(event) => Ok(Json(event)),
        Appended::KeyReused => Err(key_reused()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: u64,
    #[serde(default = "usual_limit")]
    limit: u32,
}

const fn usual_limit() -> u32 {
    100
}

/// `GET /v1/events?after=0&limit=100`: a page of the log.
async fn events(
    State(audit): State<Arc<Audit>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Events>, Refusal> {
    let Query(Page { after, limit }) =
        page.map_err(|error| Refusal::bad_request(error.body_text()))?;
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit: {limit} is not valid; allowed: 1 to {MAX_LIMIT}");
        return Err(Refusal::bad_request(detail));
    }
    let events = audit.store.events(after, limit).await?;
    Ok(Json(Events { events }))
}

/// `GET /v1/verify`: whether the log is as it was recorded.
async fn verify(State(audit): State<Arc<Audit>>) -> Result<Json<Verification>, Refusal> {
    Ok(Json(audit.store.verify().await?))
}

fn check(field: &str, value: &str) -> Result<(), Refusal> {
    if (1..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let shown: String = value.chars().take(150).collect();
    let detail =
        format!("{field}: {shown:?} is not valid; allowed: 1 to 128 visible ASCII characters");
    Err(Refusal::bad_request(detail))
}

fn key_reused() -> Refusal {
    let title = "The event's key is that of another event";
    let detail =
        "key: was recorded with another actor or action; allowed: a new key for a new event";
    Problem::new(422, "event-key-reused", title)
        .detail(detail)
        .into()
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full => full(&error),
            error => Self::internal(&error),
        }
    }
}

fn full(error: &AppendError) -> Refusal {
    Problem::new(503, "too-busy", "The service is too busy")
        .detail(error.to_string())
        .cause(Cause::Shed)
        .retryable(true)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{SqliteStore, Store},
        writer::Writer,
    };
    use axum::body::{Body, to_bytes};
    use http::{Request, StatusCode, header::CONTENT_TYPE};
    use serde_json::{Value, json};
    use stores::StoreUrl;
    use tower::ServiceExt;

    async fn empty() -> Router {
        let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let writer = Writer::start(store.clone());
        router(Arc::new(Audit { store, writer }))
    }

    async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn read(router: &Router, path: &str) -> (StatusCode, Value) {
        send(router, Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post_event(router: &Router, key: &str, actor: &str) -> (StatusCode, Value) {
        let body = json!({ "key": key, "actor": actor, "action": "page.read" });
        let request = Request::post("/v1/events").header(CONTENT_TYPE, "application/json");
        send(router, request.body(Body::from(body.to_string())).unwrap()).await
    }

    #[tokio::test]
    async fn an_event_is_recorded_once_and_can_be_read_and_verified() {
        let router = empty().await;
        let first = post_event(&router, "r-1", "user-1").await;
        assert_eq!(first.0, 200);
        assert_eq!(first.1["sequence"], 1);
        assert_eq!(post_event(&router, "r-1", "user-1").await, first);
        assert_eq!(post_event(&router, "r-1", "user-2").await.0, 422);
        let second = post_event(&router, "r-2", "user-2").await.1;
        let (status, page) = read(&router, "/v1/events?after=0&limit=10").await;
        assert_eq!(status, 200);
        assert_eq!(page["events"], json!([first.1, second]));
        let (status, found) = read(&router, "/v1/verify").await;
        let expected = json!({ "events": 2, "intact": true, "head": second["hash"] });
        assert_eq!((status, found), (StatusCode::OK, expected));
    }

    #[tokio::test]
    async fn what_is_not_valid_is_refused() {
        let router = empty().await;
        let long = "x".repeat(129);
        for (key, actor) in [
            ("", "a"),
            ("a b", "a"),
            (&*long, "a"),
            ("k", ""),
            ("k", "é"),
        ] {
            assert_eq!(post_event(&router, key, actor).await.0, 400, "{key:?}");
        }
        for query in ["limit=0", "limit=1001", "limit=x", "after=-1", "more=1"] {
            let (status, _) = read(&router, &format!("/v1/events?{query}")).await;
            assert_eq!(status, 400, "{query}");
        }
        assert_eq!(read(&router, "/v1/events").await.1, json!({ "events": [] }));
    }
}
