//! Accounts and sessions: `POST /v1/accounts`, `/v1/login` and `/v1/logout`.

use crate::{
    bearer::Bearer,
    chain::Chain,
    soft::{Quality, Soft},
};
use axum::{extract::State, response::Response};
use chassis::{
    Json, PeerAddress, Refusal, RequestContext,
    openapi::{BadBody, ChainFailures, Conflict, TooManyRequests, Unauthorized},
};
use http::StatusCode;
use std::sync::Arc;
use types::{
    audit::NewEvent,
    auth::{LoginRequest, LoginResponse, RegisterRequest},
    profile::{Profile, PutProfile},
};

/// Creates an account with a profile and an empty page.
///
/// Two services take part, and the second may fail. Whoever got no answer, or a failure,
/// sends the same again: what is there already stays, and what is missing is created.
#[utoipa::path(post, path = "/v1/accounts", responses(
    (status = 201, description = "The account is there", body = Profile),
    BadBody, Conflict, TooManyRequests, ChainFailures,
))]
pub(crate) async fn create(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    client: Option<PeerAddress>,
    Json(request): Json<RegisterRequest>,
) -> Result<Response, Refusal> {
    let user = chain.register(&context, client, &request).await?;
    let new = PutProfile {
        display_name: user.clone(),
        language: "en".to_owned(),
    };
    let profile = chain.create_profile(&context, &user, &new).await?;
    // One account is one event, however often it is sent.
    let event = NewEvent {
        key: format!("account.create:{user}"),
        actor: user,
        action: "account.create".to_owned(),
    };
    let recorded = chain.record(&context, event).await;
    let mut quality = Quality::of(&chain.soft);
    quality.take(Soft::Audit, recorded)?;
    Ok(quality.mark((StatusCode::CREATED, Json(profile))))
}

/// A token for a name and its password.
#[utoipa::path(post, path = "/v1/login", responses(
    (status = 200, description = "The password is right", body = LoginResponse),
    BadBody, Unauthorized, TooManyRequests, ChainFailures,
))]
pub(crate) async fn login(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    client: Option<PeerAddress>,
    Json(request): Json<LoginRequest>,
) -> Result<Json<LoginResponse>, Refusal> {
    chain.login(&context, client, &request).await.map(Json)
}

/// Makes the token that the request carries bad, from the answer on. Sent again, because the
/// answer was lost, it has the same answer.
#[utoipa::path(post, path = "/v1/logout", security(("bearer" = [])), responses(
    (status = 204, description = "The token is not good any more, if it ever was"),
    Unauthorized, ChainFailures,
))]
pub(crate) async fn logout(
    State(chain): State<Arc<Chain>>,
    context: RequestContext,
    Bearer(token): Bearer,
) -> Result<StatusCode, Refusal> {
    chain.revoke(&context, token).await?;
    Ok(StatusCode::NO_CONTENT)
}
