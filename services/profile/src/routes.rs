//! Profiles and views, as HTTP.

use crate::{
    check,
    store::{Store, StoreError},
};
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use chassis::{Json, Refusal};
use std::sync::Arc;
use types::profile::{Profile, PutProfile, View};

pub(crate) fn router(store: Arc<dyn Store>) -> Router {
    Router::new()
        .route("/v1/profiles/{user}", get(profile).put(put))
        .route("/v1/profiles/{user}/view", get(view))
        .with_state(store)
}

/// `GET /v1/profiles/{user}/view`: the profile, and what the user's page consists of.
async fn view(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
) -> Result<Json<View>, Refusal> {
    find(&*store, &user).await.map(Json)
}

/// `GET /v1/profiles/{user}`: the profile alone.
async fn profile(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
) -> Result<Json<Profile>, Refusal> {
    let view = find(&*store, &user).await?;
    Ok(Json(view.profile))
}

/// `PUT /v1/profiles/{user}`: writes the profile, and creates it where it is missing.
async fn put(
    State(store): State<Arc<dyn Store>>,
    Path(user): Path<String>,
    Json(put): Json<PutProfile>,
) -> Result<Json<Profile>, Refusal> {
    let checked = check::user(&user).and_then(|()| check::profile(&put));
    checked.map_err(Refusal::bad_request)?;
    let profile = Profile {
        user,
        display_name: put.display_name,
        language: put.language,
    };
    store.put(&profile).await?;
    Ok(Json(profile))
}

async fn find(store: &dyn Store, user: &str) -> Result<View, Refusal> {
    check::user(user).map_err(Refusal::bad_request)?;
    let view = store.view(user).await?;
    view.ok_or_else(|| Refusal::not_found(format!("user {user:?} has no profile")))
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed, store::SqliteStore};
    use axum::body::{Body, to_bytes};
    use http::{Request, StatusCode, header::CONTENT_TYPE};
    use serde_json::{Value, json};
    use stores::StoreUrl;
    use tower::ServiceExt;

    async fn seeded() -> Router {
        let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
        seed::profiles(&store, 1).await.unwrap();
        router(Arc::new(store))
    }

    async fn send(router: &Router, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn a_view_names_the_records_and_a_profile_does_not() {
        let router = seeded().await;
        let get = async |path| send(&router, "GET", path, &Value::Null).await;
        let (status, view) = get("/v1/profiles/user-1/view").await;
        assert_eq!(status, 200);
        assert_eq!(view["collection"], "pages");
        assert_eq!(view["keys"], json!(["user-1-1", "user-1-2", "user-1-3"]));
        let (status, profile) = get("/v1/profiles/user-1").await;
        assert_eq!((status, &profile), (StatusCode::OK, &view["profile"]));
        assert_eq!(get("/v1/profiles/user-2/view").await.0, 404);
        assert_eq!(get("/v1/profiles/user-2").await.0, 404);
        assert_eq!(get("/v1/profiles/a%2Fb/view").await.0, 400);
    }

    #[tokio::test]
    async fn a_profile_put_is_there_and_a_wrong_one_changes_nothing() {
        let router = seeded().await;
        let path = "/v1/profiles/user-1";
        let good = json!({ "display_name": "Ada", "language": "en-GB" });
        let (status, answer) = send(&router, "PUT", path, &good).await;
        assert_eq!(status, 200);
        for (wrong, status) in [
            (json!({ "display_name": "", "language": "en" }), 400),
            (json!({ "display_name": "A", "language": "english!" }), 400),
            (json!({ "display_name": "A" }), 422),
            (
                json!({ "display_name": "A", "language": "en", "x": 1 }),
                422,
            ),
        ] {
            assert_eq!(
                send(&router, "PUT", path, &wrong).await.0,
                status,
                "{wrong}"
            );
        }
        assert_eq!(
            send(&router, "PUT", "/v1/profiles/a%20b", &good).await.0,
            400
        );
        assert_eq!(send(&router, "GET", path, &Value::Null).await.1, answer);
    }
}
