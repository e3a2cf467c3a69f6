//! The connections to a PostgreSQL database.

use crate::{
    OpenError, PostgresUrl,
    lent::{Answering, InTransaction, Lent},
    migrate,
    reach::Reach,
    statement::{traced, traced_executor},
    write::{PostgresWrite, Write},
};
use futures_util::{
    FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream, stream::BoxStream,
};
use sqlx::{
    Connection, Either, Error, Execute, Executor, PgConnection, PgPool, SqlStr,
    pool::PoolConnectionMetadata,
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a request waits for a connection: one to become free, or a server to come up.
const ACQUIRE: Duration = Duration::from_secs(2);
/// After this time without use, a connection is tried before it is handed out.
const IDLE: Duration = Duration::from_millis(50);
/// How long it has to answer then; what is left of the wait is for a new one.
const PING: Duration = Duration::from_secs(1);
/// How long closing waits for connections in use: a little longer than they for an answer.
const CLOSE: Duration = Duration::from_secs(7);

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
///
/// Every wait has a limit: for a connection, for an answer, for a connection that is given
/// back, for the end. A server that is silent costs whoever asks it 6 s, and nobody else more
/// than that: connections that do not answer are closed, and others made in their place.
#[derive(Debug, Clone)]
pub struct Postgres(Connections);

impl Postgres {
    /// Opens the database at `url`, and does those of the migrations `steps` of `service`
    /// that are not done yet. A server that may come up by itself is [`OpenError::Absent`].
    pub async fn open(
        url: &PostgresUrl,
        service: &str,
        steps: &[&'static str],
    ) -> Result<Self, OpenError> {
        let opened = Self::open_at_once(url, service, steps).await;
        opened.map_err(OpenError::or_absent)
    }

    async fn open_at_once(
        url: &PostgresUrl,
        service: &str,
        steps: &[&'static str],
    ) -> Result<Self, OpenError> {
        let options = url.options()?.options(SETTINGS);
        let options = options.application_name(&format!("nines-{service}"));
        let store = Self(Connections {
            pool: pool(url.connections().get(), options.clone()),
            reach: Arc::new(Reach::new(options)),
        });
        store.0.reach.first().await?;
        let mut write = store.write_of_its_own().await?;
        migrate::postgres(&mut write, service, steps).await?;
        write.commit().await?;
        Ok(store)
    }

    /// The connections, for reading.
    pub const fn pool(&self) -> &Connections {
        &self.0
    }

    /// Begins a transaction that writes what a client asked for. Once it is committed, its
    /// writes are on the disk.
    pub async fn write(&self) -> Result<PostgresWrite, Error> {
        self.begin().await.map(Write::asked_for)
    }

    /// Begins a transaction that writes what no client asked for: seeds, tidying up.
    pub async fn write_of_its_own(&self) -> Result<PostgresWrite, Error> {
        self.begin().await.map(Write::of_its_own)
    }

    /// Begins a transaction with the statement `begin`, to read several things in it.
    pub async fn begin_with(&self, begin: &'static str) -> Result<InTransaction, Error> {
        // The wait for a connection is a part of the span: there it shows that all are in use.
        let work = async { self.0.acquire().await?.begin(begin).await };
        traced::<sqlx::Postgres, _>(begin, work).await
    }

    async fn begin(&self) -> Result<InTransaction, Error> {
        self.begin_with("BEGIN").await
    }

    /// Closes all connections, once they are no longer in use, or after 7 s.
    pub async fn close(&self) {
        if timeout(CLOSE, self.0.pool.close()).await.is_err() {
            tracing::warn!("the store was closed with connections in use");
        }
    }
}

fn pool(connections: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| Box::pin(is_alive(connection, metadata)))
        .connect_lazy_with(options)
}

/// One that does not answer is closed, and the next one is tried.
async fn is_alive(
    connection: &mut PgConnection,
    metadata: PoolConnectionMetadata,
) -> Result<bool, Error> {
    if metadata.idle_for < IDLE {
        return Ok(true);
    }
    let answered = timeout(PING, connection.ping()).await;
    Ok(answered.is_ok_and(|answer| answer.is_ok()))
}

/// The connections, to be lent one at a time. As an executor it lends one for one statement.
#[derive(Debug, Clone)]
pub struct Connections {
    pool: PgPool,
    reach: Arc<Reach>,
}

impl Connections {
    /// A connection, as soon as one is free. Without one in 2 s it is an error: that all are
    /// in use (`PoolTimedOut`), or that the server can't be reached.
    pub async fn acquire(&self) -> Result<Lent, Error> {
        match self.pool.acquire().await {
            Ok(connection) => Ok(Lent::new(connection)),
            Err(error) => Err(self.reach.explain(error).await),
        }
    }

    /// How many there are, in use or not.
    pub fn size(&self) -> u32 {
        self.pool.size()
    }

    /// How many are not in use.
    pub fn num_idle(&self) -> usize {
        self.pool.num_idle()
    }
}

traced_executor!('p, &'p Connections, sqlx::Postgres, |connections| Lending(connections));

/// Executes statements without spans, each on a connection that is lent for it.
#[derive(Debug)]
struct Lending<'p>(&'p Connections);

impl<'p> Executor<'p> for Lending<'p> {
    type Database = sqlx::Postgres;

    /// All rows are read before the first is handed on: a connection is not kept for whoever
    /// takes their time.
    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, sqlx::Postgres>,
    {
        let steps = async move {
            let mut connection = self.0.acquire().await?;
            let steps = Answering(&mut connection).fetch_many(query);
            let steps: Vec<_> = steps.try_collect().await?;
            Ok::<_, Error>(stream::iter(steps.into_iter().map(Ok)))
        };
        stream::once(steps).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, sqlx::Postgres>,
    {
        async move {
            let mut connection = self.0.acquire().await?;
            Answering(&mut connection).fetch_optional(query).await
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        async move {
            let mut connection = self.0.acquire().await?;
            connection.prepare_with(sql, parameters).await
        }
        .boxed()
    }
}
