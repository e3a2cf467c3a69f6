//! Whether the server can be reached, asked when no connection could be had in time.
//!
//! The pool says the same (`PoolTimedOut`) of a server that is busy and of one that is gone:
//! it tries a refused connection again until its patience ends. One attempt of our own tells
//! the two apart. A busy server must not be asked by everyone who waits for it, because every
//! connection costs it a process: so one asks at a time, and the others take the same answer.

use crate::Failure;
use sqlx::{Connection, Error, PgConnection, postgres::PgConnectOptions};
use std::{
    io::{self, ErrorKind},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// How long the server has to accept the first connection of all.
const FIRST: Duration = Duration::from_secs(3);
/// How long it has later.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How long an answer holds.
const FRESH: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Reach {
    options: PgConnectOptions,
    /// The last answer, and when it came.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Reach {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            last: Mutex::default(),
        }
    }

    /// Makes one connection, to learn what is wrong if it fails: the pool would only say that
    /// its time was over, after having tried for all of it.
    pub(crate) async fn first(&self) -> Result<(), Error> {
        self.connect(FIRST).await
    }

    async fn connect(&self, limit: Duration) -> Result<(), Error> {
        let attempt = async {
            PgConnection::connect_with(&self.options)
                .await?
                .close()
                .await
        };
        timeout(limit, attempt).await.unwrap_or_else(|_| {
            let silent = "the server does not answer";
            Err(io::Error::new(ErrorKind::TimedOut, silent).into())
        })
    }

    /// What it really was that `error` says.
    pub(crate) async fn explain(&self, error: Error) -> Error {
        match error {
            Error::PoolTimedOut if !self.is_there().await => Error::Io(io::Error::new(
                ErrorKind::ConnectionRefused,
                "the server accepts no connection",
            )),
            error => error,
        }
    }

    async fn is_there(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((_, was_there)) = last.filter(|(at, _)| at.elapsed() < FRESH) {
            return was_there;
        }
        let is_there = self.try_it().await;
        *last = Some((Instant::now(), is_there));
        is_there
    }

    /// One that has no room for another connection is there.
    async fn try_it(&self) -> bool {
        match self.connect(ATTEMPT).await {
            Ok(()) => true,
            Err(error) => Failure::of(&error) != Failure::Unavailable,
        }
    }
}
