//! Who is it? Password login, signed tokens, introspection.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | login and introspection, as HTTP |
//! | `password` | argon2id, a few at a time |
//! | `hasher` | argon2id in memory that is kept |
//! | `threads` | the few threads that hash |
//! | `token` | what a token says, and whether it is good |
//! | `key` | the keys that sign |
//! | `store` | accounts and keys, kept |
//! | `seed` | accounts to try things with |

mod hasher;
mod key;
mod password;
mod routes;
mod seed;
mod store;
mod threads;
mod token;

use chassis::{Chassis, Error};
use key::Key;
use password::Passwords;
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use store::{SqliteStore, Store, StoreError};
use stores::StoreUrl;
use token::Tokens;
use types::service;

pub use password::Cost;

/// Settings of the auth service.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::AUTH, about = "Who is it? Login, tokens, introspection")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// Where accounts and keys are kept: sqlite:PATH, or `sqlite::memory:`
    #[arg(long, env = "NINES_STORE", value_name = "URL")]
    pub store: StoreUrl,
    /// Creates the users `user-1` to `user-N` with the passwords `password-1` to `password-N`, where missing
    #[arg(long, env = "NINES_SEED_USERS", default_value = "0", value_parser = clap::value_parser!(u32).range(..=10_000), value_name = "N")]
    pub seed_users: u32,
    /// How long a token is good
    #[arg(long, env = "NINES_TOKEN_LIFETIME", value_parser = chassis::options::positive, default_value = "1h", value_name = "DURATION")]
    pub token_lifetime: Duration,
    /// What a password hash costs.
    #[command(flatten)]
    pub cost: Cost,
    /// How many passwords are hashed at once; each takes a core, and the memory of a hash for good
    #[arg(
        long,
        env = "NINES_HASHES_AT_ONCE",
        default_value = "1",
        value_name = "COUNT"
    )]
    pub hashes_at_once: NonZeroUsize,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// What the routes share.
pub(crate) struct Auth {
    store: Arc<dyn Store>,
    passwords: Passwords,
    tokens: Tokens,
}

/// Runs the auth service until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::AUTH, options.chassis.clone()).await?;
    let auth = Arc::new(set_up(&options).await?);
    let store = auth.store.clone();
    chassis
        .serve(routes::router(auth), async move || store.close().await)
        .await
}

async fn set_up(options: &Options) -> Result<Auth, Error> {
    let url = &options.store;
    let store = SqliteStore::open(url).await.map_err(Error::setup(|| {
        format!("--store {url}: the store cannot be opened")
    }))?;
    let keys = keys(&store).await.map_err(Error::setup(|| {
        format!("--store {url}: the signing key cannot be read or kept")
    }))?;
    let passwords = Passwords::new(options.cost, options.hashes_at_once)
        .await
        .map_err(Error::setup(|| {
            format!("{:?}: no password can be hashed so", options.cost)
        }))?;
    let users = options.seed_users;
    seed::accounts(&store, &passwords, users)
        .await
        .map_err(Error::setup(|| {
            format!("--seed-users {users}: the users cannot be created")
        }))?;
    Ok(Auth {
        store: Arc::new(store),
        passwords,
        tokens: Tokens::new(keys, options.token_lifetime),
    })
}

/// The keys kept; a new one if there is none yet.
async fn keys(store: &dyn Store) -> Result<Vec<Key>, StoreError> {
    let kept = store.signing_keys(&Key::generate()?).await?;
    kept.iter().map(|pkcs8| Ok(Key::load(pkcs8)?)).collect()
}
