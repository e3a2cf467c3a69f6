//! `GET /v1/events`: what was recorded, for those who may know.

use crate::{
    authorization::{User, Wish},
    chain::Chain,
};
use axum::extract::{Query, State, rejection::QueryRejection};
use chassis::{
    Json, Refusal, RequestContext,
    openapi::{BadRequest, ChainFailures, Forbidden, NotFound, Unauthorized},
};
use serde::Deserialize;
use std::sync::Arc;
use types::audit::Events;

/// Which part of the log is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// The sequence of the last event that is known already.
    #[serde(default)]
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    after: u64,
    /// The most events in one answer.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 1000)]
    limit: u32,
}

const fn usual_limit() -> u32 {
    100
}

/// A part of the log of events.
#[utoipa::path(get, path = "/v1/events", params(Part), security(("bearer" = [])), responses(
    (status = 200, description = "The events after the one that is known", body = Events),
    BadRequest, Unauthorized, Forbidden, NotFound, ChainFailures,
))]
pub(crate) async fn read(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    user: User,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Events>, Refusal> {
    let Query(Part { after, limit }) =
        part.map_err(|error| Refusal::bad_request(error.body_text()))?;
    user.check(Wish::ReadEvents)?;
    chain.events(&context, after, limit).await.map(Json)
}
