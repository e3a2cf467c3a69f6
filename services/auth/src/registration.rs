//! `POST /v1/accounts`: somebody new.
//!
//! Sent again with the same password, it is answered as before: whoever has not heard the
//! answer may ask again. That makes a registration an attempt to log in, for a name that is
//! taken, and it is limited as one.

use crate::{Auth, address::ClientAddress, refused::Refused, store::Account};
use axum::extract::State;
use chassis::{
    Json, Refusal,
    openapi::{BadBody, Conflict, TooManyRequests, WriteFailures},
};
use http::StatusCode;
use std::sync::Arc;
use types::{
    Problem,
    auth::{PASSWORD_LENGTH, RegisterRequest, RegisterResponse, USERNAME_ALLOWED, is_username},
};

/// Registers somebody new.
///
/// May be sent again, and is answered as before if the password is the same.
#[utoipa::path(post, path = "/v1/accounts", request_body = RegisterRequest, responses(
    (status = 201, description = "There is such an account, with this password",
        body = RegisterResponse,
        links(("login" = (operation_id = "login", request_body = "$request.body")))),
    BadBody, Conflict, TooManyRequests, WriteFailures,
))]
pub(crate) async fn register(
    State(auth): State<Arc<Auth>>,
    ClientAddress(address): ClientAddress,
    Json(request): Json<RegisterRequest>,
) -> Result<(StatusCode, Json<RegisterResponse>), Refused> {
    let RegisterRequest { username, password } = request;
    check(&username, &password)?;
    auth.limits.admit(&username, address)?;
    let account = match auth.store.account(&username).await? {
        Some(account) => recognise(&auth, account, password).await?,
        None => create(&auth, username, password).await?,
    };
    let user = account.id;
    Ok((StatusCode::CREATED, Json(RegisterResponse { user })))
}

async fn create(auth: &Auth, username: String, password: String) -> Result<Account, Refused> {
    let hash = auth.passwords.hash(password.clone()).await?;
    let account = Account::new(username, hash);
    if auth.store.register(&account).await? {
        return Ok(account);
    }
    // Somebody else was faster.
    let first = auth.store.account(&account.username).await?;
    recognise(auth, first.ok_or_else(name_taken)?, password).await
}

/// The account, if `password` is its own.
async fn recognise(auth: &Auth, account: Account, password: String) -> Result<Account, Refused> {
    let hash = account.password_hash.clone();
    if auth.passwords.check(password, Some(hash)).await? {
        Ok(account)
    } else {
        Err(name_taken().into())
    }
}

fn name_taken() -> Problem {
    let problem = Problem::new(409, "name-taken", "Somebody else has this name");
    problem
        .detail("username: is taken; allowed: another one, or the password it was registered with")
}

fn check(username: &str, password: &str) -> Result<(), Refusal> {
    if !is_username(username) {
        let shown: String = username.chars().take(64).collect();
        return Err(Refusal::bad_request(format!(
            "username: {shown:?}; allowed: {USERNAME_ALLOWED}"
        )));
    }
    let length = password.chars().count();
    if !PASSWORD_LENGTH.contains(&length) {
        let (least, most) = PASSWORD_LENGTH.into_inner();
        return Err(Refusal::bad_request(format!(
            "password: has {length} characters; allowed: {least} to {most}"
        )));
    }
    Ok(())
}
