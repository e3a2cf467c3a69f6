//! Introspection: the signature, the claims, the account; once for each token, as in the real
//! service.

use super::Answer;
use axum::{Json, Router, extract::State, routing::post};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::Deserialize;
use sqlx::{SqlitePool, query_scalar};
use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use types::auth::{IntrospectRequest, Introspection};

struct Auth {
    store: SqlitePool,
    key: Ed25519KeyPair,
    /// Tokens that were found good.
    known: Mutex<HashMap<String, Claims>>,
}

pub async fn router(store: SqlitePool) -> Result<Router, Box<dyn Error>> {
    let last = "SELECT pkcs8 FROM signing_keys ORDER BY place DESC LIMIT 1";
    let pkcs8: Vec<u8> = query_scalar(last).fetch_one(&store).await?;
    let key = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|error| error.to_string())?;
    let known = Mutex::default();
    let auth = Arc::new(Auth { store, key, known });
    Ok(Router::new()
        .route("/v1/introspect", post(introspect))
        .with_state(auth))
}

async fn introspect(
    State(auth): State<Arc<Auth>>,
    Json(request): Json<IntrospectRequest>,
) -> Answer<Introspection> {
    let claims = match auth.known(&request.token) {
        None => auth.look_up(request.token).await?,
        known => known,
    };
    let active = claims.is_some();
    let (subject, expires_at) = claims.map(|claims| (claims.sub, claims.exp)).unzip();
    Ok(Json(Introspection {
        active,
        subject,
        expires_at,
        ..Introspection::default()
    }))
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
}

impl Auth {
    fn known(&self, token: &str) -> Option<Claims> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = known.get(token).cloned()?;
        (now()? < claims.exp).then_some(claims)
    }

    async fn look_up(&self, token: String) -> Result<Option<Claims>, sqlx::Error> {
        let Some(claims) = self.check(&token) else {
            return Ok(None);
        };
        if !self.user_exists(&claims.sub).await? {
            return Ok(None);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(token, claims.clone());
        Ok(Some(claims))
    }

    fn check(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, payload) = signed.split_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        let public = UnparsedPublicKey::new(&ED25519, self.key.public_key());
        public.verify(signed.as_bytes(), &signature).ok()?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
        let good = claims.iss == "nines-auth" && claims.aud == "nines" && now()? < claims.exp;
        good.then_some(claims)
    }

    async fn user_exists(&self, id: &str) -> Result<bool, sqlx::Error> {
        let found: Option<i64> = query_scalar("SELECT 1 FROM accounts WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.store)
            .await?;
        Ok(found.is_some())
    }
}

fn now() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}
