//! The connections to a PostgreSQL database.

use crate::{OpenError, PostgresUrl, Write, migrate};
use sqlx::{
    Connection, PgConnection, PgPool, Transaction,
    pool::PoolConnectionMetadata,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::time::Duration;

/// How long a request waits for a connection: one to become free, or a server to come up.
const ACQUIRE: Duration = Duration::from_secs(2);
/// After this time without use, a connection is tried before it is handed out.
const IDLE: Duration = Duration::from_millis(50);

/// What every connection is told. Whoever waits here has a caller who waits, and no limit of
/// the server's own is as short as their patience. A request that is given up leaves its
/// connection busy until the statement ends, so these limits bound that too.
const SETTINGS: [(&str, &str); 5] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "2s"),
    // A transaction that nobody continues holds its locks.
    ("idle_in_transaction_session_timeout", "10s"),
    // Acknowledged is on the disk, also where the server is set up otherwise.
    ("synchronous_commit", "on"),
    // That a table is there already is no news.
    ("client_min_messages", "warning"),
];

/// The connections to a PostgreSQL database.
///
/// The driver would try every connection before it is handed out, one round trip for each
/// request. Here only those are tried that were not used for 50 ms: that costs a connection
/// at most 20 tries a second, all of them while there is little to do, and it finds those
/// that died with a restarted server, because no restart is that fast. Connections in use at
/// that moment are tried when they come back. So a restart costs the requests under way, and
/// those that come while there is no server, and none after.
#[derive(Debug, Clone)]
pub struct Postgres(PgPool);

impl Postgres {
    /// Opens the database at `url`, and does those of the migrations `steps` of `service`
    /// that are not done yet.
    pub async fn open(
        url: &PostgresUrl,
        service: &str,
        steps: &[&'static str],
    ) -> Result<Self, OpenError> {
        let options = url.options()?.options(SETTINGS);
        let options = options.application_name(&format!("nines-{service}"));
        let store = Self(pool(url.connections().get(), options).await?);
        let mut write = store.write_of_its_own().await?;
        migrate::postgres(&mut write, service, steps).await?;
        write.commit().await?;
        Ok(store)
    }

    /// The connections, for reading.
    pub const fn pool(&self) -> &PgPool {
        &self.0
    }

    /// Begins a transaction that writes what a client asked for. Once it is committed, its
    /// writes are on the disk.
    pub async fn write(&self) -> Result<Write<sqlx::Postgres>, sqlx::Error> {
        self.begin().await.map(Write::asked_for)
    }

    /// Begins a transaction that writes what no client asked for: seeds, tidying up.
    pub async fn write_of_its_own(&self) -> Result<Write<sqlx::Postgres>, sqlx::Error> {
        self.begin().await.map(Write::of_its_own)
    }

    async fn begin(&self) -> Result<Transaction<'static, sqlx::Postgres>, sqlx::Error> {
        self.0.begin().await
    }

    /// Closes all connections, once they are no longer in use.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

async fn pool(connections: u32, options: PgConnectOptions) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| Box::pin(is_alive(connection, metadata)))
        .connect_with(options)
        .await
}

/// One that does not answer is closed, and the next one is tried.
async fn is_alive(
    connection: &mut PgConnection,
    metadata: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    Ok(metadata.idle_for < IDLE || connection.ping().await.is_ok())
}
