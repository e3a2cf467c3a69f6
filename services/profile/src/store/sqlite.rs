//! Profiles in SQLite.

use super::{
    Change, Kept, Store, StoreError, Written,
    change::{self, Transaction},
};
use async_trait::async_trait;
use chassis::conditional::Preconditions;
use sqlx::{Executor, Sqlite as Engine, query, query_as};
use stores::{OpenError, Sqlite, SqliteLent, SqliteUrl, SqliteWrite};
use types::profile::{Profile, View};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/sqlite/0001_profiles.sql")];

/// The profile beside each key of the page; one row without a key where the page is empty.
type Row = (String, String, String, String, i64, Option<String>);

const FIND: &str = "
    SELECT profiles.user, display_name, language, collection, version, record_key
    FROM profiles LEFT JOIN page_records ON page_records.user = profiles.user
    WHERE profiles.user = ?
    ORDER BY position";

pub(super) struct SqliteStore(Sqlite);

impl SqliteStore {
    pub(super) async fn open(url: &SqliteUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn find(&self, user: &str) -> Result<Option<Kept>, StoreError> {
        Ok(find(self.0.readers(), user).await?)
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
            create_missing(&mut write, view).await?;
        }
        Ok(write.commit().await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// There is one writer at a time, so that nothing needs a lock of its own.
#[async_trait]
impl Transaction for SqliteWrite {
    async fn current(&mut self, user: &str) -> Result<Option<Kept>, sqlx::Error> {
        find(&mut **self, user).await
    }

    async fn write(&mut self, Kept { view, version }: &Kept) -> Result<(), sqlx::Error> {
        query(
            "INSERT INTO profiles (user, display_name, language, collection, version)
             VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (user) DO UPDATE SET
                 display_name = excluded.display_name, language = excluded.language,
                 collection = excluded.collection, version = excluded.version",
        )
        .bind(&view.profile.user)
        .bind(&view.profile.display_name)
        .bind(&view.profile.language)
        .bind(&view.collection)
        .bind(version.cast_signed())
        .execute(&mut **self)
        .await?;
        query("DELETE FROM page_records WHERE user = ?")
            .bind(&view.profile.user)
            .execute(&mut **self)
            .await?;
        write_page(self, view).await
    }
}

async fn find<'e>(
    executor: impl Executor<'e, Database = Engine>,
    user: &str,
) -> Result<Option<Kept>, sqlx::Error> {
    let rows: Vec<Row> = query_as(FIND).bind(user).fetch_all(executor).await?;
    Ok(kept(rows))
}

fn kept(rows: Vec<Row>) -> Option<Kept> {
    let mut rows = rows.into_iter();
    let (user, display_name, language, collection, version, first) = rows.next()?;
    let profile = Profile {
        user,
        display_name,
        language,
    };
    let keys = first.into_iter().chain(rows.filter_map(|row| row.5));
    let view = View {
        profile,
        collection,
        keys: keys.collect(),
    };
    let version = version.cast_unsigned();
    Some(Kept { view, version })
}

async fn create_missing(connection: &mut SqliteLent, view: &View) -> Result<(), sqlx::Error> {
    let created = query(
        "INSERT INTO profiles (user, display_name, language, collection, version)
         VALUES (?, ?, ?, ?, 1) ON CONFLICT DO NOTHING",
    )
    .bind(&view.profile.user)
    .bind(&view.profile.display_name)
    .bind(&view.profile.language)
    .bind(&view.collection)
    .execute(&mut *connection)
    .await?;
    match created.rows_affected() {
        0 => Ok(()),
        _ => write_page(connection, view).await,
    }
}

async fn write_page(connection: &mut SqliteLent, view: &View) -> Result<(), sqlx::Error> {
    for (position, key) in (1_i64..).zip(&view.keys) {
        query("INSERT INTO page_records (user, position, record_key) VALUES (?, ?, ?)")
            .bind(&view.profile.user)
            .bind(position)
            .bind(key)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
