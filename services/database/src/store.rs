//! Records, kept.

mod change;
mod outgoing;
mod postgres;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;
use chassis::conditional::{PreconditionFailed, Preconditions};
pub(crate) use outgoing::Outgoing;
use postgres::PostgresStore;
use sqlite::SqliteStore;
use std::{sync::Arc, time::Duration};
use stores::{OpenError, StoreUrl};
use types::{Content, database::Record};

/// How long an answer is kept for those who ask again.
const KEPT: Duration = Duration::from_hours(24);

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The collection.
    pub collection: String,
    /// The key in the collection.
    pub key: String,
}

/// What is to happen to a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// Which record.
    pub place: Place,
    /// Its new content; none to delete it.
    pub value: Option<Content>,
    /// What the client expects to be there.
    pub preconditions: Preconditions,
    /// The idempotency key: under it, the change happens once.
    pub once: Option<String>,
    /// Who is told to the audit log, where that is to hear of it.
    pub event: Option<Author>,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// On whose behalf a change is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Author {
    /// A user's identifier; `-` where nobody is known.
    pub actor: String,
    /// The request.
    pub request_id: String,
}

/// What has happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The version that it has now.
    pub version: u64,
    /// Whether there was none before.
    pub created: bool,
}

/// A record to start with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seed {
    /// Where it is.
    pub place: Place,
    /// Its content.
    pub value: Content,
}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The idempotency key was used for another change.
    #[error("the idempotency key was used for another change")]
    KeyReused,
    /// What is there is not what the client expects.
    #[error(transparent)]
    Precondition(#[from] PreconditionFailed),
    /// There is nothing to delete.
    #[error("there is no such record")]
    Missing,
    /// The database failed.
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// What is kept is no JSON.
    #[error("a record is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Outgoing + Send + Sync {
    /// Those of the records that exist, in the order of `keys`.
    async fn records(&self, collection: &str, keys: &[&str]) -> Result<Vec<Record>, StoreError>;
    /// Up to `limit` records after the key `after`, in the order of their keys' bytes.
    async fn list(
        &self,
        collection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError>;
    /// Changes a record. The answer to an idempotency key and the event for the audit log are
    /// kept in the same transaction; the same change under the same key only gets the answer.
    async fn change(&self, change: &Change) -> Result<Changed, StoreError>;
    /// Creates those that never were, all or none; the others stay as they are.
    async fn create_missing(&self, seeds: &[Seed]) -> Result<(), StoreError>;

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

/// A record as it is kept: key, version, value.
type Row = (String, i64, String);

fn records(collection: &str, rows: Vec<Row>) -> Result<Vec<Record>, StoreError> {
    let record = |(key, version, value): Row| {
        Ok(Record {
            collection: collection.to_owned(),
            key,
            version: version.cast_unsigned(),
            value: serde_json::from_str(&value)?,
        })
    };
    rows.into_iter().map(record).collect()
}

/// Answers written before this moment are too old.
fn oldest_kept(now_ms: u64) -> i64 {
    let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    now_ms.saturating_sub(kept).cast_signed()
}
