//! The queue on the disk.

use chassis::Refusal;
use sqlx::{query, query_as, query_scalar};
use std::sync::Arc;
use stores::{OpenError, Sqlite, SqliteUrl};
use tokio::sync::{mpsc, oneshot};
use types::{Cause, Problem, audit::NewEvent};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_queue.sql")];
/// The most events in one commit, and the most that wait for one. More are refused: at
/// thousands a second, later answers would find nobody who still wants them.
const BATCH: usize = 256;
const MOST_WAITING: usize = 4096;

/// An event that waits, under its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) id: i64,
    pub(super) event: NewEvent,
}

/// The events in a database of their own.
#[derive(Debug, Clone)]
pub(super) struct QueueStore(Sqlite);

impl QueueStore {
    pub(super) async fn open(url: &SqliteUrl) -> Result<Self, OpenError> {
        Sqlite::open(url, MIGRATIONS).await.map(Self)
    }

    /// Keeps the events; all or none.
    async fn add(&self, events: &[NewEvent]) -> Result<(), sqlx::Error> {
        let mut write = self.0.write().await?;
        for NewEvent { key, actor, action } in events {
            query("INSERT INTO queue (key, actor, action) VALUES (?, ?, ?)")
                .bind(key)
                .bind(actor)
                .bind(action)
                .execute(&mut *write)
                .await?;
        }
        write.commit().await
    }

    /// The first `count` of those that wait.
    pub(super) async fn first(&self, count: u32) -> Result<Vec<Waiting>, sqlx::Error> {
        let rows = query_as(
            "SELECT id, key, actor, action FROM queue WHERE NOT refused ORDER BY id LIMIT ?",
        );
        let rows: Vec<(i64, String, String, String)> =
            rows.bind(count).fetch_all(self.0.readers()).await?;
        let waiting = |(id, key, actor, action)| Waiting {
            id,
            event: NewEvent { key, actor, action },
        };
        Ok(rows.into_iter().map(waiting).collect())
    }

    /// How many wait.
    pub(super) async fn depth(&self) -> Result<u64, sqlx::Error> {
        let count = query_scalar("SELECT count(*) FROM queue WHERE NOT refused");
        let count: i64 = count.fetch_one(self.0.readers()).await?;
        Ok(count.cast_unsigned())
    }

    /// Forgets what was delivered.
    pub(super) async fn forget(&self, delivered: &[i64]) -> Result<(), sqlx::Error> {
        let ids =
            serde_json::to_string(delivered).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let mut write = self.0.write_of_its_own().await?;
        query("DELETE FROM queue WHERE id IN (SELECT value FROM json_each(?))")
            .bind(ids)
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    /// Puts an event aside that will never be delivered; it is kept.
    pub(super) async fn put_aside(&self, id: i64) -> Result<(), sqlx::Error> {
        let mut write = self.0.write_of_its_own().await?;
        let refused = query("UPDATE queue SET refused = 1 WHERE id = ?").bind(id);
        refused.execute(&mut *write).await?;
        write.commit().await
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

type Kept = Result<(), Arc<sqlx::Error>>;

struct Unwritten {
    event: NewEvent,
    kept: oneshot::Sender<Kept>,
}

/// Puts many events into one commit, which takes as long as that of one.
#[derive(Debug, Clone)]
pub(super) struct Writer(mpsc::Sender<Unwritten>);

impl Writer {
    pub(super) fn start(store: QueueStore) -> Self {
        let (sender, unwritten) = mpsc::channel(MOST_WAITING);
        tokio::spawn(write_all(store, unwritten));
        Self(sender)
    }

    /// The event is on the disk once this has returned well.
    pub(super) async fn write(&self, event: NewEvent) -> Result<(), Refusal> {
        let (kept, answer) = oneshot::channel();
        let full = |_| busy("too many events wait to be kept");
        self.0.try_send(Unwritten { event, kept }).map_err(full)?;
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "an event could not be kept");
                Err(stores::problem(&error).into())
            }
            Err(_) => Err(busy("the queue is closed")),
        }
    }
}

fn busy(detail: &'static str) -> Refusal {
    let problem = Problem::new(503, "too-busy", "The service is too busy").detail(detail);
    problem.cause(Cause::Shed).retryable(true).into()
}

async fn write_all(store: QueueStore, mut unwritten: mpsc::Receiver<Unwritten>) {
    let mut batch = Vec::with_capacity(BATCH);
    while unwritten.recv_many(&mut batch, BATCH).await > 0 {
        let (events, senders): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|one| (one.event, one.kept)).unzip();
        let kept = store.add(&events).await.map_err(Arc::new);
        for sender in senders {
            // Whoever has left meanwhile: their event waits all the same.
            let _ = sender.send(kept.clone());
        }
    }
}
