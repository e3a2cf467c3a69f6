//! Accounts, keys and revocations, kept.

mod engines;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;

use crate::key::KeyError;
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use stores::{Failure, OpenError, StoreUrl};
use token::{NotATokenId, TokenId};
use types::{
    Problem,
    auth::{NotARole, Role},
};

/// An account, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user's identifier.
    pub id: String,
    /// The name to log in with.
    pub username: String,
    /// The password's hash, as a PHC string.
    pub password_hash: String,
    /// What the user may do, everybody's role first.
    pub roles: Vec<Role>,
}

impl Account {
    /// The account of somebody new. Their name is their identifier.
    pub(crate) fn new(username: String, password_hash: String) -> Self {
        Self {
            id: username.clone(),
            username,
            password_hash,
            roles: vec![Role::User],
        }
    }
}

/// A signing key, as it is kept.
pub(crate) struct StoredKey {
    /// Its number: keys are numbered as they come.
    pub place: i64,
    /// The key itself, private.
    pub pkcs8: Vec<u8>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// The longest lifetime of the tokens that it may have signed.
    pub lifetime_s: u64,
}

/// A new signing key.
pub(crate) struct NewKey {
    /// The key itself, private.
    pub pkcs8: Vec<u8>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// The newest key so far, by its number; with a newer one there, this one is not needed.
    pub after_place: i64,
}

/// A revocation, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revocation {
    /// Its number, in the order of the commits.
    pub sequence: i64,
    /// The token that is not good any more.
    pub token: TokenId,
    /// When it would have expired, in seconds since the Unix epoch.
    pub expires_at_s: u64,
}

/// What a replica does that the others must know of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long it uses what it knows of revocations.
    pub lease: Duration,
    /// How long its tokens are good, in seconds.
    pub lifetime_s: u64,
}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
    #[error("the store failed for another request that had asked the same")]
    FailedForAnother,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("a revocation kept: {0}")]
    Token(#[from] NotATokenId),
    #[error("a role kept: {0}")]
    Role(#[from] NotARole),
}

impl StoreError {
    /// What a client is told.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Failed(error) => stores::problem(error),
            Self::FailedForAnother => Failure::Unavailable.problem(),
            Self::Key(_) | Self::Token(_) | Self::Role(_) => {
                tracing::error!(error = %self, "what is kept makes no sense");
                Failure::Other.problem()
            }
        }
    }
}

/// What the service needs of a database.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// The account with this name.
    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError>;
    /// Creates those accounts that are missing, all or none.
    async fn create_missing(&self, accounts: &[Account]) -> Result<(), StoreError>;
    /// Creates an account that a client asks for; false if its name is taken.
    async fn register(&self, account: &Account) -> Result<bool, StoreError>;
    /// Puts `new` in the place of the password hash `old`, if that is still there.
    async fn replace_hash(&self, id: &str, old: &str, new: &str) -> Result<(), StoreError>;
    /// Gives `role` to the user of this name; false if there is none.
    async fn grant(&self, username: &str, role: Role) -> Result<bool, StoreError>;

    /// Adds a replica that keeps to `terms`; `key` is needed if there is none yet.
    async fn join(&self, terms: Terms, key: NewKey) -> Result<(), StoreError>;
    /// The signing keys, in the order in which they came.
    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError>;
    /// Keeps a new key for replicas whose tokens are good for `lifetime_s` or longer; false if
    /// it is not needed.
    async fn add_key(&self, key: NewKey, lifetime_s: u64) -> Result<bool, StoreError>;
    /// Removes the keys at these places.
    async fn remove_keys(&self, places: &[i64]) -> Result<(), StoreError>;

    /// Revokes a token. The longest lease that any replica has, once it is committed.
    async fn revoke(&self, token: TokenId, expires_at_s: u64) -> Result<Duration, StoreError>;
    /// The revocations after number `last`, in their order: all that were committed before
    /// this was called, and none twice.
    async fn revocations_after(&self, last: i64) -> Result<Vec<Revocation>, StoreError>;
    /// Forgets those whose tokens had expired at this time, in seconds since the Unix epoch.
    async fn forget_revocations(&self, expired_at_s: u64) -> Result<(), StoreError>;

    /// Ends it; what was acknowledged is kept.
    async fn close(&self);
}

/// Opens the store at `url`.
pub(crate) async fn open(url: &StoreUrl) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match url {
        StoreUrl::Sqlite(url) => Arc::new(engines::SqliteStore::open(url).await?),
        StoreUrl::Postgres(url) => Arc::new(engines::PostgresStore::open(url).await?),
    })
}
