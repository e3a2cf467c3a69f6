//! `POST /v1/login`: a token for a name and its password.

use crate::{Auth, address::ClientAddress, moment::Moment, refused::Refused, store::Account};
use axum::extract::State;
use chassis::{
    Json, Refusal,
    openapi::{BadBody, TooManyRequests, Unauthorized, WriteFailures},
};
use std::sync::Arc;
use types::{
    Cause, Problem,
    auth::{LoginRequest, LoginResponse, PASSWORD_LENGTH, is_username},
};

/// A token for a name and its password.
///
/// A wrong name and a wrong password get the same answer, after the same work.
#[utoipa::path(post, path = "/v1/login", request_body = LoginRequest, responses(
    (status = 200, description = "A token", body = LoginResponse, links(
        ("introspect" = (operation_id = "introspect",
            request_body = json!({ "token": "$response.body#/token" }))),
        ("revoke" = (operation_id = "revoke",
            request_body = json!({ "token": "$response.body#/token" }))),
    )),
    BadBody, Unauthorized, TooManyRequests, WriteFailures,
))]
pub(crate) async fn login(
    State(auth): State<Arc<Auth>>,
    ClientAddress(address): ClientAddress,
    Json(request): Json<LoginRequest>,
) -> Result<Json<LoginResponse>, Refused> {
    let LoginRequest { username, password } = request;
    check_length(&password)?;
    auth.limits.admit(&username, address)?;
    let account = find(&auth, &username).await?;
    let account = authenticate(&auth, account, password).await?;
    let account = account.ok_or_else(wrong_credentials)?;
    let issued = auth
        .tokens
        .issue(&account.id, &account.roles, Moment::now());
    let token = issued.await?.ok_or_else(no_key)?;
    Ok(Json(token))
}

/// The account of that name. What can't be a name is nobody's, and no database is asked with
/// it: one may refuse characters that another takes.
async fn find(auth: &Auth, username: &str) -> Result<Option<Account>, Refused> {
    if !is_username(username) {
        return Ok(None);
    }
    Ok(auth.store.account(username).await?)
}

/// The account, if it is there and `password` is its own.
///
/// The password is known only now: a hash that was made when hashes cost less is made anew.
async fn authenticate(
    auth: &Auth,
    account: Option<Account>,
    password: String,
) -> Result<Option<Account>, Refused> {
    let hash = account.as_ref().map(|found| found.password_hash.clone());
    let is_weak = |hash: &String| auth.passwords.are_stronger_than(hash);
    let again = hash
        .as_ref()
        .filter(|hash| is_weak(hash))
        .map(|_| password.clone());
    if !auth.passwords.check(password, hash).await? {
        return Ok(None);
    }
    if let (Some(account), Some(password)) = (&account, again) {
        strengthen(auth, account, password).await;
    }
    Ok(account)
}

/// Keeps a hash of what hashes cost now. If that fails, the next login does it.
async fn strengthen(auth: &Auth, account: &Account, password: String) {
    let strengthened: Result<(), Box<dyn std::error::Error + Send + Sync>> = async {
        let hash = auth.passwords.hash(password).await?;
        let replaced = auth
            .store
            .replace_hash(&account.id, &account.password_hash, &hash);
        Ok(replaced.await?)
    }
    .await;
    if let Err(error) = strengthened {
        tracing::warn!(%error, "a password hash could not be made stronger");
    }
}

/// A password that is too long was never set; hashing it would only cost time.
fn check_length(password: &str) -> Result<(), Refusal> {
    let (length, most) = (password.chars().count(), *PASSWORD_LENGTH.end());
    if length <= most {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "password: has {length} characters; allowed: up to {most}"
    )))
}

/// The same for a wrong name and a wrong password: which one it was is nobody's business.
fn wrong_credentials() -> Problem {
    let title = "The name or the password is wrong";
    Problem::new(401, "wrong-credentials", title)
}

fn no_key() -> Problem {
    tracing::error!("there is no signing key, or no randomness");
    let problem = Problem::new(500, "internal", "The service failed");
    problem.cause(Cause::Error).retryable(true)
}
