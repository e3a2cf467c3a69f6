//! The log, as HTTP.

use crate::{
    Audit,
    chain::{self, Hash},
    store::{Appended, StoreError},
    writer::AppendError,
};
use axum::extract::{Query, State, rejection::QueryRejection};
use chassis::{
    Json, Refusal,
    delivery::KEY_REUSED,
    openapi::{BadBody, BadRequest, Conflict, Failures, WriteFailures},
};
use serde::Deserialize;
use std::sync::Arc;
use types::{
    Cause, Problem,
    audit::{Event, Events, NewEvent, Verification},
    not_valid,
};
use utoipa_axum::{router::OpenApiRouter, routes};

const MAX_LIMIT: u32 = 1000;
/// No database counts further.
const MAX_AFTER: u64 = i64::MAX.cast_unsigned();

pub(crate) fn router() -> OpenApiRouter<Arc<Audit>> {
    OpenApiRouter::default()
        .routes(routes!(append, events))
        .routes(routes!(verify))
}

/// Records an event once; the answer comes when it is on the disk.
#[utoipa::path(post, path = "/v1/events", responses(
    (status = 200, description = "It is in the log, since now or since earlier", body = Event),
    BadBody, Conflict, WriteFailures,
))]
async fn append(
    State(audit): State<Arc<Audit>>,
    Json(event): Json<NewEvent>,
) -> Result<Json<Event>, Refusal> {
    check("key", &event.key, 256)?;
    check("actor", &event.actor, 128)?;
    check("action", &event.action, 128)?;
    match audit.writer.append(event).await? {
        Appended::Recorded(event) => Ok(Json(event)),
        Appended::KeyReused => Err(key_reused()),
    }
}

/// Which part of the log is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// The events after this sequence.
    #[serde(default)]
    #[param(required = false, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    after: u64,
    /// How many at most.
    #[serde(default = "usual_limit")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: u32,
}

const fn usual_limit() -> u32 {
    100
}

/// A page of the log.
#[utoipa::path(get, path = "/v1/events", params(Page), responses(
    (status = 200, description = "Events in their order", body = Events),
    BadRequest, Failures,
))]
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
    if after > MAX_AFTER {
        let detail = format!("after: {after} is not valid; allowed: 0 to {MAX_AFTER}");
        return Err(Refusal::bad_request(detail));
    }
    let events = audit.store.events(after, limit).await?;
    Ok(Json(Events { events }))
}

/// What is to be verified.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Question {
    /// The hash of an event that somebody has noted: the log must lead through it. Without
    /// that, nobody could tell a log that was written anew, or cut off with its head.
    #[param(nullable = false, pattern = "^[0-9a-f]{64}$")]
    noted: Option<String>,
}

/// Whether the log is as it was recorded; asked by one at a time.
#[utoipa::path(get, path = "/v1/verify", params(Question), responses(
    (status = 200, description = "Whether it is, and where it is not", body = Verification),
    BadRequest, Failures,
))]
async fn verify(
    State(audit): State<Arc<Audit>>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Verification>, Refusal> {
    let Query(Question { noted }) =
        question.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let noted = noted.map(|text| hash(&text)).transpose()?;
    let _walk = audit
        .walk
        .try_acquire()
        .map_err(|_| too_busy("the log is being verified already"))?;
    Ok(Json(audit.store.verify(noted).await?))
}

fn hash(text: &str) -> Result<Hash, Refusal> {
    let allowed = "64 digits from 0 to 9 and a to f";
    let hash = chain::from_hex(text);
    hash.ok_or_else(|| Refusal::bad_request(not_valid("noted", text, allowed)))
}

fn check(field: &str, value: &str, longest: usize) -> Result<(), Refusal> {
    if (1..=longest).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let allowed = format!("1 to {longest} visible ASCII characters");
    Err(Refusal::bad_request(not_valid(field, value, &allowed)))
}

fn key_reused() -> Refusal {
    let title = "The event's key is that of another event";
    let detail =
        "key: was recorded with another actor or action; allowed: a new key for a new event";
    Problem::new(409, KEY_REUSED, title).detail(detail).into()
}

impl From<StoreError> for Refusal {
    fn from(StoreError(error): StoreError) -> Self {
        stores::problem(&error).into()
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full => too_busy(error.to_string()),
            AppendError::Store(error) => stores::problem(&error.0).into(),
            AppendError::Ended => Self::internal(&error),
        }
    }
}

fn too_busy(detail: impl Into<String>) -> Refusal {
    Problem::new(503, "too-busy", "The service is too busy")
        .detail(detail)
        .cause(Cause::Shed)
        .retryable(true)
        .into()
}

#[cfg(test)]
mod tests;
