//! The outbox, kept: what waits in it, and who may deliver that. SQLite understands
//! PostgreSQL's `$1`, so each statement is there once; only a list of numbers is written
//! differently.

use super::{Author, Place, StoreError, postgres::PostgresStore, sqlite::SqliteStore};
use crate::outbox::{Lease, Waiting};
use async_trait::async_trait;
use sqlx::{query, query_as, query_scalar};

const WAITING: &str = "SELECT id, collection, key, version, actor, action, request_id \
    FROM outbox WHERE NOT refused ORDER BY id LIMIT $1";
const DEPTH: &str = "SELECT count(*) FROM outbox";
const LEASE: &str = "SELECT holder, until_ms FROM courier";
const MAY_DELIVER: &str = "UPDATE courier SET holder = $1, until_ms = $2 \
    WHERE holder = $1 OR until_ms <= $3 OR until_ms > $2";
const PUT_ASIDE: &str = "UPDATE outbox SET refused = TRUE WHERE id = $1";

/// What the delivery needs of a database.
#[async_trait]
pub(crate) trait Outgoing {
    /// Up to `limit` events that wait to be delivered, the oldest first.
    async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError>;
    /// How many wait, those included that were refused.
    async fn depth(&self) -> Result<u64, StoreError>;
    /// Who has the right to deliver.
    async fn lease(&self) -> Result<Lease, StoreError>;
    /// Gives `holder` the right to deliver until `until_ms`, if nobody else has it at `now_ms`.
    /// Nobody has it for longer than that.
    async fn may_deliver(
        &self,
        holder: &str,
        now_ms: u64,
        until_ms: u64,
    ) -> Result<bool, StoreError>;
    /// Forgets events that were delivered.
    async fn forget(&self, ids: &[i64]) -> Result<(), StoreError>;
    /// Puts an event aside that the audit log refuses.
    async fn put_aside(&self, id: i64) -> Result<(), StoreError>;
}

/// The store `$store`, whose connections for reading are `$read`, and which gets numbers out of
/// a JSON text with `$numbers`.
macro_rules! outgoing_on {
    ($store:ident, $read:ident, $numbers:literal) => {
        #[async_trait]
        impl Outgoing for $store {
            async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
                let rows = query_as(WAITING).bind(i64::from(limit));
                let rows: Vec<Row> = rows.fetch_all(self.0.$read()).await?;
                Ok(rows.into_iter().map(Waiting::from).collect())
            }

            async fn depth(&self) -> Result<u64, StoreError> {
                let depth: i64 = query_scalar(DEPTH).fetch_one(self.0.$read()).await?;
                Ok(depth.cast_unsigned())
            }

            async fn lease(&self) -> Result<Lease, StoreError> {
                Ok(lease(query_as(LEASE).fetch_one(self.0.$read()).await?))
            }

            async fn may_deliver(
                &self,
                holder: &str,
                now_ms: u64,
                until_ms: u64,
            ) -> Result<bool, StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                let take = query(MAY_DELIVER).bind(holder);
                let take = take.bind(until_ms.cast_signed()).bind(now_ms.cast_signed());
                let taken = take.execute(&mut *write).await?.rows_affected() == 1;
                write.commit().await?;
                Ok(taken)
            }

            async fn forget(&self, ids: &[i64]) -> Result<(), StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                query(concat!("DELETE FROM outbox WHERE id IN (", $numbers, ")"))
                    .bind(serde_json::to_string(ids)?)
                    .execute(&mut *write)
                    .await?;
                Ok(write.commit().await?)
            }

            async fn put_aside(&self, id: i64) -> Result<(), StoreError> {
                let mut write = self.0.write_of_its_own().await?;
                query(PUT_ASIDE).bind(id).execute(&mut *write).await?;
                Ok(write.commit().await?)
            }
        }
    };
}

outgoing_on!(SqliteStore, readers, "SELECT value FROM json_each($1)");
outgoing_on!(
    PostgresStore,
    pool,
    "SELECT number::bigint FROM json_array_elements_text($1::json) AS number"
);

/// An event as it is kept: number, collection, key, version, actor, action, request.
type Row = (i64, String, String, i64, String, String, String);

impl From<Row> for Waiting {
    fn from((id, collection, key, version, actor, action, request_id): Row) -> Self {
        Self {
            id,
            place: Place { collection, key },
            version: version.cast_unsigned(),
            author: Author { actor, request_id },
            action,
        }
    }
}

fn lease((holder, until_ms): (String, i64)) -> Lease {
    Lease {
        holder,
        until_ms: until_ms.cast_unsigned(),
    }
}
