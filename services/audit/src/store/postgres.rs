//! Events in PostgreSQL.

use super::{
    Appended, Row, Statements, Store, StoreError, append, event, head,
    verify::{self, Walk},
};
use crate::chain::{Hash, Head};
use async_trait::async_trait;
use sqlx::{query, query_as};
use stores::{Lent, OpenError, Postgres, PostgresUrl};
use types::{
    audit::{Event, NewEvent, Verification},
    service,
};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/postgres/0001_events.sql")];

pub(super) struct PostgresStore(Postgres);

impl PostgresStore {
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let store = Postgres::open(url, service::AUDIT, MIGRATIONS).await;
        store.map(Self)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn append(&self, events: &[NewEvent], now_ms: u64) -> Result<Vec<Appended>, StoreError> {
        let mut write = self.0.write().await?;
        let answers = append::append(&mut *write, events, now_ms).await?;
        write.commit().await?;
        Ok(answers)
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut connection = self.0.pool().acquire().await?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = connection.after(after, limit).await?;
        Ok(rows.into_iter().map(event).collect())
    }

    async fn verify(&self, noted: Option<Hash>) -> Result<Verification, StoreError> {
        // One picture of the end: the head belongs to the events that are read.
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut walk = Walk::new(noted);
        while verify::go_on(&mut self.0.pool().acquire().await?, &mut walk).await? {}
        let mut transaction = self.0.begin_with(BEGIN).await?;
        Ok(verify::end(&mut *transaction, walk).await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Statements for Lent {
    async fn head(&mut self) -> Result<Head, sqlx::Error> {
        let row = query_as("SELECT sequence, hash FROM head");
        head(row.fetch_one(self).await?)
    }

    async fn locked_head(&mut self) -> Result<Head, sqlx::Error> {
        let row = query_as("SELECT sequence, hash FROM head FOR UPDATE");
        head(row.fetch_one(self).await?)
    }

    async fn known(&mut self, keys: &[&str]) -> Result<Vec<Row>, sqlx::Error> {
        let rows = query_as(
            "SELECT sequence, recorded_at_ms, key, actor, action, hash FROM events
             WHERE key = ANY($1)",
        );
        rows.bind(keys).fetch_all(self).await
    }

    async fn after(&mut self, after: i64, limit: u32) -> Result<Vec<Row>, sqlx::Error> {
        let rows = query_as(
            "SELECT sequence, recorded_at_ms, key, actor, action, hash FROM events
             WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        );
        let rows = rows.bind(after).bind(i64::from(limit));
        rows.fetch_all(self).await
    }

    /// In one statement: each would be a round trip, with the head locked.
    async fn insert(&mut self, rows: &[Row]) -> Result<(), sqlx::Error> {
        let numbers = |of: fn(&Row) -> i64| rows.iter().map(of).collect::<Vec<_>>();
        let texts = |of: fn(&Row) -> &str| rows.iter().map(of).collect::<Vec<_>>();
        let hashes: Vec<&[u8]> = rows.iter().map(|row| &*row.5).collect();
        query(
            "INSERT INTO events (sequence, recorded_at_ms, key, actor, action, hash)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[])",
        )
        .bind(numbers(|row| row.0))
        .bind(numbers(|row| row.1))
        .bind(texts(|row| &row.2))
        .bind(texts(|row| &row.3))
        .bind(texts(|row| &row.4))
        .bind(hashes)
        .execute(self)
        .await
        .map(drop)
    }

    async fn move_head(&mut self, head: &Head) -> Result<(), sqlx::Error> {
        query("UPDATE head SET sequence = $1, hash = $2")
            .bind(head.sequence.cast_signed())
            .bind(&head.hash[..])
            .execute(self)
            .await
            .map(drop)
    }
}
