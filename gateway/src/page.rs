//! `GET /v1/me` and `PUT /v1/me`: the sequence itself. Each step needs what the one before
//! it found, so the chain is as available as all of its services together.

use crate::{bearer::Bearer, chain::Chain, idempotency::IdempotencyKey};
use axum::extract::State;
use chassis::{Json, Refusal, RequestContext};
use std::sync::Arc;
use types::{
    audit::NewEvent,
    database::{PutRecord, Record},
    gateway::{Page, PutMe},
};

/// `GET /v1/me`: the user's page.
pub(crate) async fn read(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    Bearer(token): Bearer,
) -> Result<Json<Page>, Refusal> {
    let user = authenticate(&chain, &context, token).await?;
    let view = chain.view(&context, &user).await?;
    let records = chain.records(&context, &view).await?;
    let event = NewEvent {
        key: context.request_id.to_string(),
        actor: user,
        action: "page.read".to_owned(),
    };
    chain.append(&context, &event).await?;
    Ok(Json(Page {
        profile: view.profile,
        records,
        degraded: false,
    }))
}

/// `PUT /v1/me`: writes one record of the user's page, once for each `Idempotency-Key`.
pub(crate) async fn write(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    Bearer(token): Bearer,
    idempotency_key: IdempotencyKey,
    Json(PutMe { key, value }): Json<PutMe>,
) -> Result<Json<Record>, Refusal> {
    let user = authenticate(&chain, &context, token).await?;
    let view = chain.view(&context, &user).await?;
    if !view.keys.contains(&key) {
        return Err(not_on_page(&key, &view.keys));
    }
    let once = idempotency_key.for_user(&user);
    let place = (&*view.collection, &*key);
    let record = chain
        .put(&context, place, &once, &PutRecord { value })
        .await?;
    // The same write is the same event, also when it is sent again as another request.
    let event = NewEvent {
        key: once,
        actor: user,
        action: "page.write".to_owned(),
    };
    chain.append(&context, &event).await?;
    Ok(Json(record))
}

async fn authenticate(
    chain: &Chain,
    context: &RequestContext,
    token: String,
) -> Result<String, Refusal> {
    let user = chain.introspect(context, token).await?;
    user.ok_or_else(|| Refusal::unauthorized("the token is not good, or no longer"))
}

fn not_on_page(key: &str, keys: &[String]) -> Refusal {
    let shown: String = key.chars().take(80).collect();
    let allowed = keys.join(", ");
    Refusal::forbidden(format!(
        "key: {shown:?} is not on your page; allowed: {allowed}"
    ))
}
