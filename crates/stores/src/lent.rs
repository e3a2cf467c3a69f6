//! A connection to PostgreSQL, lent by the pool, on which every answer is waited for in vain
//! only so long.
//!
//! The server's own limits end what takes it too long. They end nothing where it is silent: a
//! host that vanished, a process that was stopped. No answer comes then, and no error either,
//! until the network gives up after a quarter of an hour. So the same limit is kept on this
//! side, a little later. The driver waits in one more place: a connection that is given back
//! is tried first, however long that takes, and keeps its place in the pool meanwhile. Here
//! giving back has a limit as well.

use crate::{
    statement::{traced, traced_executor},
    write::Begun,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use sqlx::{
    Either, Error, Execute, Executor, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use std::{
    future::Future,
    io::{self, ErrorKind},
    ops::{Deref, DerefMut},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

/// The limit on an answer, above that of the server on a statement (5 s).
pub(crate) const ANSWER: Duration = Duration::from_secs(6);

const COMMIT: &str = "COMMIT";

type Step = Either<PgQueryResult, PgRow>;

/// A connection to PostgreSQL for a while. It goes back to the pool by itself; one that did
/// not answer in time is closed instead.
#[derive(Debug)]
pub struct Lent {
    /// Taken out only to be given back.
    connection: Option<PoolConnection<Postgres>>,
    limit: Duration,
    is_in_transaction: bool,
    is_silent: bool,
}

impl Lent {
    pub(crate) fn new(connection: PoolConnection<Postgres>) -> Self {
        Self {
            connection: Some(connection),
            limit: ANSWER,
            is_in_transaction: false,
            is_silent: false,
        }
    }

    /// Waits for up to `limit` for each answer from now on.
    pub(crate) fn wait_for(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Begins a transaction with the statement `begin`, which gets no span here.
    pub(crate) async fn begin(mut self, begin: &'static str) -> Result<InTransaction, Error> {
        // Given up midway, it may have begun all the same.
        self.is_in_transaction = true;
        Answering(&mut self).execute(begin).await?;
        Ok(InTransaction(self))
    }

    /// The connection; until when it may answer; and where to note that it did not.
    fn parts(&mut self) -> Result<(&mut PoolConnection<Postgres>, Instant, &mut bool), Error> {
        let connection = self.connection.as_mut().ok_or(Error::PoolClosed)?;
        Ok((connection, Instant::now() + self.limit, &mut self.is_silent))
    }
}

/// Notes the silence, and makes an error of it.
async fn answer<T>(
    answer: impl Future<Output = T>,
    limit: Instant,
    is_silent: &mut bool,
) -> Result<T, Error> {
    timeout_at(limit, answer).await.map_err(|_| {
        *is_silent = true;
        Error::Io(io::Error::new(ErrorKind::TimedOut, "the server is silent"))
    })
}

traced_executor!('c, &'c mut Lent, Postgres, |lent| Answering(lent));

/// Executes statements without spans, each answer in time.
#[derive(Debug)]
pub(crate) struct Answering<'c>(pub &'c mut Lent);

impl<'c> Executor<'c> for Answering<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (connection, limit, is_silent) = match self.0.parts() {
            Ok(parts) => parts,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let begun = Some((connection.fetch_many(query), is_silent));
        stream::unfold(begun, move |state| async move {
            let (mut steps, is_silent) = state?;
            match answer(steps.next(), limit, is_silent).await {
                Ok(step) => step.map(|step| (step, Some((steps, is_silent)))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        async move {
            let (connection, limit, is_silent) = self.0.parts()?;
            answer(connection.fetch_optional(query), limit, is_silent).await?
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        async move {
            let (connection, limit, is_silent) = self.0.parts()?;
            answer(connection.prepare_with(sql, parameters), limit, is_silent).await?
        }
        .boxed()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if self.is_silent {
            connection.close_on_drop();
        } else if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(give_back(connection, self.is_in_transaction));
        }
    }
}

/// Gives the connection back once it answers. That is after the statement that somebody no
/// longer waits for, which the server ends in time.
async fn give_back(mut connection: PoolConnection<Postgres>, is_in_transaction: bool) {
    if is_in_transaction {
        let rolled_back = timeout(ANSWER, connection.execute("ROLLBACK")).await;
        if !matches!(rolled_back, Ok(Ok(_))) {
            connection.close_on_drop();
            return;
        }
    }
    // Given up, it drops the connection, and makes room for another one.
    let _ = timeout(ANSWER, connection.return_to_pool()).await;
}

/// A transaction that has begun. Dropped before its commit, it never was.
#[derive(Debug)]
pub struct InTransaction(Lent);

impl Begun for InTransaction {
    async fn commit(mut self) -> Result<(), Error> {
        let committed = Answering(&mut self.0).execute(COMMIT);
        traced::<Postgres, _>(COMMIT, committed).await?;
        self.0.is_in_transaction = false;
        Ok(())
    }
}

impl Deref for InTransaction {
    type Target = Lent;

    fn deref(&self) -> &Lent {
        &self.0
    }
}

impl DerefMut for InTransaction {
    fn deref_mut(&mut self) -> &mut Lent {
        &mut self.0
    }
}
