//! Profiles in SQLite.

use super::{Store, StoreError};
use async_trait::async_trait;
use sqlx::{Transaction, query, query_as};
use stores::{OpenError, Sqlite, StoreUrl};
use types::profile::{Profile, View};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_profiles.sql")];

/// The profile beside each key of the page; one row without a key where the page is empty.
type Row = (String, String, String, String, Option<String>);

const VIEW: &str = "
    SELECT profiles.user, display_name, language, collection, record_key
    FROM profiles LEFT JOIN page_records ON page_records.user = profiles.user
    WHERE profiles.user = ?
    ORDER BY position";

pub(crate) struct SqliteStore(Sqlite);

impl SqliteStore {
    pub(crate) async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn view(&self, user: &str) -> Result<Option<View>, StoreError> {
        let rows = query_as(VIEW).bind(user);
        Ok(view(rows.fetch_all(self.0.readers()).await?))
    }

    async fn put(&self, profile: &Profile) -> Result<(), StoreError> {
        let mut transaction = self.0.write().await?;
        query(
            "INSERT INTO profiles (user, display_name, language) VALUES (?, ?, ?)
             ON CONFLICT (user) DO UPDATE
             SET display_name = excluded.display_name, language = excluded.language",
        )
        .bind(&profile.user)
        .bind(&profile.display_name)
        .bind(&profile.language)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn create_missing(&self, views: &[View]) -> Result<(), StoreError> {
        let mut transaction = self.0.write().await?;
        for view in views {
            create_missing(&mut transaction, view).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

fn view(rows: Vec<Row>) -> Option<View> {
    let mut rows = rows.into_iter();
    let (user, display_name, language, collection, first) = rows.next()?;
    let profile = Profile {
        user,
        display_name,
        language,
    };
    let keys = first.into_iter().chain(rows.filter_map(|row| row.4));
    Some(View {
        profile,
        collection,
        keys: keys.collect(),
    })
}

async fn create_missing(
    transaction: &mut Transaction<'_, sqlx::Sqlite>,
    view: &View,
) -> Result<(), sqlx::Error> {
    let created = query(
        "INSERT INTO profiles (user, display_name, language, collection) VALUES (?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )
    .bind(&view.profile.user)
    .bind(&view.profile.display_name)
    .bind(&view.profile.language)
    .bind(&view.collection)
    .execute(&mut **transaction)
    .await?;
    if created.rows_affected() == 0 {
        return Ok(());
    }
    for (position, key) in (1_i64..).zip(&view.keys) {
        query("INSERT INTO page_records (user, position, record_key) VALUES (?, ?, ?)")
            .bind(&view.profile.user)
            .bind(position)
            .bind(key)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store() -> SqliteStore {
        SqliteStore::open(&StoreUrl::MEMORY).await.unwrap()
    }

    fn ada() -> Profile {
        Profile {
            user: "ada".to_owned(),
            display_name: "Ada".to_owned(),
            language: "en-GB".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_view_has_its_keys_in_the_order_of_the_page() {
        let store = store().await;
        let keys = ["c", "a", "b"].map(str::to_owned).to_vec();
        let view = View {
            profile: ada(),
            collection: "other".to_owned(),
            keys,
        };
        store
            .create_missing(std::slice::from_ref(&view))
            .await
            .unwrap();
        assert_eq!(store.view("ada").await.unwrap(), Some(view));
        assert_eq!(store.view("bob").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_exists_is_not_created_again_and_a_put_keeps_the_page() {
        let store = store().await;
        let view = |name: &str, keys: &[&str]| View {
            profile: Profile {
                display_name: name.to_owned(),
                ..ada()
            },
            collection: "pages".to_owned(),
            keys: keys.iter().map(ToString::to_string).collect(),
        };
        store.create_missing(&[view("Ada", &["a"])]).await.unwrap();
        store.create_missing(&[view("Eve", &["b"])]).await.unwrap();
        assert_eq!(store.view("ada").await.unwrap(), Some(view("Ada", &["a"])));
        store.put(&view("Countess", &[]).profile).await.unwrap();
        let changed = store.view("ada").await.unwrap();
        assert_eq!(changed, Some(view("Countess", &["a"])));
    }

    #[tokio::test]
    async fn a_put_of_somebody_new_creates_them_with_an_empty_page() {
        let store = store().await;
        store.put(&ada()).await.unwrap();
        let view = store.view("ada").await.unwrap().unwrap();
        assert_eq!(view.profile, ada());
        assert_eq!((&*view.collection, view.keys.len()), ("pages", 0));
    }
}
