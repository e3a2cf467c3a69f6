//! The page: the sequence itself. Each step needs what the one before it found, so the chain
//! is as available as all of its services together.

use crate::{
    authorization::{User, Wish},
    chain::Chain,
    idempotency::{IdempotencyKey, Once},
    soft::{Quality, Soft},
};
use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use chassis::{
    Json, Refusal, RequestContext,
    openapi::{BadBody, BadRequest, ChainFailures, Forbidden, NotFound, Unauthorized},
};
use http::request::Parts;
use std::sync::Arc;
use types::{
    NAME_ALLOWED,
    audit::NewEvent,
    database::{PutRecord, Record},
    gateway::{Page, PutMe},
    is_name, not_valid,
};

/// The page of whoever asks.
#[utoipa::path(get, path = "/v1/me", security(("bearer" = [])), responses(
    (status = 200, description = "The page", body = Page),
    Unauthorized, NotFound, ChainFailures,
))]
pub(crate) async fn read_own(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    user: User,
) -> Result<Response, Refusal> {
    read(&chain, &context, &user, &user.id).await
}

/// The page of a user.
#[utoipa::path(get, path = "/v1/users/{user}", security(("bearer" = [])), params(
    ("user" = String, Path, description = "Whose page it is", pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
), responses(
    (status = 200, description = "The page", body = Page),
    BadRequest, Unauthorized, Forbidden, NotFound, ChainFailures,
))]
pub(crate) async fn read_of(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    Owner(owner): Owner,
    user: User,
) -> Result<Response, Refusal> {
    read(&chain, &context, &user, &owner).await
}

/// Writes one record of the page of whoever asks, once for each `Idempotency-Key`.
#[utoipa::path(put, path = "/v1/me", security(("bearer" = [])), params(IdempotencyKey), responses(
    (status = 200, description = "The record as it is now", body = Record),
    BadBody, Unauthorized, Forbidden, NotFound, ChainFailures,
))]
pub(crate) async fn write_own(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    Once(once): Once,
    user: User,
    Json(put): Json<PutMe>,
) -> Result<Response, Refusal> {
    write(&chain, &context, (&user, &user.id), &once, put).await
}

/// Writes one record of a user's page, once for each `Idempotency-Key`.
#[utoipa::path(put, path = "/v1/users/{user}", security(("bearer" = [])), params(
    ("user" = String, Path, description = "Whose page it is", pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
    IdempotencyKey,
), responses(
    (status = 200, description = "The record as it is now", body = Record),
    BadBody, Unauthorized, Forbidden, NotFound, ChainFailures,
))]
pub(crate) async fn write_of(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    Owner(owner): Owner,
    Once(once): Once,
    user: User,
    Json(put): Json<PutMe>,
) -> Result<Response, Refusal> {
    write(&chain, &context, (&user, &owner), &once, put).await
}

async fn read(
    chain: &Chain,
    context: &RequestContext,
    user: &User,
    owner: &str,
) -> Result<Response, Refusal> {
    user.check(Wish::ReadPage(owner))?;
    let mut quality = Quality::of(&chain.soft);
    let view = quality.note(chain.view(context, owner).await?);
    let records = chain.records(context, &view).await;
    let records = quality.take(Soft::Database, records)?.unwrap_or_default();
    // Each reading is an event of its own. The request's id alone would not do: the client
    // may choose it, and could hide a reading behind an earlier one.
    let number: u64 = rand::random();
    let key = format!("{}:{number:016x}", context.request_id);
    let event = event(key, user, "page.read", owner);
    quality.take(Soft::Audit, chain.record(context, event).await)?;
    quality.take(Soft::Config, chain.settings(context).await)?;
    let page = Page {
        profile: view.profile,
        records,
        degraded: quality.is_degraded(),
    };
    Ok(quality.mark(Json(page)))
}

async fn write(
    chain: &Chain,
    context: &RequestContext,
    (user, owner): (&User, &str),
    once: &IdempotencyKey,
    PutMe { key, value }: PutMe,
) -> Result<Response, Refusal> {
    user.check(Wish::WritePage(owner))?;
    // An old answer would let a write touch what is no longer on the page.
    let view = chain.view_now(context, owner).await?;
    if !view.keys.contains(&key) {
        return Err(not_on_page(&key, &view.keys));
    }
    let once = once.for_user(&user.id);
    let place = (&*view.collection, &*key);
    let put = PutRecord { value };
    let record = chain.put(context, place, (&user.id, &once), &put).await?;
    // The same write is the same event, also when it is sent again as another request: it
    // has the same version, which no other write ever gets.
    let (collection, key) = place;
    let key = format!("page.write:{collection}/{key}@{}", record.version);
    let event = event(key, user, "page.write", owner);
    let recorded = chain.record_write(context, &event).await;
    let mut quality = Quality::of(&chain.soft);
    quality.take(Soft::Audit, recorded)?;
    Ok(quality.mark(Json(record)))
}

/// What `user` did; on whose page, where that is not their own.
fn event(key: String, user: &User, action: &str, owner: &str) -> NewEvent {
    let action = if user.id == owner {
        action.to_owned()
    } else {
        format!("{action}:{owner}")
    };
    NewEvent {
        key,
        actor: user.id.clone(),
        action,
    }
}

/// Whose page it is, as the path says.
pub(crate) struct Owner(String);

impl<S: Send + Sync> FromRequestParts<S> for Owner {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(user) = path.map_err(|error| Refusal::bad_request(error.body_text()))?;
        if is_name(&user) {
            return Ok(Self(user));
        }
        let detail = not_valid("user", &user, NAME_ALLOWED);
        Err(Refusal::bad_request(detail))
    }
}

fn not_on_page(key: &str, keys: &[String]) -> Refusal {
    let allowed = format!("what is on your page: {}", keys.join(", "));
    Refusal::forbidden(not_valid("key", key, &allowed))
}
