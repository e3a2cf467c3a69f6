//! Records in PostgreSQL.

use super::{
    Change, Changed, Place, Record, Row, Seed, Store, StoreError,
    change::{self, Announced, Answer, Current, Transaction},
    oldest_kept, records,
};
use async_trait::async_trait;
use sqlx::{query, query_as};
use stores::{OpenError, Postgres, PostgresUrl, PostgresWrite};
use types::service;

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/postgres/0001_records_and_answers.sql"),
    include_str!("../../migrations/postgres/0002_outbox.sql"),
];

/// One statement whatever the number of keys, so that it is prepared once.
const RECORDS: &str = "
    SELECT records.key, records.version, records.value
    FROM unnest($2::text[]) WITH ORDINALITY AS wanted (key, place)
    JOIN records ON records.collection = $1 AND records.key = wanted.key
    WHERE records.value IS NOT NULL
    ORDER BY wanted.place";

pub(super) struct PostgresStore(pub(super) Postgres);

impl PostgresStore {
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let store = Postgres::open(url, service::DATABASE, MIGRATIONS).await;
        store.map(Self)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn records(&self, collection: &str, keys: &[&str]) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<Row> = query_as(RECORDS)
            .bind(collection)
            .bind(keys)
            .fetch_all(self.0.pool())
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
             WHERE collection = $1 AND key > $2 AND value IS NOT NULL ORDER BY key LIMIT $3",
        );
        let rows = rows.bind(collection).bind(after).bind(i64::from(limit));
        records(collection, rows.fetch_all(self.0.pool()).await?)
    }

    async fn change(&self, change: &Change) -> Result<Changed, StoreError> {
        let mut write = self.0.write().await?;
        let changed = change::make(&mut write, change).await?;
        write.commit().await?;
        Ok(changed)
    }

    async fn create_missing(&self, seeds: &[Seed]) -> Result<(), StoreError> {
        let column = |of: fn(&Seed) -> String| seeds.iter().map(of).collect::<Vec<_>>();
        let mut write = self.0.write_of_its_own().await?;
        query(
            "INSERT INTO records (collection, key, version, value)
             SELECT collection, key, 1, value
             FROM unnest($1::text[], $2::text[], $3::text[]) AS seeds (collection, key, value)
             ON CONFLICT DO NOTHING",
        )
        .bind(column(|seed| seed.place.collection.clone()))
        .bind(column(|seed| seed.place.key.clone()))
        .bind(column(|seed| seed.value.to_string()))
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Transaction for PostgresWrite {
    /// A row that is not there can't be locked, a number can: the key's.
    async fn answer(&mut self, key: &str, now_ms: u64) -> Result<Option<Answer>, sqlx::Error> {
        query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(key)
            .execute(&mut **self)
            .await?;
        let row: Option<(Vec<u8>, i64, bool)> = query_as(
            "SELECT fingerprint, version, created FROM answers
             WHERE idempotency_key = $1 AND written_at_ms >= $2",
        )
        .bind(key)
        .bind(oldest_kept(now_ms))
        .fetch_optional(&mut **self)
        .await?;
        Ok(row.map(Answer::from))
    }

    /// Where there is no row yet, one that was never written to is made: of two who want to
    /// be the first, the second waits for it, and then finds what the first has written.
    async fn current(&mut self, place: &Place) -> Result<Current, sqlx::Error> {
        if let Some(current) = locked(self, place).await? {
            return Ok(current);
        }
        query("INSERT INTO records (collection, key, version) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
            .bind(&place.collection)
            .bind(&place.key)
            .execute(&mut **self)
            .await?;
        Ok(locked(self, place).await?.unwrap_or_default())
    }

    async fn write(
        &mut self,
        place: &Place,
        version: u64,
        value: Option<String>,
    ) -> Result<(), sqlx::Error> {
        query("UPDATE records SET version = $3, value = $4 WHERE collection = $1 AND key = $2")
            .bind(&place.collection)
            .bind(&place.key)
            .bind(version.cast_signed())
            .bind(value)
            .execute(&mut **self)
            .await
            .map(drop)
    }

    /// Whoever else lets go of the same old answers is not waited for.
    async fn keep(&mut self, key: &str, answer: &Answer, now_ms: u64) -> Result<(), sqlx::Error> {
        query(
            "DELETE FROM answers WHERE idempotency_key IN (
                 SELECT idempotency_key FROM answers WHERE written_at_ms < $1
                 ORDER BY written_at_ms LIMIT 100 FOR UPDATE SKIP LOCKED)",
        )
        .bind(oldest_kept(now_ms))
        .execute(&mut **self)
        .await?;
        query(
            "INSERT INTO answers (idempotency_key, fingerprint, version, created, written_at_ms)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (idempotency_key) DO UPDATE SET
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
             VALUES ($1, $2, $3, $4, $5, $6)",
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

async fn locked(write: &mut PostgresWrite, place: &Place) -> Result<Option<Current>, sqlx::Error> {
    let row: Option<(i64, bool)> = query_as(
        "SELECT version, value IS NOT NULL FROM records
         WHERE collection = $1 AND key = $2 FOR UPDATE",
    )
    .bind(&place.collection)
    .bind(&place.key)
    .fetch_optional(&mut **write)
    .await?;
    Ok(row.map(Current::from))
}
