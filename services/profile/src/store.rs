//! Profiles, kept.

mod sqlite;

use async_trait::async_trait;
use types::profile::{Profile, View};

pub(crate) use sqlite::SqliteStore;

/// The store gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("the store failed: {0}")]
pub(crate) struct StoreError(#[from] sqlx::Error);

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// The profile of `user`, and what their page consists of.
    async fn view(&self, user: &str) -> Result<Option<View>, StoreError>;
    /// Writes the profile; a user that had none has an empty page.
    async fn put(&self, profile: &Profile) -> Result<(), StoreError>;
    /// Creates those that are missing, all or none; the others stay as they are.
    async fn create_missing(&self, views: &[View]) -> Result<(), StoreError>;
    /// Ends it; what was acknowledged is kept.
    async fn close(&self);
}
