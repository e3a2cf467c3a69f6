//! Records, as HTTP.

use crate::{
    once::IdempotencyKey,
    store::{Once, Store, StoreError, Write},
};
use axum::{
    Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    routing::get,
};
use chassis::{Json, Refusal};
use serde::Deserialize;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use types::{
    NAME_ALLOWED, Problem,
    database::{PutRecord, Record, Records},
    is_name,
};

/// The most records read at once.
const MAX_KEYS: usize = 100;

pub(crate) fn router(store: Arc<dyn Store>) -> Router {
    Router::new()
        .route("/v1/records/{collection}", get(records))
        .route("/v1/records/{collection}/{key}", get(record).put(put))
        .with_state(store)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Separated by commas.
    keys: String,
}

/// `GET /v1/records/{collection}?keys=a,b`: those of the records that exist.
async fn records(
    State(store): State<Arc<dyn Store>>,
    Path(collection): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Records>, Refusal> {
    let Query(Wanted { keys }) = wanted.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let keys = split(&keys)?;
    name("collection", &collection)?;
    let records = store.records(&collection, &keys).await?;
    Ok(Json(Records { records }))
}

/// `GET /v1/records/{collection}/{key}`: one record.
async fn record(
    State(store): State<Arc<dyn Store>>,
    Path((collection, key)): Path<(String, String)>,
) -> Result<Json<Record>, Refusal> {
    name("collection", &collection)?;
    name("key", &key)?;
    let found = store.records(&collection, &[&key]).await?.pop();
    let missing = || Refusal::not_found(format!("no record {key:?} in {collection:?}"));
    found.map(Json).ok_or_else(missing)
}

/// `PUT /v1/records/{collection}/{key}`: writes one record, under an `Idempotency-Key` once.
async fn put(
    State(store): State<Arc<dyn Store>>,
    Path((collection, key)): Path<(String, String)>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    Json(PutRecord { value }): Json<PutRecord>,
) -> Result<Json<Record>, Refusal> {
    name("collection", &collection)?;
    name("key", &key)?;
    let at_ms = now_ms();
    let once = idempotency_key.map(|key| Once { key, at_ms });
    let write = Write {
        collection,
        key,
        value,
    };
    Ok(Json(store.put(write, once).await?))
}

/// The keys in the list; an empty list has none.
fn split(list: &str) -> Result<Vec<&str>, Refusal> {
    let keys: Vec<_> = list.split(',').filter(|_| !list.is_empty()).collect();
    if keys.len() > MAX_KEYS {
        let detail = format!(
            "keys: {} are asked for; allowed: up to {MAX_KEYS}",
            keys.len()
        );
        return Err(Refusal::bad_request(detail));
    }
    for key in &keys {
        name("keys", key)?;
    }
    Ok(keys)
}

fn name(field: &str, value: &str) -> Result<(), Refusal> {
    if is_name(value) {
        return Ok(());
    }
    let shown: String = value.chars().take(80).collect();
    let detail = format!("{field}: {shown:?} is not a name; allowed: {NAME_ALLOWED}");
    Err(Refusal::bad_request(detail))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyReused => key_reused(),
            error => Self::internal(&error),
        }
    }
}

fn key_reused() -> Refusal {
    let title = "The idempotency key was used for another request";
    let detail = "header Idempotency-Key: the same key came with another collection, key or value; allowed: a new key for a new request";
    let problem = Problem::new(422, "idempotency-key-reused", title);
    problem.detail(detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed, store::SqliteStore};
    use axum::body::{Body, to_bytes};
    use http::{Request, StatusCode, header::CONTENT_TYPE};
    use serde_json::{Value, json};
    use stores::StoreUrl;
    use tower::ServiceExt;
    use types::header::IDEMPOTENCY_KEY;

    async fn seeded() -> Router {
        let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
        seed::records(&store, 1).await.unwrap();
        router(Arc::new(store))
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

    async fn write(router: &Router, path: &str, once: &str, value: &Value) -> (StatusCode, Value) {
        let request = Request::put(path)
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, once);
        let body = json!({ "value": value }).to_string();
        send(router, request.body(Body::from(body)).unwrap()).await
    }

    #[tokio::test]
    async fn records_are_read_alone_or_together() {
        let router = seeded().await;
        let list = "/v1/records/pages?keys=user-1-3,nobody,user-1-1";
        let (status, found) = read(&router, list).await;
        assert_eq!(status, 200);
        let keys = found["records"].as_array().unwrap().iter();
        let keys: Vec<_> = keys.map(|record| &record["key"]).collect();
        assert_eq!(keys, ["user-1-3", "user-1-1"]);
        let (status, one) = read(&router, "/v1/records/pages/user-1-1").await;
        assert_eq!((status, &one), (StatusCode::OK, &found["records"][1]));
        let none = read(&router, "/v1/records/pages?keys=").await;
        assert_eq!(none, (StatusCode::OK, json!({ "records": [] })));
        assert_eq!(read(&router, "/v1/records/pages/nobody").await.0, 404);
    }

    #[tokio::test]
    async fn what_is_no_name_is_refused() {
        let router = seeded().await;
        let long = "x".repeat(65);
        let many = ["k"; MAX_KEYS + 1].join(",");
        for path in [
            "/v1/records/a%20b?keys=a".to_owned(),
            "/v1/records/pages?keys=a,,b".to_owned(),
            "/v1/records/pages?keys=a%2Fb".to_owned(),
            format!("/v1/records/pages?keys={many}"),
            "/v1/records/pages".to_owned(),
            "/v1/records/pages?keys=a&more=b".to_owned(),
            format!("/v1/records/{long}/a"),
            "/v1/records/pages/a%20b".to_owned(),
        ] {
            assert_eq!(read(&router, &path).await.0, 400, "{path}");
        }
        let path = "/v1/records/pages/a%20b";
        assert_eq!(write(&router, path, "k", &json!(1)).await.0, 400);
    }

    #[tokio::test]
    async fn a_write_that_is_sent_again_gets_the_same_answer() {
        let router = seeded().await;
        let path = "/v1/records/pages/user-1-1";
        let first = write(&router, path, "k", &json!("new")).await;
        assert_eq!(first.0, 200);
        assert_eq!(first.1["version"], 2);
        assert_eq!(write(&router, path, "k", &json!("new")).await, first);
        assert_eq!(write(&router, path, "k", &json!("other")).await.0, 422);
        assert_eq!(write(&router, path, "a b", &json!("new")).await.0, 400);
        assert_eq!(read(&router, path).await, first);
    }
}
