//! The queue on the disk.

use chassis::Refusal;
use opentelemetry::{Context, trace::FutureExt};
use sqlx::{query, query_as, query_scalar};
use std::sync::Arc;
use stores::{OpenError, Sqlite, SqliteUrl};
use tokio::sync::{Notify, mpsc, oneshot};
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

    /// How many are not recorded, those included that were put aside: somebody has to look at them.
    pub(super) async fn depth(&self) -> Result<u64, sqlx::Error> {
        let count = query_scalar("SELECT count(*) FROM queue");
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
    /// That of the request that sent it.
    context: Context,
    kept: oneshot::Sender<Kept>,
}

/// Puts many events into one commit, which takes as long as that of one, and wakes whoever
/// delivers them.
#[derive(Debug, Clone)]
pub(super) struct Writer(mpsc::Sender<Unwritten>);

impl Writer {
    pub(super) fn start(store: QueueStore, wake: Arc<Notify>) -> Self {
        let (sender, unwritten) = mpsc::channel(MOST_WAITING);
        tokio::spawn(write_all(store, wake, unwritten));
        Self(sender)
    }

    /// The event is on the disk once this has returned well.
    pub(super) async fn write(&self, event: NewEvent) -> Result<(), Refusal> {
        let (kept, answer) = oneshot::channel();
        let full = |_| busy("too many events wait to be kept");
        let unwritten = Unwritten {
            event,
            context: Context::current(),
            kept,
        };
        self.0.try_send(unwritten).map_err(full)?;
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

async fn write_all(store: QueueStore, wake: Arc<Notify>, mut unwritten: mpsc::Receiver<Unwritten>) {
    let mut batch = Vec::with_capacity(BATCH);
    while unwritten.recv_many(&mut batch, BATCH).await > 0 {
        // A commit for many requests is seen in the trace of the first: a span has one parent.
        let context = batch.first().map(|first| first.context.clone());
        let (events, senders): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|one| (one.event, one.kept)).unzip();
        let added = store.add(&events);
        let added = added.with_context(context.unwrap_or_default()).await;
        let kept = added.map_err(Arc::new);
        // Here, and not where an event is told: whoever did that may have left meanwhile.
        wake.notify_one();
        for sender in senders {
            // The event of those who have left waits all the same.
            let _ = sender.send(kept.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str) -> NewEvent {
        NewEvent {
            key: key.to_owned(),
            actor: "user-1".to_owned(),
            action: "page.read".to_owned(),
        }
    }

    #[tokio::test]
    async fn what_is_put_aside_does_not_come_again_and_still_counts() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("queue.db").display());
        let stores::StoreUrl::Sqlite(url) = url.parse().unwrap() else {
            panic!("{url} is on no disk");
        };
        let store = QueueStore::open(&url).await.unwrap();
        store.add(&[event("a"), event("b")]).await.unwrap();
        let first = store.first(1).await.unwrap();
        store.put_aside(first[0].id).await.unwrap();
        let waiting = store.first(9).await.unwrap();
        let keys: Vec<_> = waiting.iter().map(|one| &*one.event.key).collect();
        assert_eq!((&keys[..], store.depth().await.unwrap()), (&["b"][..], 2));
        store.forget(&[waiting[0].id]).await.unwrap();
        assert_eq!(store.depth().await.unwrap(), 1);
    }
}
