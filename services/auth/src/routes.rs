//! Login and introspection, as HTTP.

use crate::{Auth, password::PasswordError, store::StoreError, token::Claims};
use axum::{Router, extract::State, routing::post};
use chassis::{Json, Refusal};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use types::{
    Problem,
    auth::{IntrospectRequest, Introspection, LoginRequest, LoginResponse},
};

/// The longest password looked at, in bytes.
const MAX_PASSWORD: usize = 1024;

pub(crate) fn router(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/v1/login", post(login))
        .route("/v1/introspect", post(introspect))
        .with_state(auth)
}

/// `POST /v1/login`: a token for a name and its password.
async fn login(
    State(auth): State<Arc<Auth>>,
    Json(request): Json<LoginRequest>,
) -> Result<Json<LoginResponse>, Refusal> {
    let length = request.password.len();
    if length > MAX_PASSWORD {
        let detail = format!("password: has {length} bytes; allowed: up to {MAX_PASSWORD}");
        return Err(Refusal::bad_request(detail));
    }
    let account = auth.store.account(&request.username).await?;
    let (id, hash) = account.map(|found| (found.id, found.password_hash)).unzip();
    let good = auth.passwords.check(request.password, hash).await?;
    let token = id
        .filter(|_| good)
        .and_then(|id| auth.tokens.issue(&id, now()));
    token.map(Json).ok_or_else(wrong_credentials)
}

/// `POST /v1/introspect`: whether a token is good, and whose it is (after RFC 7662).
async fn introspect(
    State(auth): State<Arc<Auth>>,
    Json(request): Json<IntrospectRequest>,
) -> Result<Json<Introspection>, Refusal> {
    let claims = match auth.tokens.check(&request.token, now()) {
        Some(claims) if auth.store.user_exists(&claims.sub).await? => Some(claims),
        _ => None,
    };
    Ok(Json(answer(claims)))
}

fn answer(claims: Option<Claims>) -> Introspection {
    let active = claims.is_some();
    let (subject, expires_at) = claims.map(|claims| (claims.sub, claims.exp)).unzip();
    Introspection {
        active,
        subject,
        expires_at,
    }
}

/// The same for a wrong name and a wrong password: which one it was is nobody's business.
fn wrong_credentials() -> Refusal {
    let title = "The name or the password is wrong";
    Problem::new(401, "wrong-credentials", title).into()
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Self {
        Self::internal(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key::Key,
        password::tests::cheap,
        seed,
        store::{SqliteStore, Store},
        token::Tokens,
    };
    use axum::body::{Body, to_bytes};
    use http::{Request, StatusCode, header::CONTENT_TYPE};
    use serde::Serialize;
    use serde_json::{Value, json};
    use std::time::Duration;
    use stores::StoreUrl;
    use tower::ServiceExt;

    fn tokens() -> Tokens {
        let key = Key::load(&Key::generate().unwrap()).unwrap();
        Tokens::new(vec![key], Duration::from_mins(1))
    }

    async fn auth() -> Arc<Auth> {
        let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
        let passwords = cheap().await;
        seed::accounts(&store, &passwords, 2).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let tokens = tokens();
        Arc::new(Auth {
            store,
            passwords,
            tokens,
        })
    }

    async fn send(auth: &Arc<Auth>, path: &str, body: &impl Serialize) -> (StatusCode, Value) {
        let body = serde_json::to_vec(body).unwrap();
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).unwrap();
        let response = router(auth.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn active(auth: &Arc<Auth>, token: &str) -> Value {
        let (status, body) = send(auth, "/v1/introspect", &json!({ "token": token })).await;
        assert_eq!(status, 200);
        body
    }

    #[tokio::test]
    async fn a_token_from_a_login_is_active_and_names_the_user() {
        let auth = auth().await;
        let login = json!({ "username": "user-2", "password": "password-2" });
        let (status, answer) = send(&auth, "/v1/login", &login).await;
        assert_eq!(status, 200);
        let body = active(&auth, answer["token"].as_str().unwrap()).await;
        assert_eq!(body["active"], true);
        assert_eq!(body["subject"], "user-2");
        assert_eq!(body["expires_at"], answer["expires_at"]);
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
        let auth = auth().await;
        let login = |username: &str, password: &str| LoginRequest {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        let refused = async |request| login_refused(&auth, request).await;
        let wrong = refused(login("user-1", "password-2")).await;
        assert_eq!(wrong.status, 401);
        assert_eq!(refused(login("user-3", "password-1")).await, wrong);
        assert_eq!(refused(login("", "")).await, wrong);
        let long = refused(login("user-1", &"x".repeat(MAX_PASSWORD + 1))).await;
        assert_eq!(long.status, 400);
        assert!(long.detail.unwrap().contains("password: has 1025 bytes"));
    }

    async fn login_refused(auth: &Arc<Auth>, request: LoginRequest) -> Problem {
        match login(State(auth.clone()), Json(request)).await {
            Err(Refusal(problem)) => *problem,
            Ok(_) => panic!("was let in"),
        }
    }

    #[tokio::test]
    async fn a_token_that_is_not_good_is_inactive_and_no_failure() {
        let auth = auth().await;
        let issue = |tokens: &Tokens, user: &str, now| tokens.issue(user, now).unwrap().token;
        let inactive = json!({ "active": false });
        for token in [
            String::new(),
            "garbage".to_owned(),
            "a.b.c".to_owned(),
            issue(&tokens(), "user-1", now()),
            issue(&auth.tokens, "user-1", now() - 3600),
            issue(&auth.tokens, "user-3", now()),
        ] {
            assert_eq!(active(&auth, &token).await, inactive, "{token}");
        }
        assert_eq!(
            active(&auth, &issue(&auth.tokens, "user-1", now())).await["active"],
            true
        );
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_it_should_be_is_refused() {
        let auth = auth().await;
        for path in ["/v1/login", "/v1/introspect"] {
            assert_eq!(send(&auth, path, &json!({ "x": 1 })).await.0, 422);
            let plain = Request::post(path).body(Body::from("{}")).unwrap();
            let response = router(auth.clone()).oneshot(plain).await.unwrap();
            assert_eq!(response.status(), 415);
        }
    }
}
