//! Records in SQLite.

use super::{
    Change, Changed, Place, Record, Row, Seed, Store, StoreError,
    change::{self, Announced, Answer, Current, Transaction},
    oldest_kept, records,
};
use async_trait::async_trait;
use sqlx::{query, query_as};
use stores::{OpenError, Sqlite, SqliteUrl, SqliteWrite};

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_records_and_answers.sql"),
    include_str!("../../migrations/sqlite/0002_outbox.sql"),
];

/// One statement whatever the number of keys, so that it is prepared once. The order of
/// the keys is that of the array; its column `key` is the place in it.
const RECORDS: &str = "
    SELECT records.key, records.version, records.value
    FROM json_each(?2) AS wanted CROSS JOIN records
    WHERE records.collection = ?1 AND records.key = wanted.value AND records.value IS NOT NULL
    ORDER BY wanted.key";

pub(super) struct SqliteStore(pub(super) Sqlite);

impl SqliteStore {
    pub(super) async fn open(url: &SqliteUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn records(&self, collection: &str, keys: &[&str]) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<Row> = query_as(RECORDS)
            .bind(collection)
            .bind(serde_json::to_string(keys)?)
            .fetch_all(self.0.readers())
            .await?;
        records(collection, rows)
    }

    async fn list(
        &self,
        collection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = query_as(
            "SELECT key, version, value FROM records
             WHERE collection = ? AND key > ? AND value IS NOT NULL ORDER BY key LIMIT ?",
        );
        let rows = rows.bind(collection).bind(after).bind(limit);
        records(collection, rows.fetch_all(self.0.readers()).await?)
    }

    async fn change(&self, change: &Change) -> Result<Changed, StoreError> {
        let mut write = self.0.write().await?;
        let changed = change::make(&mut write, change).await?;
        write.commit().await?;
        Ok(changed)
    }

    async fn create_missing(&self, seeds: &[Seed]) -> Result<(), StoreError> {
        let mut write = self.0.write_of_its_own().await?;
        for Seed { place, value } in seeds {
            query("INSERT INTO records (collection, key, version, value) VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING")
                .bind(&place.collection)
                .bind(&place.key)
                .bind(value.to_string())
                .execute(&mut *write)
                .await?;
        }
        Ok(write.commit().await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// There is one writer at a time, so that nothing needs a lock of its own.
#[async_trait]
impl Transaction for SqliteWrite {
    async fn answer(&mut self, key: &str, now_ms: u64) -> Result<Option<Answer>, sqlx::Error> {
        let row: Option<(Vec<u8>, i64, bool)> = query_as(
            "SELECT fingerprint, version, created FROM answers
             WHERE idempotency_key = ? AND written_at_ms >= ?",
        )
        .bind(key)
        .bind(oldest_kept(now_ms))
        .fetch_optional(&mut **self)
        .await?;
        Ok(row.map(Answer::from))
    }

    async fn current(&mut self, place: &Place) -> Result<Current, sqlx::Error> {
        let row: Option<(i64, bool)> = query_as(
            "SELECT version, value IS NOT NULL FROM records WHERE collection = ? AND key = ?",
        )
        .bind(&place.collection)
        .bind(&place.key)
        .fetch_optional(&mut **self)
        .await?;
        Ok(row.map(Current::from).unwrap_or_default())
    }

    async fn write(
        &mut self,
        place: &Place,
        version: u64,
        value: Option<String>,
    ) -> Result<(), sqlx::Error> {
        query(
            "INSERT INTO records (collection, key, version, value) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value",
        )
        .bind(&place.collection)
        .bind(&place.key)
        .bind(version.cast_signed())
        .bind(value)
        .execute(&mut **self)
        .await
        .map(drop)
    }

    async fn keep(&mut self, key: &str, answer: &Answer, now_ms: u64) -> Result<(), sqlx::Error> {
        query(
            "DELETE FROM answers WHERE idempotency_key IN (
                 SELECT idempotency_key FROM answers WHERE written_at_ms < ?
                 ORDER BY written_at_ms LIMIT 100)",
        )
        .bind(oldest_kept(now_ms))
        .execute(&mut **self)
        .await?;
        query(
            "INSERT INTO answers (idempotency_key, fingerprint, version, created, written_at_ms)
             VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET
                 fingerprint = excluded.fingerprint, version = excluded.version,
                 created = excluded.created, written_at_ms = excluded.written_at_ms",
        )
        .bind(key)
        .bind(&answer.fingerprint)
        .bind(answer.changed.version.cast_signed())
        .bind(answer.changed.created)
        .bind(now_ms.cast_signed())
        .execute(&mut **self)
        .await
        .map(drop)
    }

    async fn announce(&mut self, event: &Announced<'_>) -> Result<(), sqlx::Error> {
        query(
            "INSERT INTO outbox (collection, key, version, actor, action, request_id)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&event.place.collection)
        .bind(&event.place.key)
        .bind(event.version.cast_signed())
        .bind(event.actor)
        .bind(event.action)
        .bind(event.request_id)
        .execute(&mut **self)
        .await
        .map(drop)
    }
}
