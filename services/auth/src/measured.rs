//! What the benchmark measures: the insides of the service, without HTTP. Nobody else needs it.

use crate::{
    hasher::Hasher,
    moment::Moment,
    store::{self, Terms},
    tokens::{Rotation, Tokens},
};
use argon2::{Params, PasswordHasher};
use futures_util::FutureExt;
use std::{error::Error, time::Duration};
use stores::StoreUrl;
use tokio::runtime::{self, Runtime};
use types::auth::Role;

/// Whatever goes wrong ends the benchmark.
type Failure = Box<dyn Error + Send + Sync>;

/// A replica with a store in memory, whose lease lasts as long as the benchmark.
pub struct Replica {
    tokens: Tokens,
    /// The store's connections belong to it.
    _runtime: Runtime,
}

impl Replica {
    /// Starts it.
    pub fn start() -> Result<Self, Failure> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tokens = runtime.block_on(Self::join())?;
        Ok(Self {
            tokens,
            _runtime: runtime,
        })
    }

    async fn join() -> Result<Tokens, Failure> {
        let store = store::open(&StoreUrl::MEMORY).await?;
        let terms = Terms {
            lease: Duration::from_hours(1),
            lifetime_s: 3600,
        };
        let rotation = Rotation {
            lead: Duration::from_hours(2),
            every: None,
        };
        Ok(Tokens::join(store, terms, rotation, Moment::now()).await?)
    }

    /// Makes a token.
    pub fn issue(&self) -> Option<String> {
        let issued = self.tokens.issue("user-1", &[Role::User], Moment::now());
        Some(issued.now_or_never()?.ok()??.token)
    }

    /// Whether `token` is signed by us, by its signature.
    pub fn verify(&self, token: &str) -> bool {
        self.tokens
            .with_keys(|keys| token::verify(token, |header| keys.with_header(header)).is_some())
    }

    /// Whether `token` is good; its signature is checked only the first time.
    pub fn check(&self, token: &str) -> bool {
        let checked = self.tokens.check(token, Moment::now()).now_or_never();
        checked.is_some_and(|checked| checked.is_ok_and(|claims| claims.is_some()))
    }
}

/// Hashes a password, in memory that is kept.
pub fn hash(memory: u32, passes: u32, lanes: u32, password: &str) -> Result<String, Failure> {
    let hasher = Hasher::new(Params::new(memory, passes, lanes, None)?);
    Ok(hasher.hash_password(password.as_bytes())?.to_string())
}
