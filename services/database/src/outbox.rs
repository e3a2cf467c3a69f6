//! What the audit log is to hear of, delivered after the fact.
//!
//! A change and the event that tells of it are one transaction, so that neither is without
//! the other. The audit log can't take part in that transaction; so the event waits in the
//! outbox, and is delivered as often as it takes. The audit log records each key once, and so
//! it hears of every change exactly once, whoever dies in between.
//!
//! One replica delivers at a time, by a lease that it renews: two would only do the same work
//! twice. Nothing depends on it, nor on clocks that agree: a lease that ends later than any
//! could that was taken now is void. Whoever delivers begins with the oldest event of a record,
//! and goes on only once that is recorded, so that the order holds also when a lease was
//! thought to be over too early.

use crate::{
    clock::now_ms,
    store::{Author, Place, Store, StoreError},
};
use chassis::{
    Upstream,
    delivery::{self, AT_ONCE, BACKOFF, BATCH, Delivery, LAST_CALLS},
};
use futures_util::{StreamExt, stream};
use rand::RngExt;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use types::{audit::NewEvent, header::REQUEST_ID_MAX};

/// How long a replica may deliver without saying again that it does.
const LEASE: Duration = Duration::from_secs(2);
/// How often to look for events that another replica has put there.
const LOOK: Duration = Duration::from_millis(250);
/// How often to count what waits: that takes the longer the more it is.
const COUNT: Duration = Duration::from_secs(1);

/// An event that waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its number in the outbox.
    pub id: i64,
    /// The record that was changed.
    pub place: Place,
    /// The version that the record got.
    pub version: u64,
    /// On whose behalf.
    pub author: Author,
    /// What was done.
    pub action: String,
}

impl Waiting {
    /// The key is that of the version, which never comes twice. An idempotency key may: after
    /// a day it can stand for another write, of which the log would then not hear.
    fn event(&self) -> NewEvent {
        let Place { collection, key } = &self.place;
        NewEvent {
            key: format!("{collection}/{key}@{}", self.version),
            actor: self.author.actor.clone(),
            action: self.action.clone(),
        }
    }

    /// The identity of delivery number `delivery`: the author's request, as far as there is
    /// room for it, and the number.
    fn delivery_id(&self, delivery: u64) -> String {
        const ROOM: usize = REQUEST_ID_MAX - "-0123456789abcdef".len();
        format!("{:.ROOM$}-{delivery:016x}", self.author.request_id)
    }
}

/// Which replica delivers, and until when it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Its name.
    pub holder: String,
    /// In milliseconds since the Unix epoch.
    pub until_ms: u64,
}

impl Lease {
    /// For how long nobody but its holder may deliver, if that is not `replica`. One that ends
    /// later than a lease taken now is that of a clock that was wrong.
    fn keeps_out(&self, replica: &str, now_ms: u64) -> Option<Duration> {
        let left = Duration::from_millis(self.until_ms.saturating_sub(now_ms));
        let is_good = !left.is_zero() && left <= LEASE;
        (is_good && self.holder != replica).then_some(left)
    }
}

/// What a round of deliveries came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There was nothing to do.
    Idle,
    /// Somebody else does it, and will for so long.
    Elsewhere(Duration),
    /// Something is delivered.
    Delivered,
    /// Nothing of what is there could be delivered.
    Failed,
}

/// The delivery, as the rest of the service sees it.
#[derive(Debug)]
pub(crate) struct Outbox {
    wake: Arc<Notify>,
    depth: Arc<AtomicU64>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Outbox {
    /// Delivers what is in `store` to `audit` from now on.
    pub(crate) fn start(store: Arc<dyn Store>, audit: Upstream) -> Self {
        let courier = Courier::new(store, audit);
        Self {
            wake: Arc::clone(&courier.wake),
            depth: Arc::clone(&courier.depth),
            stop: courier.stop.clone(),
            task: Mutex::new(Some(tokio::spawn(courier.run()))),
        }
    }

    /// There is something new to deliver.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// How many events wait, as far as is known.
    pub(crate) fn depth(&self) -> Arc<AtomicU64> {
        self.depth.clone()
    }

    /// Delivers what can be delivered now, and ends after 5 s at the latest.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = task {
            // One that panicked has ended too.
            let _ = task.await;
        }
    }
}

struct Courier {
    store: Arc<dyn Store>,
    audit: Upstream,
    /// Its name in the lease, which no other process has.
    holder: String,
    leased_until: Option<Instant>,
    counted_at: Option<Instant>,
    wake: Arc<Notify>,
    depth: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Courier {
    fn new(store: Arc<dyn Store>, audit: Upstream) -> Self {
        Self {
            store,
            audit,
            holder: format!("{:032x}", rand::rng().random::<u128>()),
            leased_until: None,
            counted_at: None,
            wake: Arc::default(),
            depth: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Given up in the middle of a round, it has delivered what it does not remember, and the
    /// audit log knows that.
    async fn run(mut self) {
        let stop = self.stop.clone();
        let last_call = async {
            stop.cancelled().await;
            sleep(LAST_CALLS).await;
        };
        tokio::select! {
            () = self.rounds() => {}
            () = last_call => {}
        }
    }

    async fn rounds(&mut self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let round = self.round().await;
            match round {
                Round::Delivered => {}
                Round::Idle => self.rest(LOOK, true).await,
                // A new event of its own is none of its business.
                Round::Elsewhere(time) => self.rest(time, false).await,
                Round::Failed => {
                    // Not even a new event ends this pause: it would not fare better.
                    let pause = BACKOFF.pause(failures, rand::rng().random());
                    self.rest(pause, false).await;
                }
            }
            failures = if round == Round::Failed {
                failures.saturating_add(1)
            } else {
                0
            };
        }
        while self.round().await == Round::Delivered {}
    }

    async fn rest(&self, time: Duration, may_be_woken: bool) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.wake.notified(), if may_be_woken => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn round(&mut self) -> Round {
        match self.try_round().await {
            Ok(round) => round,
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read");
                Round::Failed
            }
        }
    }

    async fn try_round(&mut self) -> Result<Round, StoreError> {
        let waiting = self.store.waiting(BATCH).await?;
        self.count().await?;
        if waiting.is_empty() {
            return Ok(Round::Idle);
        }
        if let Some(time) = self.kept_out().await? {
            return Ok(Round::Elsewhere(time));
        }
        let delivered = tokio::select! {
            delivered = self.deliver(waiting) => delivered,
            never = self.keep_lease() => match never {},
        };
        if delivered.is_empty() {
            return Ok(Round::Failed);
        }
        self.store.forget(&delivered).await?;
        let left = self
            .depth
            .load(Relaxed)
            .saturating_sub(delivered.len() as u64);
        self.depth.store(left, Relaxed);
        Ok(Round::Delivered)
    }

    async fn count(&mut self) -> Result<(), StoreError> {
        if self.counted_at.is_none_or(|at| at.elapsed() >= COUNT) {
            self.depth.store(self.store.depth().await?, Relaxed);
            self.counted_at = Some(Instant::now());
        }
        Ok(())
    }

    /// For how long it may not deliver, if it may not. The lease is renewed once half of it is
    /// over; that of somebody else is only looked at, which no write waits for.
    async fn kept_out(&mut self) -> Result<Option<Duration>, StoreError> {
        // By the monotonic clock: the time of day may go back by more than a lease.
        let begin = Instant::now();
        if self
            .leased_until
            .is_some_and(|until| begin + LEASE / 2 < until)
        {
            return Ok(None);
        }
        let now = now_ms();
        if let Some(time) = self.store.lease().await?.keeps_out(&self.holder, now) {
            return Ok(Some(time));
        }
        let is_mine = self.take_lease(now).await?;
        self.leased_until = is_mine.then(|| begin + LEASE);
        // Another one was faster.
        Ok((!is_mine).then_some(LOOK))
    }

    async fn take_lease(&self, now: u64) -> Result<bool, StoreError> {
        let until = now + milliseconds(LEASE);
        self.store.may_deliver(&self.holder, now, until).await
    }

    /// A round may take longer than the lease.
    async fn keep_lease(&self) -> Infallible {
        loop {
            sleep(LEASE / 2).await;
            // Without it another replica does the same work, that is all.
            let _ = self.take_lease(now_ms()).await;
        }
    }

    /// The numbers of those that are recorded now. Of one record, each waits for the one
    /// before; different records do not wait for each other.
    async fn deliver(&self, waiting: Vec<Waiting>) -> Vec<i64> {
        let mut by_place: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in waiting {
            let place = (one.place.collection.clone(), one.place.key.clone());
            by_place.entry(place).or_default().push(one);
        }
        let delivered = stream::iter(by_place.into_values())
            .map(|events| self.deliver_in_turn(events))
            .buffer_unordered(AT_ONCE);
        delivered.concat().await
    }

    async fn deliver_in_turn(&self, events: Vec<Waiting>) -> Vec<i64> {
        let mut delivered = Vec::with_capacity(events.len());
        for event in &events {
            if !self.deliver_one(event).await {
                break;
            }
            delivered.push(event.id);
        }
        delivered
    }

    /// Whether the event is recorded.
    async fn deliver_one(&self, waiting: &Waiting) -> bool {
        let name = waiting.delivery_id(rand::random());
        let delivery = delivery::deliver(&self.audit, name, &waiting.event()).await;
        if delivery == Delivery::Refused {
            // If that fails it comes up again.
            let _ = self.store.put_aside(waiting.id).await;
        }
        delivery == Delivery::Recorded
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
