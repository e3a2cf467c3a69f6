//! Profiles in PostgreSQL.

use super::{
    Change, Kept, Store, StoreError, Written,
    change::{self, Transaction},
};
use async_trait::async_trait;
use chassis::conditional::Preconditions;
use sqlx::{Executor, Postgres as Engine, postgres::PgArguments, query, query::Query, query_as};
use stores::{OpenError, Postgres, PostgresUrl, PostgresWrite};
use types::{
    profile::{Profile, View},
    service,
};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/postgres/0001_profiles.sql")];

/// What is kept of a user.
type Row = (String, String, String, String, Vec<String>, i64);

pub(super) struct PostgresStore(Postgres);

impl PostgresStore {
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let store = Postgres::open(url, service::PROFILE, MIGRATIONS).await;
        store.map(Self)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn find(&self, user: &str) -> Result<Option<Kept>, StoreError> {
        Ok(find(self.0.pool(), user).await?)
    }

    async fn change(
        &self,
        user: &str,
        change: &Change,
        expected: &Preconditions,
    ) -> Result<Written, StoreError> {
        let mut write = self.0.write().await?;
        let written = change::make(&mut write, user, change, expected).await?;
        write.commit().await?;
        Ok(written)
    }

    async fn create_missing(&self, views: &[View]) -> Result<(), StoreError> {
        let mut write = self.0.write_of_its_own().await?;
        for view in views {
            insert(CREATE_MISSING, view, 1).execute(&mut *write).await?;
        }
        Ok(write.commit().await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Transaction for PostgresWrite {
    /// A row that is not there can't be locked, a number can: the user's.
    async fn current(&mut self, user: &str) -> Result<Option<Kept>, sqlx::Error> {
        query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(user)
            .execute(&mut **self)
            .await?;
        find(&mut **self, user).await
    }

    async fn write(&mut self, Kept { view, version }: &Kept) -> Result<(), sqlx::Error> {
        insert(REPLACE, view, version.cast_signed())
            .execute(&mut **self)
            .await
            .map(drop)
    }
}

const CREATE_MISSING: &str = "
    INSERT INTO profiles (owner, display_name, language, collection, record_keys, version)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING";

const REPLACE: &str = "
    INSERT INTO profiles (owner, display_name, language, collection, record_keys, version)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (owner) DO UPDATE SET
        display_name = excluded.display_name, language = excluded.language,
        collection = excluded.collection, record_keys = excluded.record_keys,
        version = excluded.version";

fn insert<'q>(sql: &'static str, view: &'q View, version: i64) -> Query<'q, Engine, PgArguments> {
    query(sql)
        .bind(&view.profile.user)
        .bind(&view.profile.display_name)
        .bind(&view.profile.language)
        .bind(&view.collection)
        .bind(&view.keys)
        .bind(version)
}

async fn find<'e>(
    executor: impl Executor<'e, Database = Engine>,
    user: &str,
) -> Result<Option<Kept>, sqlx::Error> {
    let row: Option<Row> = query_as(
        "SELECT owner, display_name, language, collection, record_keys, version
         FROM profiles WHERE owner = $1",
    )
    .bind(user)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(kept))
}

fn kept((user, display_name, language, collection, keys, version): Row) -> Kept {
    let profile = Profile {
        user,
        display_name,
        language,
    };
    Kept {
        view: View {
            profile,
            collection,
            keys,
        },
        version: version.cast_unsigned(),
    }
}
