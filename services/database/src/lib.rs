//! Records by collection and key: the system of record.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | records, as HTTP |
//! | `once` | a write that may be sent again |
//! | `outbox` | what the audit log is to hear of, delivered after the fact |
//! | `store` | records, kept: in SQLite or PostgreSQL |
//! | `seed` | records to try things with |
//! | `clock` | the time of day |

mod clock;
mod once;
mod outbox;
mod routes;
mod seed;
mod store;

use chassis::{Chassis, Error, StoreWait, replicas};
use outbox::Outbox;
use routes::Database;
use std::sync::{Arc, atomic::Ordering::Relaxed};
use store::Store;
use stores::{OpenError, StoreUrl};
use types::service;
use url::Url;

/// Settings of the database service.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::DATABASE, about = "Records by collection and key")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// Where records are kept: sqlite:PATH, `sqlite::memory:`, or <postgres://user@host/database>
    #[arg(long, env = "NINES_STORE", hide_env_values = true, value_name = "URL")]
    pub store: StoreUrl,
    /// How long the store is waited for.
    #[command(flatten)]
    pub store_wait: StoreWait,
    /// Creates the three records of the page of each of `user-1` to `user-N`, where missing
    #[arg(long, env = "NINES_SEED_USERS", default_value = "0", value_parser = clap::value_parser!(u32).range(..=10_000), value_name = "N")]
    pub seed_users: u32,
    /// The replicas of the audit service, which hears of every change; without one, of none
    #[arg(long, env = "NINES_AUDIT", value_delimiter = ',', value_parser = replicas::parse, value_name = "URL")]
    pub audit: Vec<Url>,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// Runs the database service until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::DATABASE, options.chassis.clone()).await?;
    let store = chassis.set_up(set_up(&chassis, &options)).await?;
    let outbox = outbox(&chassis, &options, &store);
    let database = Arc::new(Database { store, outbox });
    let routes = routes::router().with_state(database.clone());
    chassis
        .serve(routes, async move || database.close().await)
        .await
}

async fn set_up(chassis: &Chassis, options: &Options) -> Result<Arc<dyn Store>, Error> {
    let url = &options.store;
    let open = async || store::open(url).await;
    let store = chassis.store(url, options.store_wait, open, OpenError::is_absent);
    let store = store.await?;
    let users = options.seed_users;
    seed::records(&*store, users)
        .await
        .map_err(Error::setup(|| {
            format!("--seed-users {users}: the records cannot be created")
        }))?;
    Ok(store)
}

/// The delivery to the audit log, where there is one.
fn outbox(chassis: &Chassis, options: &Options, store: &Arc<dyn Store>) -> Option<Outbox> {
    if options.audit.is_empty() {
        return None;
    }
    let audit = chassis.upstream(service::AUDIT, &options.audit);
    let outbox = Outbox::start(store.clone(), audit);
    let depth = outbox.depth();
    chassis.show(
        "nines.outbox.depth",
        "Events that the audit log has not recorded yet.",
        move || depth.load(Relaxed),
    );
    Some(outbox)
}

impl Database {
    /// Delivers what it can, then closes the store: in this order, because one needs the other.
    async fn close(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.stop().await;
        }
        self.store.close().await;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_description_is_up_to_date() {
        let text = chassis::openapi::text(types::service::DATABASE, &crate::routes::router());
        testkit::golden(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), &text);
    }
}
