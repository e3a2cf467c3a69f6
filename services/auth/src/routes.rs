//! The routes, and those handlers that are about tokens.

use crate::{Auth, login, moment::Moment, refused::Refused, registration};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Json,
    openapi::{BadBody, Failures, WriteFailures},
};
use http::header::CACHE_CONTROL;
use std::sync::Arc;
use token::Claims;
use types::auth::{IntrospectRequest, Introspection, JwkSet, RevokeRequest, RevokeResponse};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn router() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::default()
        .routes(routes!(registration::register))
        .routes(routes!(login::login))
        .routes(routes!(introspect))
        .routes(routes!(revoke))
        .routes(routes!(keys))
}

/// Whether a token is good, and whose it is (after RFC 7662).
///
/// A token that is not good is an answer and no failure.
#[utoipa::path(post, path = "/v1/introspect", request_body = IntrospectRequest, responses(
    (status = 200, description = "What the token says, if it is good", body = Introspection),
    BadBody, Failures,
))]
async fn introspect(
    State(auth): State<Arc<Auth>>,
    Json(request): Json<IntrospectRequest>,
) -> Result<Json<Introspection>, Refused> {
    let claims = auth.tokens.check(&request.token, Moment::now()).await?;
    Ok(Json(
        claims.map(|claims| answer(&claims)).unwrap_or_default(),
    ))
}

fn answer(claims: &Claims) -> Introspection {
    Introspection {
        active: true,
        subject: Some(claims.sub.clone()),
        expires_at: Some(claims.exp),
        roles: claims.roles.clone(),
    }
}

/// Makes a token good no more, for every replica, before the answer (after RFC 7009).
///
/// A token that was not good gets the same answer. It takes as long as a lease.
#[utoipa::path(post, path = "/v1/revoke", request_body = RevokeRequest, responses(
    (status = 200, description = "The token is not good, or no longer", body = RevokeResponse,
        links(("introspect" = (operation_id = "introspect", request_body = "$request.body")))),
    BadBody, WriteFailures,
))]
async fn revoke(
    State(auth): State<Arc<Auth>>,
    Json(request): Json<RevokeRequest>,
) -> Result<Json<RevokeResponse>, Refused> {
    auth.tokens.revoke(&request.token, Moment::now()).await?;
    Ok(Json(RevokeResponse { active: false }))
}

/// The public keys that verify tokens (RFC 7517).
///
/// A copy may be kept for as long as the answer says: by then a new key does not sign yet.
#[utoipa::path(get, path = "/.well-known/jwks.json", responses(
    (status = 200, description = "The keys, oldest first", body = JwkSet,
        headers(("cache-control" = String, description = "For how long a copy is good"))),
    Failures,
))]
async fn keys(State(auth): State<Arc<Auth>>) -> Result<Response, Refused> {
    let (keys, age) = auth.tokens.public_keys(Moment::now()).await?;
    let kept = format!("public, max-age={}", age.as_secs());
    Ok(([(CACHE_CONTROL, kept)], Json(keys)).into_response())
}

#[cfg(test)]
mod tests;
