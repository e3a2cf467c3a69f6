//! Profiles, views and pages, as HTTP.

use crate::{
    check, page,
    store::{Change, Kept, Store, StoreError, Written},
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
use serde::Serialize;
use std::sync::Arc;
use types::profile::{Page, Profile, PutProfile, View};
use utoipa_axum::{router::OpenApiRouter, routes};

type Answer<T> = Result<Versioned<Json<T>>, Refusal>;

pub(crate) fn router() -> OpenApiRouter<Arc<dyn Store>> {
    OpenApiRouter::default()
        .routes(routes!(read_profile, put_profile))
        .routes(routes!(read_view))
        .routes(routes!(read_page, put_page))
}

/// The profile, and what the user's page consists of.
#[utoipa::path(get, path = "/v1/profiles/{user}/view", params(
    ("user" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,47}$"),
    ConditionalHeaders,
), responses(
    (status = 200, description = "Both", body = View, headers(
        ("ETag" = String, description = "Their version, in quotes"),
    )),
    (status = 304, description = "The client has it already"),
    BadRequest, NotFound, PreconditionFailed, Failures,
))]
async fn read_view(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
    preconditions: Preconditions,
) -> Answer<View> {
    read(&*store, &user, &preconditions, |view| view).await
}

/// The profile alone.
#[utoipa::path(get, path = "/v1/profiles/{user}", params(
    ("user" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,47}$"),
    ConditionalHeaders,
), responses(
    (status = 200, description = "The profile", body = Profile, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    (status = 304, description = "The client has it already"),
    BadRequest, NotFound, PreconditionFailed, Failures,
))]
async fn read_profile(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
    preconditions: Preconditions,
) -> Answer<Profile> {
    read(&*store, &user, &preconditions, |view| view.profile).await
}

/// What the user's page consists of.
#[utoipa::path(get, path = "/v1/profiles/{user}/page", params(
    ("user" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,47}$"),
    ConditionalHeaders,
), responses(
    (status = 200, description = "The page", body = Page, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    (status = 304, description = "The client has it already"),
    BadRequest, NotFound, PreconditionFailed, Failures,
))]
async fn read_page(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
    preconditions: Preconditions,
) -> Answer<Page> {
    read(&*store, &user, &preconditions, page::of).await
}

/// Writes the profile. A user who had none gets a page as well: three records named after
/// them.
#[utoipa::path(put, path = "/v1/profiles/{user}", params(
    ("user" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,47}$"),
    ConditionalHeaders,
), responses(
    (status = 200, description = "It was replaced", body = Profile, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    (status = 201, description = "It is new", body = Profile, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    BadBody, NotFound, PreconditionFailed, WriteFailures,
))]
async fn put_profile(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
    preconditions: Preconditions,
    Json(put): Json<PutProfile>,
) -> Result<Response, Refusal> {
    let checked = check::user(&user).and_then(|()| check::profile(&put));
    checked.map_err(Refusal::bad_request)?;
    let change = Change::Profile(put);
    let written = store.change(&user, &change, &preconditions).await?;
    Ok(answer(written, |view| view.profile))
}

/// Writes what the page of a user consists of who has a profile.
#[utoipa::path(put, path = "/v1/profiles/{user}/page", params(
    ("user" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,47}$"),
    ConditionalHeaders,
), responses(
    (status = 200, description = "It was replaced", body = Page, headers(
        ("ETag" = String, description = "Its version, in quotes"),
    )),
    BadBody, NotFound, PreconditionFailed, WriteFailures,
))]
async fn put_page(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
    preconditions: Preconditions,
    Json(put): Json<Page>,
) -> Result<Response, Refusal> {
    let checked = check::user(&user).and_then(|()| check::page(&put));
    checked.map_err(Refusal::bad_request)?;
    let change = Change::Page(put);
    let written = store.change(&user, &change, &preconditions).await?;
    Ok(answer(written, page::of))
}

/// Reads what is kept of `user`, and shows `part` of it.
async fn read<T>(
    store: &dyn Store,
    user: &str,
    preconditions: &Preconditions,
    part: fn(View) -> T,
) -> Answer<T> {
    check::user(user).map_err(Refusal::bad_request)?;
    let Some(Kept { view, version }) = store.find(user).await? else {
        preconditions.check(None)?;
        let what = format!("user {user:?} has no profile");
        return Err(Refusal::not_found(what));
    };
    Ok(preconditions.read(version, Json(part(view)))?)
}

fn answer<T: Serialize>(Written { kept, created }: Written, part: fn(View) -> T) -> Response {
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, ETag(kept.version), Json(part(kept.view))).into_response()
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Precondition(failed) => failed.into(),
            StoreError::Missing => Self::not_found("the user has no profile"),
            StoreError::Failed(error) => stores::problem(&error).into(),
        }
    }
}

#[cfg(test)]
mod tests;
