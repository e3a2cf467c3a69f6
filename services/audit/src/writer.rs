//! Many events in one commit.
//!
//! A commit waits for the disk, some milliseconds, whether it holds one event or hundreds.
//! So one task takes all that wait, commits them together, and answers each: group commit,
//! as in databases since "Implementation Techniques for Main Memory Database Systems" (SIGMOD
//! 1984). Nobody is answered before their event is on the disk.

use crate::store::{Appended, Store, StoreError};
use opentelemetry::{Context, trace::FutureExt};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use types::audit::NewEvent;

/// The most events in one commit.
const BATCH: usize = 256;
/// The most events that wait. At thousands a second that is about a second, and later
/// answers would find nobody who still wants them.
const QUEUE: usize = 4096;

/// Why an event was not recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// Too many wait already.
    #[error("{QUEUE} events wait already")]
    Full,
    /// The store failed, and with it the whole batch.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// The task is no more.
    #[error("the writer has ended")]
    Ended,
}

type Answer = Result<Appended, AppendError>;

struct Waiting {
    event: NewEvent,
    /// That of the request that sent it.
    context: Context,
    answer: oneshot::Sender<Answer>,
}

/// Where events go to be recorded.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::Sender<Waiting>);

impl Writer {
    /// A task that writes to `store`, and ends when nobody can send to it any more.
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, waiting));
        Self(queue)
    }

    /// Records `event`; the answer comes once it is on the disk.
    pub(crate) async fn append(&self, event: NewEvent) -> Answer {
        self.send(event)?.await.unwrap_or(Err(AppendError::Ended))
    }

    fn send(&self, event: NewEvent) -> Result<oneshot::Receiver<Answer>, AppendError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            event,
            context: Context::current(),
            answer,
        };
        match self.0.try_send(waiting) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(AppendError::Full),
            Err(TrySendError::Closed(_)) => Err(AppendError::Ended),
        }
    }
}

async fn write(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        // Whoever has left was not told that their event is recorded, and it need not be.
        batch.retain(|one| !one.answer.is_closed());
        // A commit for many requests is seen in the trace of the first: a span has one parent.
        if let Some(first) = batch.first() {
            let context = first.context.clone();
            commit(&*store, batch.drain(..)).with_context(context).await;
        }
    }
}

async fn commit(store: &dyn Store, batch: impl Iterator<Item = Waiting>) {
    let (events, waiting): (Vec<_>, Vec<_>) = batch.map(|one| (one.event, one.answer)).unzip();
    let answers: Vec<Answer> = match store.append(&events, now_ms()).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) => {
            let error = Arc::new(error);
            waiting.iter().map(|_| Err(error.clone().into())).collect()
        }
    };
    for (one, answer) in waiting.into_iter().zip(answers) {
        // Whoever has left meanwhile may send it again, and gets the same answer.
        let _ = one.send(answer);
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chain::Hash, store};
    use async_trait::async_trait;
    use futures_util::future::{join_all, try_join_all};
    use std::sync::Mutex;
    use testkit::{Database, on_every_engine};
    use tokio::sync::Semaphore;
    use types::audit::{Event, Verification};

    fn new(key: &str) -> NewEvent {
        NewEvent {
            key: key.to_owned(),
            actor: "user-1".to_owned(),
            action: "page.read".to_owned(),
        }
    }

    on_every_engine!(events_from_everywhere_at_once_are_one_chain_also_with_two_replicas);

    async fn events_from_everywhere_at_once_are_one_chain_also_with_two_replicas(
        database: Database,
    ) {
        let url = database.url.parse().unwrap();
        let open = async || store::open(&url).await.unwrap();
        let (one, two) = (open().await, open().await);
        let writers = [Writer::start(one.clone()), Writer::start(two)];
        // Each event is sent twice, once to each replica.
        let appends = (0..1000).map(|n| {
            let writer = writers[n % 2].clone();
            async move { writer.append(new(&format!("key-{}", n / 2))).await }
        });
        let answers = try_join_all(appends).await.unwrap();
        for pair in answers.chunks(2) {
            assert_eq!(pair[0], pair[1]);
        }
        let found = one.verify(None).await.unwrap();
        assert_eq!((found.events, found.intact), (500, true));
    }

    /// Waits for a permit before each commit, and may fail.
    struct Slow {
        permits: Semaphore,
        fails: bool,
        batches: Mutex<Vec<usize>>,
    }

    impl Slow {
        fn new(fails: bool) -> Arc<Self> {
            Arc::new(Self {
                permits: Semaphore::new(0),
                fails,
                batches: Mutex::default(),
            })
        }

        fn batches(&self) -> Vec<usize> {
            self.batches.lock().unwrap().clone()
        }
    }

    #[async_trait]
    impl Store for Slow {
        async fn append(&self, events: &[NewEvent], _: u64) -> Result<Vec<Appended>, StoreError> {
            self.permits.acquire().await.unwrap().forget();
            self.batches.lock().unwrap().push(events.len());
            if self.fails {
                return Err(sqlx::Error::PoolTimedOut.into());
            }
            Ok(vec![Appended::KeyReused; events.len()])
        }

        async fn events(&self, _: u64, _: u32) -> Result<Vec<Event>, StoreError> {
            unimplemented!("not asked for")
        }

        async fn verify(&self, _: Option<Hash>) -> Result<Verification, StoreError> {
            unimplemented!("not asked for")
        }

        async fn close(&self) {}
    }

    /// A writer that is busy with a first event, whose commit waits for a permit.
    async fn busy(store: &Arc<Slow>) -> (Writer, oneshot::Receiver<Answer>) {
        let writer = Writer::start(store.clone());
        let first = writer.send(new("first")).unwrap();
        while writer.0.capacity() < QUEUE {
            tokio::task::yield_now().await;
        }
        (writer, first)
    }

    fn send(writer: &Writer, count: usize) -> Vec<oneshot::Receiver<Answer>> {
        let send = |n: usize| writer.send(new(&n.to_string())).unwrap();
        (0..count).map(send).collect()
    }

    #[tokio::test]
    async fn what_waits_during_a_commit_goes_into_the_next_one() {
        let store = Slow::new(false);
        let (writer, _first) = busy(&store).await;
        let sent = send(&writer, BATCH + 50);
        store.permits.add_permits(3);
        join_all(sent).await;
        assert_eq!(store.batches(), [1, BATCH, 50]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_failed_commit_fails_all_that_were_in_it() {
        let store = Slow::new(true);
        let (writer, _first) = busy(&store).await;
        let sent = send(&writer, QUEUE);
        assert!(matches!(
            writer.append(new("x")).await,
            Err(AppendError::Full)
        ));
        store.permits.add_permits(1 + QUEUE / BATCH);
        for answer in join_all(sent).await {
            assert!(matches!(answer.unwrap(), Err(AppendError::Store(_))));
        }
    }

    #[tokio::test]
    async fn an_event_whose_sender_has_left_is_not_recorded() {
        let store = Slow::new(false);
        let (writer, _first) = busy(&store).await;
        let mut sent = send(&writer, 3);
        drop(sent.remove(1));
        store.permits.add_permits(2);
        join_all(sent).await;
        assert_eq!(store.batches(), [1, 2]);
    }
}
