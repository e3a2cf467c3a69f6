//! Events, kept.

mod append;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;
mod verify;

use crate::chain::{Hash, Head, hex};
use async_trait::async_trait;
use postgres::PostgresStore;
use sqlite::SqliteStore;
use std::sync::Arc;
use stores::{OpenError, StoreUrl};
use types::audit::{Event, NewEvent, Verification};

/// What became of an event to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is in the log, since now or since earlier.
    Recorded(Event),
    /// Its key is that of another event.
    KeyReused,
}

/// The store gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("the store failed: {0}")]
pub(crate) struct StoreError(#[from] pub sqlx::Error);

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// Appends the events in their order, each once by its key; all or none. The answers
    /// are in the same order.
    async fn append(&self, events: &[NewEvent], now_ms: u64) -> Result<Vec<Appended>, StoreError>;
    /// Up to `limit` events after the sequence `after`.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError>;
    /// Checks the whole log up to where it ends by then, and that it leads through `noted`, the
    /// hash of an event that somebody has noted earlier.
    async fn verify(&self, noted: Option<Hash>) -> Result<Verification, StoreError>;
    /// Ends it; what was acknowledged is kept.
    async fn close(&self);
}

/// Opens the store at `url`, whichever engine that is.
pub(crate) async fn open(url: &StoreUrl) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match url {
        StoreUrl::Sqlite(url) => Arc::new(SqliteStore::open(url).await?),
        StoreUrl::Postgres(url) => Arc::new(PostgresStore::open(url).await?),
    })
}

/// The statements that the log needs, within one transaction of an engine.
#[async_trait]
trait Statements: Send {
    /// Where the log has come to.
    async fn head(&mut self) -> Result<Head, sqlx::Error>;
    /// The same; and from here on nobody else appends, until the transaction ends.
    async fn locked_head(&mut self) -> Result<Head, sqlx::Error>;
    /// Those of the events that have one of these keys.
    async fn known(&mut self, keys: &[&str]) -> Result<Vec<Row>, sqlx::Error>;
    /// Up to `limit` events after the sequence `after`.
    async fn after(&mut self, after: i64, limit: u32) -> Result<Vec<Row>, sqlx::Error>;
    /// Adds events.
    async fn insert(&mut self, rows: &[Row]) -> Result<(), sqlx::Error>;
    /// Moves the head on.
    async fn move_head(&mut self, head: &Head) -> Result<(), sqlx::Error>;
}

/// An event as it is kept: sequence, time, key, actor, action, hash.
type Row = (i64, i64, String, String, String, Vec<u8>);

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

fn head((sequence, hash): (i64, Vec<u8>)) -> Result<Head, sqlx::Error> {
    let hash = Hash::try_from(hash).map_err(|_| sqlx::Error::Decode("no SHA-256".into()))?;
    Ok(Head {
        sequence: sequence.cast_unsigned(),
        hash,
    })
}
