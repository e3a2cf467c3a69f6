//! Records, as HTTP.

mod parameters;

use crate::{
    clock::now_ms,
    outbox::Outbox,
    store::{Change, Changed, Store, StoreError},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use chassis::{
    Json, Refusal,
    conditional::{ConditionalHeaders, ETag, Preconditions, Versioned},
    openapi::{BadBody, BadRequest, Failures, NotFound, PreconditionFailed, WriteFailures},
};
use http::StatusCode;
use parameters::{Asked, Cursor, Wanted, WriteHeaders, name};
use std::sync::Arc;
use types::{
    Content, Problem,
    database::{PutRecord, Record, Records},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// What the routes share.
pub(crate) struct Database {
    pub store: Arc<dyn Store>,
    /// Where changes are told of; none where nobody listens.
    pub outbox: Option<Outbox>,
}

pub(crate) fn router() -> OpenApiRouter<Arc<Database>> {
    OpenApiRouter::default()
        .routes(routes!(records))
        .routes(routes!(record, put, delete))
}

/// Some records of a collection: those that `keys` names, or a page of all of them.
#[utoipa::path(get, path = "/v1/records/{collection}", params(
    ("collection" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    Wanted,
), responses(
    (status = 200, description = "Those of the records that exist", body = Records),
    BadRequest, NotFound, Failures,
))]
async fn records(
    State(database): State<Arc<Database>>,
    Path(collection): Path<String>,
    wanted: Wanted,
) -> Result<Json<Records>, Refusal> {
    name("collection", &collection)?;
    let Some(keys) = wanted.keys()? else {
        return page(&*database.store, &collection, &wanted).await;
    };
    let records = database.store.records(&collection, &keys).await?;
    let next = None;
    Ok(Json(Records { records, next }))
}

/// One more than is shown is read: that tells whether there is a next page.
async fn page(
    store: &dyn Store,
    collection: &str,
    wanted: &Wanted,
) -> Result<Json<Records>, Refusal> {
    let limit = wanted.limit()?;
    let after = wanted.cursor()?;
    let mut records = store.list(collection, after.key(), limit + 1).await?;
    let has_more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let last = records.last().filter(|_| has_more);
    let next = last.map(|record| Cursor::after(&record.key).to_string());
    Ok(Json(Records { records, next }))
}

/// One record.
#[utoipa::path(get, path = "/v1/records/{collection}/{key}", params(
    ("collection" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    ("key" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    ConditionalHeaders,
), responses(
    (status = 200, description = "The record", body = Record, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    (status = 304, description = "The client has it already"),
    BadRequest, NotFound, PreconditionFailed, Failures,
))]
async fn record(
    State(database): State<Arc<Database>>,
    Path((collection, key)): Path<(String, String)>,
    preconditions: Preconditions,
) -> Result<Versioned<Json<Record>>, Refusal> {
    name("collection", &collection)?;
    name("key", &key)?;
    let found = database.store.records(&collection, &[&key]).await?.pop();
    let Some(record) = found else {
        preconditions.check(None)?;
        let what = format!("no record {key:?} in {collection:?}");
        return Err(Refusal::not_found(what));
    };
    Ok(preconditions.read(record.version, Json(record))?)
}

/// Writes one record; under an `Idempotency-Key` once.
#[utoipa::path(put, path = "/v1/records/{collection}/{key}", params(
    ("collection" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    ("key" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    ConditionalHeaders, WriteHeaders,
), responses(
    (status = 200, description = "It was replaced", body = Record, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    (status = 201, description = "It is new", body = Record, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    BadBody, NotFound, PreconditionFailed, WriteFailures,
))]
async fn put(
    State(database): State<Arc<Database>>,
    asked: Asked,
    Json(PutRecord { value }): Json<PutRecord>,
) -> Result<Response, Refusal> {
    let change = database.plan(asked, Some(value));
    let changed = database.make(&change).await?;
    Ok(written(change, changed))
}

/// Deletes one record; under an `Idempotency-Key` once.
#[utoipa::path(delete, path = "/v1/records/{collection}/{key}", params(
    ("collection" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    ("key" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    ConditionalHeaders, WriteHeaders,
), responses(
    (status = 204, description = "It is no more"),
    BadRequest, NotFound, PreconditionFailed, chassis::openapi::Unprocessable, WriteFailures,
))]
async fn delete(
    State(database): State<Arc<Database>>,
    asked: Asked,
) -> Result<StatusCode, Refusal> {
    let change = database.plan(asked, None);
    database.make(&change).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Database {
    fn plan(&self, asked: Asked, value: Option<Content>) -> Change {
        Change {
            place: asked.place,
            value,
            preconditions: asked.preconditions,
            once: asked.once,
            event: self.outbox.is_some().then_some(asked.author),
            at_ms: now_ms(),
        }
    }

    async fn make(&self, change: &Change) -> Result<Changed, Refusal> {
        let changed = self.store.change(change).await?;
        if let Some(outbox) = &self.outbox {
            outbox.wake();
        }
        Ok(changed)
    }
}

/// Made from the request and what was kept of the first answer, so that a repetition gets
/// the same.
fn written(change: Change, Changed { version, created }: Changed) -> Response {
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let record = Record {
        collection: change.place.collection,
        key: change.place.key,
        version,
        value: change.value.unwrap_or_default(),
    };
    (status, ETag(version), Json(record)).into_response()
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyReused => key_reused(),
            StoreError::Precondition(failed) => failed.into(),
            StoreError::Missing => Self::not_found("there is no such record to delete"),
            StoreError::Failed(error) => stores::problem(&error).into(),
            StoreError::NotJson(_) => Self::internal(&error),
        }
    }
}

fn key_reused() -> Refusal {
    let title = "The idempotency key was used for another request";
    let detail = "header Idempotency-Key: the same key came with another method, place, value or precondition; allowed: a new key for a new request";
    let problem = Problem::new(422, "idempotency-key-reused", title);
    problem.detail(detail).into()
}

#[cfg(test)]
mod tests;
