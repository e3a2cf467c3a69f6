//! Who carries the events to the audit log.

use super::store::{QueueStore, Waiting};
use chassis::{
    Upstream,
    delivery::{self, AT_ONCE, BACKOFF, BATCH, Delivery},
};
use futures_util::{StreamExt, stream};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

pub(super) struct Courier {
    pub(super) store: QueueStore,
    pub(super) audit: Upstream,
    pub(super) depth: Arc<AtomicU64>,
    pub(super) wake: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

impl Courier {
    /// Delivers until it is told to stop, and then what can be delivered at once.
    pub(super) async fn run(self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            if let Some(delivered) = self.round().await {
                failures = 0;
                if delivered == 0 {
                    self.rest_until_woken().await;
                }
            } else {
                let pause = BACKOFF.pause(failures, rand::random());
                self.stop.run_until_cancelled(sleep(pause)).await;
                failures = failures.saturating_add(1);
            }
        }
        while self.round().await.is_some_and(|delivered| delivered > 0) {}
    }

    async fn rest_until_woken(&self) {
        self.stop.run_until_cancelled(self.wake.notified()).await;
    }

    /// How many events were delivered: 0 if none waits, none if none of them could be.
    async fn round(&self) -> Option<usize> {
        match self.try_round().await {
            Ok(delivered) => delivered,
            Err(error) => {
                tracing::warn!(%error, "the queue cannot be read");
                None
            }
        }
    }

    async fn try_round(&self) -> Result<Option<usize>, sqlx::Error> {
        let waiting = self.store.first(BATCH).await?;
        self.depth.store(self.store.depth().await?, Relaxed);
        if waiting.is_empty() {
            return Ok(Some(0));
        }
        let done = stream::iter(waiting).map(|one| self.deliver(one));
        let done: Vec<_> = done.buffer_unordered(AT_ONCE).collect().await;
        let done: Vec<_> = done.into_iter().flatten().collect();
        if done.is_empty() {
            return Ok(None);
        }
        self.store.forget(&done).await?;
        self.depth.fetch_sub(done.len() as u64, Relaxed);
        Ok(Some(done.len()))
    }

    /// The number of the event, if it is recorded.
    async fn deliver(&self, Waiting { id, event }: Waiting) -> Option<i64> {
        let delivery: u64 = rand::random();
        let name = format!("queue-{id}-{delivery:x}");
        match delivery::deliver(&self.audit, name, &event).await {
            Delivery::Recorded => Some(id),
            Delivery::Refused => {
                // If that fails it comes up again.
                let _ = self.store.put_aside(id).await;
                None
            }
            Delivery::Again => None,
        }
    }
}
