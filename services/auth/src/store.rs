//! Accounts and keys, kept.

mod sqlite;

use crate::key::KeyError;
use async_trait::async_trait;

pub(crate) use sqlite::SqliteStore;

/// An account, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user's identifier.
    pub id: String,
    /// The name to log in with.
    pub username: String,
    /// The password's hash, as a PHC string.
    pub password_hash: String,
}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// The account with this name.
    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError>;
    /// Whether there is a user with this identifier.
    async fn user_exists(&self, id: &str) -> Result<bool, StoreError>;
    /// Creates those accounts that are missing, all or none.
    async fn create_missing(&self, accounts: &[Account]) -> Result<(), StoreError>;
    /// The signing keys (PKCS #8) in the order in which they came. Where there is none yet,
    /// `first` becomes the first, of which all replicas then hear.
    async fn signing_keys(&self, first: &[u8]) -> Result<Vec<Vec<u8>>, StoreError>;
    /// Ends it; what was acknowledged is kept.
    async fn close(&self);
}
