//! Who carries the events to the audit log.

use super::store::{QueueStore, Waiting};
use chassis::{Call, RequestContext, Upstream};
use faults::{CrashPoint, crash_point};
use futures_util::{StreamExt, stream};
use resilience::retry::Backoff;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

/// How many events are looked at in one round, and how many are under way at once: the audit
/// log commits them together.
const BATCH: u32 = 256;
const AT_ONCE: usize = 32;
/// How long one event may take to be recorded, all attempts together.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to leave an audit log alone that can't be reached.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

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
            match self.round().await {
                Some(0) => self.rest_until_woken().await,
                Some(_) => failures = 0,
                None => {
                    let pause = BACKOFF.pause(failures, rand::random());
                    self.stop.run_until_cancelled(sleep(pause)).await;
                    failures = failures.saturating_add(1);
                }
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

    /// The number of the event, if there is nothing more to do about it.
    async fn deliver(&self, Waiting { id, event }: Waiting) -> Option<i64> {
        // Each delivery draws anew: a fault that is drawn by the request's identity would else
        // strike the same event for ever.
        let delivery: u64 = rand::random();
        let context = RequestContext::new(format!("queue-{id}-{delivery:x}"));
        // Recorded once for each key in the event, however often it is sent.
        let call = Call::post("audit.append", "/v1/events").json(&event);
        let call = call.repeatable().patience(PATIENCE);
        let answer = self.audit.call(&context, call).await.ok()?;
        match answer.status().as_u16() {
            200..=299 => {
                crash_point(CrashPoint::AfterDelivery);
                Some(id)
            }
            // It came too early or too often, or took too long: the next time it may pass.
            408 | 425 | 429 => None,
            // It would be refused the next time too, and must not hold up the others.
            400..=499 => {
                tracing::error!(?event, "the audit log refuses this event");
                // If that fails it comes up again.
                let _ = self.store.put_aside(id).await;
                None
            }
            _ => None,
        }
    }
}
