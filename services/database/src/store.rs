//! Records, kept.

mod sqlite;

use async_trait::async_trait;
use serde_json::Value;
use types::database::Record;

pub(crate) use sqlite::SqliteStore;

/// A write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    /// The collection.
    pub collection: String,
    /// The key in the collection.
    pub key: String,
    /// The new content.
    pub value: Value,
}

/// What makes a write happen once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Once {
    /// The idempotency key.
    pub key: String,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The idempotency key was used for another write.
    #[error("the idempotency key was used for another write")]
    KeyReused,
    /// The database failed.
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// What is kept is no JSON.
    #[error("a record is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// Those of the records that exist, in the order of `keys`.
    async fn records(&self, collection: &str, keys: &[&str]) -> Result<Vec<Record>, StoreError>;
    /// Writes a record and counts its version up. With `once`, the answer is kept in the
    /// same transaction, and the same write under the same key only gets that answer.
    async fn put(&self, write: Write, once: Option<Once>) -> Result<Record, StoreError>;
    /// Creates those that are missing, all or none; the others stay as they are.
    async fn create_missing(&self, writes: &[Write]) -> Result<(), StoreError>;
    /// Ends it; what was acknowledged is kept.
    async fn close(&self);
}
