//! An append-only, hash-chained log of events: the fifth hop.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | the log, as HTTP |
//! | `chain` | each event's hash covers all before it |
//! | `writer` | many events in one commit |
//! | `store` | events, kept: in SQLite or PostgreSQL |

mod chain;
mod routes;
mod store;
mod writer;

use chassis::{Chassis, Error, StoreWait};
use std::sync::Arc;
use store::Store;
use stores::{OpenError, StoreUrl};
use tokio::sync::Semaphore;
use types::service;
use writer::Writer;

/// Settings of the audit service.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::AUDIT, about = "An append-only, hash-chained log of events")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// Where events are kept: sqlite:PATH, `sqlite::memory:`, or <postgres://user@host/database>
    #[arg(long, env = "NINES_STORE", hide_env_values = true, value_name = "URL")]
    pub store: StoreUrl,
    /// How long the store is waited for.
    #[command(flatten)]
    pub store_wait: StoreWait,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// What the routes share.
pub(crate) struct Audit {
    store: Arc<dyn Store>,
    writer: Writer,
    /// Held by who verifies the log: it goes through all that is kept, and must not be done
    /// by everybody at once.
    walk: Semaphore,
}

impl Audit {
    fn new(store: Arc<dyn Store>) -> Self {
        Self {
            writer: Writer::start(store.clone()),
            store,
            walk: Semaphore::new(1),
        }
    }
}

/// Runs the audit service until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::AUDIT, options.chassis).await?;
    let url = &options.store;
    let open = async || store::open(url).await;
    let store = chassis.store(url, options.store_wait, open, OpenError::is_absent);
    let store = chassis.set_up(store).await?;
    let audit = Audit::new(store.clone());
    let routes = routes::router().with_state(Arc::new(audit));
    chassis
        .serve(routes, async move || store.close().await)
        .await
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_description_is_up_to_date() {
        let text = chassis::openapi::text(types::service::AUDIT, &crate::routes::router());
        testkit::golden(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), &text);
    }
}
