//! `POST /keys/rotate`, on the admin listener: a new signing key, now.

use crate::{Auth, moment::Moment, refused::Refused, rotation::Stage};
use axum::{Router, extract::State, routing::post};
use chassis::Json;
use serde::Serialize;
use std::sync::Arc;

/// A signing key as its keeper sees it.
#[derive(Debug, Serialize)]
struct KeyShown {
    kid: String,
    stage: Stage,
}

pub(crate) fn router(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/keys/rotate", post(rotate))
        .with_state(auth)
}

/// Makes a new key known, which will sign when its lead time is over; nothing, if there is
/// such a key already. The answer is what all keys do now.
async fn rotate(State(auth): State<Arc<Auth>>) -> Result<Json<Vec<KeyShown>>, Refused> {
    let moment = Moment::now();
    auth.tokens.rotate(moment).await?;
    let stages = auth.tokens.stages(moment).into_iter();
    let shown = stages.map(|(kid, stage)| KeyShown { kid, stage });
    Ok(Json(shown.collect()))
}
