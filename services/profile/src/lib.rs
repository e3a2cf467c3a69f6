//! Profiles, and what a user's page consists of.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | profiles and views, as HTTP |
//! | `check` | what a profile may say |
//! | `store` | profiles, kept |
//! | `seed` | profiles to try things with |

mod check;
mod routes;
mod seed;
mod store;

use chassis::{Chassis, Error};
use std::sync::Arc;
use store::{SqliteStore, Store};
use stores::StoreUrl;
use types::service;

/// Settings of the profile service.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::PROFILE, about = "Profiles, and what a user's page consists of")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// Where profiles are kept: sqlite:PATH, or `sqlite::memory:`
    #[arg(long, env = "NINES_STORE", value_name = "URL")]
    pub store: StoreUrl,
    /// Creates the profiles of `user-1` to `user-N`, each with a page of three records, where missing
    #[arg(long, env = "NINES_SEED_USERS", default_value = "0", value_parser = clap::value_parser!(u32).range(..=10_000), value_name = "N")]
    pub seed_users: u32,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// Runs the profile service until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::PROFILE, options.chassis.clone()).await?;
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
    seed::profiles(&store, users)
        .await
        .map_err(Error::setup(|| {
            format!("--seed-users {users}: the profiles cannot be created")
        }))?;
    Ok(Arc::new(store))
}
