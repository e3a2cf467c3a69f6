//! One store on two engines: SQLite understands PostgreSQL's `$1`, and the statements here are
//! in what both have in common. So there is one text of each, and no difference to test for
//! but that of the engines themselves.

use super::{Account, NewKey, Revocation, Store, StoreError, StoredKey, Terms};
use async_trait::async_trait;
use sqlx::{query, query_as};
use std::time::Duration;
use stores::{OpenError, Postgres, PostgresUrl, Sqlite, SqliteUrl};
use token::TokenId;
use types::{auth::Role, service};

const SQLITE: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_accounts_and_keys.sql"),
    include_str!("../../migrations/sqlite/0002_roles_rotation_and_revocation.sql"),
];
const POSTGRES: &[&str] = &[include_str!(
    "../../migrations/postgres/0001_accounts_keys_and_revocations.sql"
)];

/// The account with its roles, one row for each of them. A name that is not there costs the
/// same statement as one that is.
const ACCOUNT: &str = "SELECT id, username, password_hash, role FROM accounts \
    LEFT JOIN account_roles ON account = id WHERE username = $1 ORDER BY role";
const CREATE: &str = "INSERT INTO accounts (id, username, password_hash) VALUES ($1, $2, $3) \
    ON CONFLICT DO NOTHING";
const REPLACE_HASH: &str =
    "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
const GRANT: &str = "INSERT INTO account_roles (account, role) VALUES ($1, $2) \
    ON CONFLICT DO NOTHING";

/// Waits until nobody else changes what the replicas have agreed on. The row stays locked
/// until the commit, on SQLite the whole database.
const TAKE_TURN: &str = "UPDATE agreement SET last_revocation = last_revocation";
const LEASE: &str = "UPDATE agreement SET lease_ms = $1 WHERE lease_ms < $1";
const LIFETIME: &str = "UPDATE signing_keys SET lifetime_s = $1 WHERE lifetime_s < $1";

const KEYS: &str =
    "SELECT place, pkcs8, created_at_ms, lifetime_s FROM signing_keys ORDER BY place";
const ADD_KEY: &str = "INSERT INTO signing_keys (place, pkcs8, created_at_ms, lifetime_s) \
    SELECT (SELECT COALESCE(MAX(place), 0) + 1 FROM signing_keys), $1, $2, $3 \
    WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE place > $4)";
/// Replicas may give their tokens different lifetimes, and any key may sign for all of them.
const SHARE_LIFETIME: &str =
    "UPDATE signing_keys SET lifetime_s = (SELECT MAX(lifetime_s) FROM signing_keys)";
const REMOVE_KEY: &str = "DELETE FROM signing_keys WHERE place = $1";

const NEXT_REVOCATION: &str = "UPDATE agreement SET last_revocation = last_revocation + 1 \
    RETURNING last_revocation, lease_ms";
const REVOKE: &str = "INSERT INTO revocations (sequence, token_id, expires_at_s) \
    VALUES ($1, $2, $3) ON CONFLICT (token_id) DO NOTHING";
const REVOCATIONS: &str = "SELECT sequence, token_id, expires_at_s FROM revocations \
    WHERE sequence > $1 ORDER BY sequence";
const FORGET: &str = "DELETE FROM revocations WHERE expires_at_s <= $1";

type AccountRow = (String, String, String, Option<String>);
type KeyRow = (i64, Vec<u8>, i64, i64);
type RevocationRow = (i64, Vec<u8>, i64);

pub(crate) struct SqliteStore(Sqlite);

impl SqliteStore {
    pub(crate) async fn open(url: &SqliteUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, SQLITE).await.map(Self)
    }
}

pub(crate) struct PostgresStore(Postgres);

impl PostgresStore {
    pub(crate) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let opened = Postgres::open(url, service::AUTH, POSTGRES).await;
        opened.map(Self)
    }
}

/// The store `$name`, whose connections for reading are `$read`.
macro_rules! store_on {
    ($name:ident, $read:ident) => {
        #[async_trait]
        impl Store for $name {
            async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
                let rows = query_as(ACCOUNT).bind(username).fetch_all(self.0.$read());
                account(rows.await?)
            }

            async fn create_missing(&self, accounts: &[Account]) -> Result<(), StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                for account in accounts {
                    let create = query(CREATE).bind(&account.id).bind(&account.username);
                    let create = create.bind(&account.password_hash);
                    create.execute(&mut *write).await?;
                }
                Ok(write.commit().await?)
            }

            async fn register(&self, account: &Account) -> Result<bool, StoreError> {
                let mut write = self.0.write().await?;
                let create = query(CREATE).bind(&account.id).bind(&account.username);
                let create = create.bind(&account.password_hash);
                let created = create.execute(&mut *write).await?.rows_affected() > 0;
                write.commit().await?;
                Ok(created)
            }

            async fn replace_hash(&self, id: &str, old: &str, new: &str) -> Result<(), StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                let replace = query(REPLACE_HASH).bind(id).bind(old).bind(new);
                replace.execute(&mut *write).await?;
                Ok(write.commit().await?)
            }

            async fn grant(&self, username: &str, role: Role) -> Result<bool, StoreError> {
                let Some(account) = self.account(username).await? else {
                    return Ok(false);
                };
                let mut write = self.0.write_of_its_own().await?;
                let grant = query(GRANT).bind(account.id).bind(role.as_str());
                grant.execute(&mut *write).await?;
                write.commit().await?;
                Ok(true)
            }

            async fn join(&self, terms: Terms, key: NewKey) -> Result<(), StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                query(TAKE_TURN).execute(&mut *write).await?;
                let lease = query(LEASE).bind(milliseconds(terms.lease));
                lease.execute(&mut *write).await?;
                let lifetime_s = signed(terms.lifetime_s);
                let _was_needed = add_key!(write, key, lifetime_s);
                query(LIFETIME)
                    .bind(lifetime_s)
                    .execute(&mut *write)
                    .await?;
                Ok(write.commit().await?)
            }

            async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
                let rows = query_as(KEYS).fetch_all(self.0.$read()).await?;
                Ok(rows.into_iter().map(stored_key).collect())
            }

            async fn add_key(&self, key: NewKey, lifetime_s: u64) -> Result<bool, StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                query(TAKE_TURN).execute(&mut *write).await?;
                let added = add_key!(write, key, signed(lifetime_s));
                query(SHARE_LIFETIME).execute(&mut *write).await?;
                write.commit().await?;
                Ok(added)
            }

            async fn remove_keys(&self, places: &[i64]) -> Result<(), StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                for place in places {
                    query(REMOVE_KEY).bind(place).execute(&mut *write).await?;
                }
                Ok(write.commit().await?)
            }

            async fn revoke(
                &self,
                token: TokenId,
                expires_at_s: u64,
            ) -> Result<Duration, StoreError> {
                let mut write = self.0.write().await?;
                let next = query_as(NEXT_REVOCATION).fetch_one(&mut *write);
                let (sequence, lease_ms): (i64, i64) = next.await?;
                let revoke = query(REVOKE).bind(sequence).bind(token.as_bytes());
                let revoke = revoke.bind(signed(expires_at_s));
                revoke.execute(&mut *write).await?;
                write.commit().await?;
                Ok(Duration::from_millis(unsigned(lease_ms)))
            }

            async fn revocations_after(&self, last: i64) -> Result<Vec<Revocation>, StoreError> {
                let rows = query_as(REVOCATIONS).bind(last).fetch_all(self.0.$read());
                rows.await?.into_iter().map(revocation).collect()
            }

            async fn forget_revocations(&self, expired_at_s: u64) -> Result<(), StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                let forget = query(FORGET).bind(signed(expired_at_s));
                forget.execute(&mut *write).await?;
                Ok(write.commit().await?)
            }

            async fn close(&self) {
                self.0.close().await;
            }
        }
    };
}

/// Whether `key` was added within the transaction `write`.
macro_rules! add_key {
    ($write:ident, $key:ident, $lifetime_s:expr) => {{
        let add = query(ADD_KEY)
            .bind($key.pkcs8)
            .bind(signed($key.created_at_ms));
        let add = add.bind($lifetime_s).bind($key.after_place);
        add.execute(&mut *$write).await?.rows_affected() > 0
    }};
}

store_on!(SqliteStore, readers);
store_on!(PostgresStore, pool);

fn account(rows: Vec<AccountRow>) -> Result<Option<Account>, StoreError> {
    let mut account: Option<Account> = None;
    for (id, username, password_hash, role) in rows {
        let account = account.get_or_insert(Account {
            id,
            username,
            password_hash,
            roles: vec![Role::User],
        });
        if let Some(role) = role {
            account.roles.push(role.parse()?);
        }
    }
    Ok(account)
}

fn stored_key((place, pkcs8, created_at_ms, lifetime_s): KeyRow) -> StoredKey {
    StoredKey {
        place,
        pkcs8,
        created_at_ms: unsigned(created_at_ms),
        lifetime_s: unsigned(lifetime_s),
    }
}

fn revocation((sequence, token, expires_at_s): RevocationRow) -> Result<Revocation, StoreError> {
    Ok(Revocation {
        sequence,
        token: token.try_into()?,
        expires_at_s: unsigned(expires_at_s),
    })
}

/// Databases have no unsigned numbers. Times stay far below the limit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
