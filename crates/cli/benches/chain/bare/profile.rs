//! The profile, and what the user's page consists of.

use super::Answer;
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use sqlx::{SqlitePool, query_as};
use types::profile::{Profile, View};

pub fn router(store: SqlitePool) -> Router {
    Router::new()
        .route("/v1/profiles/{user}/view", get(view))
        .with_state(store)
}

/// The profile beside each key of the page.
type Row = (String, String, String, String, Option<String>);

const VIEW: &str = "
    SELECT profiles.user, display_name, language, collection, record_key
    FROM profiles LEFT JOIN page_records ON page_records.user = profiles.user
    WHERE profiles.user = ?
    ORDER BY position";

async fn view(State(store): State<SqlitePool>, Path(user): Path<String>) -> Answer<View> {
    let rows: Vec<Row> = query_as(VIEW).bind(&user).fetch_all(&store).await?;
    let mut rows = rows.into_iter();
    let first = rows.next().ok_or(sqlx::Error::RowNotFound)?;
    let (user, display_name, language, collection, key) = first;
    let keys = key.into_iter().chain(rows.filter_map(|row| row.4));
    Ok(Json(View {
        profile: Profile {
            user,
            display_name,
            language,
        },
        collection,
        keys: keys.collect(),
    }))
}
