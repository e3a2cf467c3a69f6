//! The records of a page.

use super::Answer;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use serde::Deserialize;
use sqlx::{SqlitePool, query_as};
use types::database::{Record, Records};

pub fn router(store: SqlitePool) -> Router {
    Router::new()
        .route("/v1/records/{collection}", get(records))
        .with_state(store)
}

#[derive(Deserialize)]
struct Wanted {
    keys: String,
}

const RECORDS: &str = "
    SELECT records.key, records.version, records.value
    FROM json_each(?2) AS wanted CROSS JOIN records
    WHERE records.collection = ?1 AND records.key = wanted.value
    ORDER BY wanted.key";

async fn records(
    State(store): State<SqlitePool>,
    Path(collection): Path<String>,
    Query(Wanted { keys }): Query<Wanted>,
) -> Answer<Records> {
    let keys: Vec<_> = keys.split(',').collect();
    let rows: Vec<(String, i64, String)> = query_as(RECORDS)
        .bind(&collection)
        .bind(serde_json::to_string(&keys)?)
        .fetch_all(&store)
        .await?;
    let mut records = Vec::with_capacity(rows.len());
    for (key, version, value) in rows {
        records.push(Record {
            collection: collection.clone(),
            key,
            version: version.cast_unsigned(),
            value: serde_json::from_str(&value)?,
        });
    }
    Ok(Json(Records {
        records,
        next: None,
    }))
}
