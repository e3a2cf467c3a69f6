//! Records in SQLite.

use super::{Once, Record, Store, StoreError, Write};
use crate::once::fingerprint;
use async_trait::async_trait;
use sqlx::{Transaction, query, query_as, query_scalar};
use stores::{OpenError, Sqlite, StoreUrl};

const MIGRATIONS: &[&str] = &[include_str!(
    "../../migrations/0001_records_and_answers.sql"
)];

/// How long an answer is kept for those who ask again.
const KEPT_MS: u64 = 24 * 3600 * 1000;

/// One statement whatever the number of keys, so that it is prepared once. The order of
/// the keys is that of the array; its column `key` is the place in it.
const RECORDS: &str = "
    SELECT records.key, records.version, records.value
    FROM json_each(?2) AS wanted CROSS JOIN records
    WHERE records.collection = ?1 AND records.key = wanted.value
    ORDER BY wanted.key";

pub(crate) struct SqliteStore(Sqlite);

impl SqliteStore {
    pub(crate) async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn records(&self, collection: &str, keys: &[&str]) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<(String, i64, String)> = query_as(RECORDS)
            .bind(collection)
            .bind(serde_json::to_string(keys)?)
            .fetch_all(self.0.readers())
            .await?;
        let record = |(key, version, value): (String, i64, String)| {
            Ok(Record {
                collection: collection.to_owned(),
                key,
                version: version.cast_unsigned(),
                value: serde_json::from_str(&value)?,
            })
        };
        rows.into_iter().map(record).collect()
    }

    async fn put(&self, write: Write, once: Option<Once>) -> Result<Record, StoreError> {
        let mut transaction = self.0.write().await?;
        let version = match once {
            None => upsert(&mut transaction, &write).await?,
            Some(once) => upsert_once(&mut transaction, &write, &once).await?,
        };
        transaction.commit().await?;
        Ok(Record {
            collection: write.collection,
            key: write.key,
            version: version.cast_unsigned(),
            value: write.value,
        })
    }

    async fn create_missing(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut transaction = self.0.write().await?;
        for write in writes {
            query("INSERT INTO records (collection, key, version, value) VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING")
                .bind(&write.collection)
                .bind(&write.key)
                .bind(write.value.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// Writes; the version it now has.
async fn upsert(
    transaction: &mut Transaction<'_, sqlx::Sqlite>,
    write: &Write,
) -> Result<i64, StoreError> {
    let version = query_scalar(
        "INSERT INTO records (collection, key, version, value) VALUES (?, ?, 1, ?)
         ON CONFLICT DO UPDATE SET version = version + 1, value = excluded.value
         RETURNING version",
    )
    .bind(&write.collection)
    .bind(&write.key)
    .bind(write.value.to_string());
    Ok(version.fetch_one(&mut **transaction).await?)
}

/// The version that the write under this key got, now or earlier. That, and the request,
/// which must be the same, make the answer.
async fn upsert_once(
    transaction: &mut Transaction<'_, sqlx::Sqlite>,
    write: &Write,
    once: &Once,
) -> Result<i64, StoreError> {
    let fingerprint = fingerprint(&write.collection, &write.key, &write.value);
    let earlier: Option<(Vec<u8>, i64)> =
        query_as("SELECT fingerprint, version FROM answers WHERE idempotency_key = ?")
            .bind(&once.key)
            .fetch_optional(&mut **transaction)
            .await?;
    match earlier {
        Some((same, version)) if same == fingerprint => Ok(version),
        Some(_) => Err(StoreError::KeyReused),
        None => {
            let version = upsert(transaction, write).await?;
            keep_answer(transaction, once, &fingerprint, version).await?;
            Ok(version)
        }
    }
}

/// Keeps the answer, and lets go of those that are too old.
async fn keep_answer(
    transaction: &mut Transaction<'_, sqlx::Sqlite>,
    once: &Once,
    fingerprint: &[u8],
    version: i64,
) -> Result<(), sqlx::Error> {
    query("DELETE FROM answers WHERE written_at_ms < ?")
        .bind(once.at_ms.saturating_sub(KEPT_MS).cast_signed())
        .execute(&mut **transaction)
        .await?;
    query("INSERT INTO answers (idempotency_key, fingerprint, version, written_at_ms) VALUES (?, ?, ?, ?)")
        .bind(&once.key)
        .bind(fingerprint)
        .bind(version)
        .bind(once.at_ms.cast_signed())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::try_join_all;
    use serde_json::{Value, json};

    fn write(key: &str, value: Value) -> Write {
        Write {
            collection: "c".to_owned(),
            key: key.to_owned(),
            value,
        }
    }

    fn once(key: &str, at_ms: u64) -> Once {
        let key = key.to_owned();
        Once { key, at_ms }
    }

    async fn store() -> SqliteStore {
        SqliteStore::open(&StoreUrl::MEMORY).await.unwrap()
    }

    #[tokio::test]
    async fn records_come_in_the_order_asked_for_and_missing_ones_are_left_out() {
        let store = store().await;
        for key in ["a", "b", "c"] {
            store
                .put(write(key, json!({ "is": key })), None)
                .await
                .unwrap();
        }
        let records = store.records("c", &["c", "x", "a"]).await.unwrap();
        let keys: Vec<_> = records.iter().map(|record| &*record.key).collect();
        assert_eq!(keys, ["c", "a"]);
        assert_eq!(records[0].value, json!({ "is": "c" }));
        assert!(store.records("other", &["a"]).await.unwrap().is_empty());
        assert!(store.records("c", &[]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_same_key_gets_the_same_answer_and_the_write_is_done_once() {
        let store = store().await;
        let put = |value, once| store.put(write("a", value), once);
        let first = put(json!(1), Some(once("k", 0))).await.unwrap();
        put(json!(2), None).await.unwrap();
        let again = put(json!(1), Some(once("k", 1))).await.unwrap();
        assert_eq!((again.version, again), (1, first));
        let now = store.records("c", &["a"]).await.unwrap();
        assert_eq!((now[0].version, &now[0].value), (2, &json!(2)));
        let other = put(json!(3), Some(once("k", 2))).await;
        assert!(matches!(other, Err(StoreError::KeyReused)));
        let elsewhere = store.put(write("b", json!(1)), Some(once("k", 2))).await;
        assert!(matches!(elsewhere, Err(StoreError::KeyReused)));
        assert_eq!(store.records("c", &["a", "b"]).await.unwrap(), now);
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_a_day() {
        let store = store().await;
        let put = |key, at_ms| store.put(write("a", json!(1)), Some(once(key, at_ms)));
        assert_eq!(put("k", 0).await.unwrap().version, 1);
        assert_eq!(put("other", KEPT_MS).await.unwrap().version, 2);
        assert_eq!(put("k", KEPT_MS).await.unwrap().version, 1);
        assert_eq!(put("third", KEPT_MS + 1).await.unwrap().version, 3);
        assert_eq!(put("k", KEPT_MS + 1).await.unwrap().version, 4);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn repetitions_at_the_same_time_on_two_replicas_are_one_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.db");
        let url = format!("sqlite:{}", path.display()).parse().unwrap();
        let one = SqliteStore::open(&url).await.unwrap();
        let two = SqliteStore::open(&url).await.unwrap();
        let puts = (0..32).map(|n| {
            let store = if n % 2 == 0 { &one } else { &two };
            store.put(write("a", json!("same")), Some(once("k", 0)))
        });
        let records = try_join_all(puts).await.unwrap();
        assert!(records.iter().all(|record| record.version == 1));
        one.close().await;
        two.close().await;
        let later = SqliteStore::open(&url).await.unwrap();
        assert_eq!(later.records("c", &["a"]).await.unwrap(), records[..1]);
    }
}
