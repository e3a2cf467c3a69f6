//! A store for tests in which time stands still, and of stores that fail.

use super::{Account, NewKey, Revocation, Store, StoreError, StoredKey, Terms};
use async_trait::async_trait;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use token::TokenId;
use tokio::sync::Semaphore;
use types::auth::Role;

/// Keys and revocations in memory; there are no accounts.
pub(crate) struct MemoryStore {
    kept: Mutex<Kept>,
    /// How often it was asked for news.
    pub asked: AtomicUsize,
    /// Whether it fails.
    pub is_down: AtomicBool,
    /// Who asks for news needs one.
    pub permits: Semaphore,
}

#[derive(Default)]
struct Kept {
    keys: Vec<(Vec<u8>, u64)>,
    lifetime_s: u64,
    lease: Duration,
    revoked: Vec<Revocation>,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            asked: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }

    fn add(&self, key: NewKey) -> bool {
        let keys = &mut self.kept.lock().unwrap().keys;
        let is_needed = i64::try_from(keys.len()).unwrap() <= key.after_place;
        if is_needed {
            keys.push((key.pkcs8, key.created_at_ms));
        }
        is_needed
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn account(&self, _: &str) -> Result<Option<Account>, StoreError> {
        Ok(None)
    }
    async fn create_missing(&self, _: &[Account]) -> Result<(), StoreError> {
        Ok(())
    }
    async fn register(&self, _: &Account) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn replace_hash(&self, _: &str, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn grant(&self, _: &str, _: Role) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn join(&self, terms: Terms, key: NewKey) -> Result<(), StoreError> {
        self.add(key);
        let mut kept = self.kept.lock().unwrap();
        kept.lease = kept.lease.max(terms.lease);
        kept.lifetime_s = kept.lifetime_s.max(terms.lifetime_s);
        Ok(())
    }
    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        let kept = self.kept.lock().unwrap();
        let stored = |(place, (pkcs8, created_at_ms)): (i64, &(Vec<u8>, u64))| StoredKey {
            place,
            pkcs8: pkcs8.clone(),
            created_at_ms: *created_at_ms,
            lifetime_s: kept.lifetime_s,
        };
        Ok((1..).zip(&kept.keys).map(stored).collect())
    }
    async fn add_key(&self, key: NewKey, _: u64) -> Result<bool, StoreError> {
        Ok(self.add(key))
    }
    async fn remove_keys(&self, _: &[i64]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn revoke(&self, token: TokenId, expires_at_s: u64) -> Result<Duration, StoreError> {
        let mut kept = self.kept.lock().unwrap();
        let sequence = kept.revoked.last().map_or(1, |last| last.sequence + 1);
        kept.revoked.push(Revocation {
            sequence,
            token,
            expires_at_s,
        });
        Ok(kept.lease)
    }
    async fn revocations_after(&self, last: i64) -> Result<Vec<Revocation>, StoreError> {
        self.asked.fetch_add(1, SeqCst);
        self.permits.acquire().await.unwrap().forget();
        if self.is_down.load(SeqCst) {
            return Err(sqlx::Error::PoolTimedOut.into());
        }
        let kept = self.kept.lock().unwrap();
        let news = kept.revoked.iter().filter(|it| it.sequence > last);
        Ok(news.copied().collect())
    }
    async fn forget_revocations(&self, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}
