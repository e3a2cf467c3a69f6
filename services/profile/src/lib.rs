//! Profiles, and what a user's page consists of.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | profiles and views, as HTTP |
//! | `check` | what a profile and a page may say |
//! | `page` | what a user's page consists of |
//! | `store` | profiles, kept: in SQLite or PostgreSQL |
//! | `seed` | profiles to try things with |

mod check;
mod page;
mod routes;
mod seed;
mod store;

use chassis::{Chassis, Error, StoreWait};
use std::sync::Arc;
use store::Store;
use stores::{OpenError, StoreUrl};
use types::service;

/// Settings of the profile service.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::PROFILE, about = "Profiles, and what a user's page consists of")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// Where profiles are kept: sqlite:PATH, `sqlite::memory:`, or <postgres://user@host/database>
    #[arg(long, env = "NINES_STORE", hide_env_values = true, value_name = "URL")]
    pub store: StoreUrl,
    /// How long the store is waited for.
    #[command(flatten)]
    pub store_wait: StoreWait,
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
    let store = chassis.set_up(set_up(&chassis, &options)).await?;
    let routes = routes::router().with_state(store.clone());
    chassis
        .serve(routes, async move || store.close().await)
        .await
}

async fn set_up(chassis: &Chassis, options: &Options) -> Result<Arc<dyn Store>, Error> {
    let url = &options.store;
    let open = async || store::open(url).await;
    let store = chassis.store(url, options.store_wait, open, OpenError::is_absent);
    let store = store.await?;
    let users = options.seed_users;
    seed::profiles(&*store, users)
        .await
        .map_err(Error::setup(|| {
            format!("--seed-users {users}: the profiles cannot be created")
        }))?;
    Ok(store)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_description_is_up_to_date() {
        let text = chassis::openapi::text(types::service::PROFILE, &crate::routes::router());
        testkit::golden(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), &text);
    }
}
