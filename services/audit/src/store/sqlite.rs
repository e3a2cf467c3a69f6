//! Events in SQLite.

use super::{
    Appended, Row, Statements, Store, StoreError, append, event, head,
    verify::{self, Walk},
};
use crate::chain::{Hash, Head, hex};
use async_trait::async_trait;
use sqlx::{query, query_as};
use stores::{OpenError, Sqlite, SqliteLent, SqliteUrl};
use types::audit::{Event, NewEvent, Verification};

pub(super) const MIGRATIONS: &[&str] = &[include_str!("../../migrations/sqlite/0001_events.sql")];

pub(super) struct SqliteStore(Sqlite);

impl SqliteStore {
    pub(super) async fn open(url: &SqliteUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, events: &[NewEvent], now_ms: u64) -> Result<Vec<Appended>, StoreError> {
        let mut write = self.0.write().await?;
        let answers = append::append(&mut *write, events, now_ms).await?;
        write.commit().await?;
        Ok(answers)
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut connection = self.0.readers().acquire().await?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = connection.after(after, limit).await?;
        Ok(rows.into_iter().map(event).collect())
    }

    async fn verify(&self, noted: Option<Hash>) -> Result<Verification, StoreError> {
        let mut walk = Walk::new(noted);
        while verify::go_on(&mut self.0.readers().acquire().await?, &mut walk).await? {}
        let mut transaction = self.0.readers().begin().await?;
        Ok(verify::end(&mut *transaction, walk).await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Statements for SqliteLent {
    async fn head(&mut self) -> Result<Head, sqlx::Error> {
        let row = query_as("SELECT sequence, hash FROM head");
        head(row.fetch_one(self).await?)
    }

    /// There is one writer at a time.
    async fn locked_head(&mut self) -> Result<Head, sqlx::Error> {
        self.head().await
    }

    async fn known(&mut self, keys: &[&str]) -> Result<Vec<Row>, sqlx::Error> {
        let keys =
            serde_json::to_string(keys).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let rows = query_as(
            "SELECT sequence, recorded_at_ms, CAST(key AS BLOB), CAST(actor AS BLOB),
                    CAST(action AS BLOB), hash FROM events
             WHERE key IN (SELECT value FROM json_each(?))",
        );
        rows.bind(keys).fetch_all(self).await.map(readable)
    }

    async fn after(&mut self, after: i64, limit: u32) -> Result<Vec<Row>, sqlx::Error> {
        let rows = query_as(
            "SELECT sequence, recorded_at_ms, CAST(key AS BLOB), CAST(actor AS BLOB),
                    CAST(action AS BLOB), hash FROM events
             WHERE sequence > ? ORDER BY sequence LIMIT ?",
        );
        rows.bind(after)
            .bind(limit)
            .fetch_all(self)
            .await
            .map(readable)
    }

    async fn insert(&mut self, rows: &[Row]) -> Result<(), sqlx::Error> {
        for (sequence, recorded_at_ms, key, actor, action, hash) in rows {
            query(
                "INSERT INTO events (sequence, recorded_at_ms, key, actor, action, hash)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(sequence)
            .bind(recorded_at_ms)
            .bind(key)
            .bind(actor)
            .bind(action)
            .bind(hash)
            .execute(&mut *self)
            .await?;
        }
        Ok(())
    }

    async fn move_head(&mut self, head: &Head) -> Result<(), sqlx::Error> {
        query("UPDATE head SET sequence = ?, hash = ?")
            .bind(head.sequence.cast_signed())
            .bind(&head.hash[..])
            .execute(self)
            .await
            .map(drop)
    }
}

/// A row as it is in the file, in which SQLite takes any bytes for text.
type RawRow = (i64, i64, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

/// Rows that can be read whatever was done to the file: what is no text becomes one that no
/// event can have, so that it is found to be changed.
fn readable(rows: Vec<RawRow>) -> Vec<Row> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).unwrap_or_else(|it| format!("\0not UTF-8: {}", hex(it.as_bytes())))
    };
    let rows = rows.into_iter();
    let row = |(sequence, at, key, actor, action, hash): RawRow| {
        (sequence, at, text(key), text(actor), text(action), hash)
    };
    rows.map(row).collect()
}
