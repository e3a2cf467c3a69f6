//! Profiles, kept.

mod change;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use chassis::conditional::{PreconditionFailed, Preconditions};
use postgres::PostgresStore;
use sqlite::SqliteStore;
use std::sync::Arc;
use stores::{OpenError, StoreUrl};
use types::profile::{Page, PutProfile, View};

/// What is kept of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The profile, and what the page consists of.
    pub view: View,
    /// Counts the writes of both, from 1.
    pub version: u64,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The profile; a user who has none gets one, and a page.
    Profile(PutProfile),
    /// What the page of a user consists of who has a profile.
    Page(Page),
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// What is there now.
    pub kept: Kept,
    /// Whether there was nothing before.
    pub created: bool,
}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// What is there is not what the client expects.
    #[error(transparent)]
    Precondition(#[from] PreconditionFailed),
    /// The user has no profile.
    #[error("the user has no profile")]
    Missing,
    /// The database failed.
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
}

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// What is kept of `user`.
    async fn find(&self, user: &str) -> Result<Option<Kept>, StoreError>;
    /// Makes `change` to what is kept of `user`, if that is what is expected.
    async fn change(
        &self,
        user: &str,
        change: &Change,
        expected: &Preconditions,
    ) -> Result<Written, StoreError>;
    /// Creates those that are missing, all or none; the others stay as they are.
    async fn create_missing(&self, views: &[View]) -> Result<(), StoreError>;
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
