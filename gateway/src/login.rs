//! `POST /v1/login`

use crate::chain::Chain;
use axum::extract::State;
use chassis::{Json, Refusal, RequestContext};
use std::sync::Arc;
use types::auth::{LoginRequest, LoginResponse};

/// A token for a name and its password.
pub(crate) async fn login(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    Json(request): Json<LoginRequest>,
) -> Result<Json<LoginResponse>, Refusal> {
    chain.login(&context, &request).await.map(Json)
}
