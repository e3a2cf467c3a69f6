//! Records by collection and key: the system of record.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | records, as HTTP |
//! | `once` | a write that may be sent again |
//! | `store` | records, kept |
//! | `seed` | records to try things with |

mod once;
mod routes;
mod seed;
mod store;

use chassis::{Chassis, Error};
use std::sync::Arc;
use store::{SqliteStore, Store};
use stores::StoreUrl;
use types::service;

/// Settings of the database service.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::DATABASE, about = "Records by collection and key")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// Where records are kept: sqlite:PATH, or `sqlite::memory:`
    #[arg(long, env = "NINES_STORE", value_name = "URL")]
    pub store: StoreUrl,
    /// Creates the three records of the page of each of `user-1` to `user-N`, where missing
    #[arg(long, env = "NINES_SEED_USERS", default_value = "0", value_parser = clap::value_parser!(u32).range(..=10_000), value_name = "N")]
    pub seed_users: u32,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// Runs the database service until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::DATABASE, options.chassis.clone()).await?;
    let store = set_up(&options).await?;
    let router = routes::router(store.clone());
    chassis
        .serve(router, async move || store.close().await)
        .await
}

async fn set_up(options: &Options) -> Result<Arc<dyn Store>, Error> {
    let url = &options.store;
    let store = SqliteStore::open(url).await.map_err(Error::setup(|| {
        format!("--store {url}: the store cannot be opened")
    }))?;
    let users = options.seed_users;
    seed::records(&store, users)
        .await
        .map_err(Error::setup(|| {
            format!("--seed-users {users}: the records cannot be created")
        }))?;
    Ok(Arc::new(store))
}
