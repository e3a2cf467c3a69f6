//! Accounts and keys in SQLite.

use super::{Account, Store, StoreError};
use async_trait::async_trait;
use sqlx::{query, query_as, query_scalar};
use stores::{OpenError, Sqlite, StoreUrl};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_accounts_and_keys.sql")];

pub(crate) struct SqliteStore(Sqlite);

impl SqliteStore {
    pub(crate) async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        let found = query_as("SELECT id, username, password_hash FROM accounts WHERE username = ?")
            .bind(username)
            .fetch_optional(self.0.readers())
            .await?;
        let account = |(id, username, password_hash)| Account {
            id,
            username,
            password_hash,
        };
        Ok(found.map(account))
    }

    async fn user_exists(&self, id: &str) -> Result<bool, StoreError> {
        let found: Option<i64> = query_scalar("SELECT 1 FROM accounts WHERE id = ?")
            .bind(id)
            .fetch_optional(self.0.readers())
            .await?;
        Ok(found.is_some())
    }

    async fn create_missing(&self, accounts: &[Account]) -> Result<(), StoreError> {
        let mut transaction = self.0.write().await?;
        for account in accounts {
            query("INSERT INTO accounts (id, username, password_hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
                .bind(&account.id)
                .bind(&account.username)
                .bind(&account.password_hash)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn signing_keys(&self, first: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut transaction = self.0.write().await?;
        query(
            "INSERT INTO signing_keys (place, pkcs8) SELECT 1, ? WHERE NOT EXISTS (SELECT 1 FROM signing_keys)",
        )
        .bind(first)
        .execute(&mut *transaction)
        .await?;
        let keys = query_scalar("SELECT pkcs8 FROM signing_keys ORDER BY place")
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(keys)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, hash: &str) -> Account {
        Account {
            id: name.to_owned(),
            username: name.to_owned(),
            password_hash: hash.to_owned(),
        }
    }

    #[tokio::test]
    async fn an_account_is_created_once_and_never_overwritten() {
        let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
        store.create_missing(&[account("a", "1")]).await.unwrap();
        let again = [account("a", "2"), account("b", "2")];
        store.create_missing(&again).await.unwrap();
        assert!(store.account("a").await.unwrap() == Some(account("a", "1")));
        assert!(store.account("b").await.unwrap() == Some(account("b", "2")));
        assert!(store.account("c").await.unwrap().is_none());
        assert!(store.user_exists("b").await.unwrap());
        assert!(!store.user_exists("c").await.unwrap());
    }

    #[tokio::test]
    async fn replicas_that_share_a_store_share_the_first_key_and_keep_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.db");
        let url = format!("sqlite:{}", path.display()).parse().unwrap();
        let one = SqliteStore::open(&url).await.unwrap();
        let two = SqliteStore::open(&url).await.unwrap();
        assert_eq!(one.signing_keys(b"one").await.unwrap(), [b"one"]);
        assert_eq!(two.signing_keys(b"two").await.unwrap(), [b"one"]);
        one.close().await;
        two.close().await;
        let later = SqliteStore::open(&url).await.unwrap();
        assert_eq!(later.signing_keys(b"three").await.unwrap(), [b"one"]);
    }
}
