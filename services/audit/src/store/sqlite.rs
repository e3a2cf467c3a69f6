//! Events in SQLite.

mod verify;

use super::{Appended, Store, StoreError};
use crate::chain::{Hash, Head, hex};
use async_trait::async_trait;
use sqlx::{SqliteConnection, query, query_as};
use stores::{OpenError, Sqlite, StoreUrl};
use types::audit::{Event, NewEvent, Verification};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_events.sql")];

/// An event as it is kept.
type Row = (i64, i64, String, String, String, Vec<u8>);

pub(crate) struct SqliteStore(Sqlite);

impl SqliteStore {
    pub(crate) async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, events: &[NewEvent], now_ms: u64) -> Result<Vec<Appended>, StoreError> {
        let mut transaction = self.0.write().await?;
        let start = read_head(&mut transaction).await?;
        let mut head = start;
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            answers.push(append(&mut transaction, &mut head, event, now_ms).await?);
        }
        if head != start {
            write_head(&mut transaction, &head).await?;
        }
        transaction.commit().await?;
        Ok(answers)
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut connection = self.0.readers().acquire().await?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = rows(&mut connection, after, limit).await?;
        Ok(rows.into_iter().map(event).collect())
    }

    async fn verify(&self) -> Result<Verification, StoreError> {
        // One transaction: the head belongs to the events that are read.
        let mut transaction = self.0.readers().begin().await?;
        Ok(verify::log(&mut transaction).await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// Appends one event and moves `head` on, unless its key is in the log already.
async fn append(
    connection: &mut SqliteConnection,
    head: &mut Head,
    new: &NewEvent,
    now_ms: u64,
) -> Result<Appended, sqlx::Error> {
    let next = head.next(new, now_ms);
    let row = row(&next, new, now_ms);
    if !insert(connection, &row).await? {
        return earlier(connection, new).await;
    }
    *head = next;
    Ok(Appended::Recorded(event(row)))
}

/// Whether the row is now there; if not, its key was there before.
async fn insert(connection: &mut SqliteConnection, row: &Row) -> Result<bool, sqlx::Error> {
    let (sequence, recorded_at_ms, key, actor, action, hash) = row;
    let inserted = query(
        "INSERT INTO events (sequence, recorded_at_ms, key, actor, action, hash)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
    )
    .bind(sequence)
    .bind(recorded_at_ms)
    .bind(key)
    .bind(actor)
    .bind(action)
    .bind(hash);
    Ok(inserted.execute(connection).await?.rows_affected() == 1)
}

/// The event that has the key of `new`, if it is the same one.
async fn earlier(
    connection: &mut SqliteConnection,
    new: &NewEvent,
) -> Result<Appended, sqlx::Error> {
    let row = query_as(
        "SELECT sequence, recorded_at_ms, key, actor, action, hash FROM events WHERE key = ?",
    );
    let earlier = event(row.bind(&new.key).fetch_one(connection).await?);
    if earlier.actor == new.actor && earlier.action == new.action {
        Ok(Appended::Recorded(earlier))
    } else {
        Ok(Appended::KeyReused)
    }
}

async fn rows(
    connection: &mut SqliteConnection,
    after: i64,
    limit: u32,
) -> Result<Vec<Row>, sqlx::Error> {
    let rows = query_as(
        "SELECT sequence, recorded_at_ms, key, actor, action, hash FROM events
         WHERE sequence > ? ORDER BY sequence LIMIT ?",
    );
    rows.bind(after).bind(limit).fetch_all(connection).await
}

async fn read_head(connection: &mut SqliteConnection) -> Result<Head, sqlx::Error> {
    let (sequence, hash): (i64, Vec<u8>) = query_as("SELECT sequence, hash FROM head")
        .fetch_one(connection)
        .await?;
    let hash = Hash::try_from(hash).map_err(|_| sqlx::Error::Decode("no SHA-256".into()))?;
    Ok(Head {
        sequence: sequence.cast_unsigned(),
        hash,
    })
}

async fn write_head(connection: &mut SqliteConnection, head: &Head) -> Result<(), sqlx::Error> {
    query("UPDATE head SET sequence = ?, hash = ?")
        .bind(head.sequence.cast_signed())
        .bind(&head.hash[..])
        .execute(connection)
        .await?;
    Ok(())
}

fn row(head: &Head, new: &NewEvent, now_ms: u64) -> Row {
    let NewEvent { key, actor, action } = new.clone();
    let (sequence, now_ms) = (head.sequence.cast_signed(), now_ms.cast_signed());
    (sequence, now_ms, key, actor, action, head.hash.to_vec())
}

fn event((sequence, recorded_at_ms, key, actor, action, hash): Row) -> Event {
    Event {
        sequence: sequence.cast_unsigned(),
        recorded_at_ms: recorded_at_ms.cast_unsigned(),
        key,
        actor,
        action,
        hash: hex(&hash),
    }
}

#[cfg(test)]
mod tests;
