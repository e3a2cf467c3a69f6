//! Events that are told to the audit log later.
//!
//! Whoever reads a page waits for the audit log, and fails with it, only so that the log hears
//! of it at once. It need not: here the event is written to a disk of the gateway's own, the
//! page is answered, and the event is delivered as often as it takes. The log records each key
//! once, so it hears of every reading exactly once.
//!
//! What waits survives the death of the gateway's process, and of the audit service for as
//! long as there is room; not the loss of the gateway's disk. A gateway that is not started
//! again delivers nothing. Each replica of the gateway has a queue of its own.
//!
//! | module | what it is |
//! |---|---|
//! | `store` | the queue on the disk |
//! | `courier` | who carries the events to the log |

mod courier;
mod store;

use chassis::{Chassis, Error, Refusal, Upstream, delivery::LAST_CALLS};
use courier::Courier;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use store::{QueueStore, Writer};
use stores::SqliteUrl;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use types::audit::NewEvent;

/// A queue on the disk, and who delivers what is in it.
#[derive(Debug)]
pub(crate) struct Queue {
    store: QueueStore,
    writer: Writer,
    stop: CancellationToken,
    courier: Mutex<Option<JoinHandle<()>>>,
}

impl Queue {
    /// Opens the queue at `url`, and delivers what is in it to `audit` from now on.
    pub(crate) async fn start(
        url: &SqliteUrl,
        audit: Upstream,
        chassis: &Chassis,
    ) -> Result<Self, Error> {
        let what = || format!("--audit-queue {url}: the queue cannot be opened");
        let store = QueueStore::open(url).await.map_err(Error::setup(what))?;
        let depth: Arc<AtomicU64> = Arc::default();
        let shown = depth.clone();
        let name = "nines.audit.queue";
        chassis.show(
            name,
            "Events that the audit log has not recorded yet.",
            move || shown.load(Relaxed),
        );
        Ok(Self::of(store, audit, depth))
    }

    fn of(store: QueueStore, audit: Upstream, depth: Arc<AtomicU64>) -> Self {
        let (wake, stop) = (Arc::<Notify>::default(), CancellationToken::new());
        let courier = Courier {
            store: store.clone(),
            audit,
            depth,
            wake: wake.clone(),
            stop: stop.clone(),
        };
        Self {
            writer: Writer::start(store.clone(), wake),
            store,
            stop,
            courier: Mutex::new(Some(tokio::spawn(courier.run()))),
        }
    }

    /// Keeps `event`, which will be told to the audit log. It is on the disk then.
    pub(crate) async fn push(&self, event: NewEvent) -> Result<(), Refusal> {
        self.writer.write(event).await
    }

    /// Delivers what can be delivered now, and ends after 5 s at the latest.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        let courier = self
            .courier
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(courier) = courier {
            let abort = courier.abort_handle();
            if timeout(LAST_CALLS, courier).await.is_err() {
                // What it was delivering is delivered again, and the log knows that.
                abort.abort();
            }
        }
        self.store.close().await;
    }
}
