//! Events, kept.

mod sqlite;

use async_trait::async_trait;
use types::audit::{Event, NewEvent, Verification};

pub(crate) use sqlite::SqliteStore;

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
pub(crate) struct StoreError(#[from] sqlx::Error);

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// Appends the events in their order, each once by its key; all or none. The answers
    /// are in the same order.
    async fn append(&self, events: &[NewEvent], now_ms: u64) -> Result<Vec<Appended>, StoreError>;
    /// Up to `limit` events after the sequence `after`.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError>;
    /// Checks the whole log as it is at one moment.
    async fn verify(&self) -> Result<Verification, StoreError>;
    /// Ends it; what was acknowledged is kept.
    async fn close(&self);
}
