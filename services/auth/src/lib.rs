//! Who is it? Registration, password login, signed tokens, introspection, revocation.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | what the service can be asked; the handlers that are about tokens |
//! | `registration` | somebody new |
//! | `login` | a token for a name and its password |
//! | `admin` | a new signing key, now |
//! | `refused` | what a client is told that can't have what it asks for |
//! | `limit`, `address` | how often a password may be tried, and from where |
//! | `password` | argon2id, a few at a time |
//! | `hasher` | argon2id in memory that is kept |
//! | `threads` | the few threads that hash |
//! | `tokens` | the tokens of a replica: made, checked, revoked |
//! | `key` | the key that signs tokens |
//! | `rotation` | which key signs, which verify, and when one goes |
//! | `revocation` | how all replicas come to know that a token is good no more |
//! | `moment` | a moment, by both clocks |
//! | `store` | accounts, keys and revocations, kept: in SQLite or PostgreSQL |
//! | `seed`, `grant` | accounts to try things with, and roles |
//! | `upkeep` | what is to be done now and then |

mod address;
mod admin;
mod grant;
mod hasher;
mod key;
mod limit;
mod login;
#[doc(hidden)]
pub mod measured;
mod moment;
mod password;
mod refused;
mod registration;
mod revocation;
mod rotation;
mod routes;
mod seed;
mod store;
mod threads;
mod tokens;
mod upkeep;

use chassis::{Chassis, Error, StoreWait};
use limit::Limits;
use moment::Moment;
use password::Passwords;
use std::{sync::Arc, time::Duration};
use store::{Store, Terms};
use stores::{OpenError, StoreUrl};
use tokens::{Rotation, Tokens};
use types::service;

pub use grant::Grant;
pub use limit::Limit;
pub use password::{Cost, Room};

/// Settings of the auth service.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::AUTH, about = "Who is it? Login, tokens, introspection")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// Where accounts and keys are kept: sqlite:PATH, `sqlite::memory:`, or postgres://…
    #[arg(long, env = "NINES_STORE", hide_env_values = true, value_name = "URL")]
    pub store: StoreUrl,
    /// How long the store is waited for.
    #[command(flatten)]
    pub store_wait: StoreWait,
    /// Creates the users `user-1` to `user-N` with the passwords `password-1` to `password-N`, where missing
    #[arg(long, env = "NINES_SEED_USERS", default_value = "0", value_parser = clap::value_parser!(u32).range(..=10_000), value_name = "N")]
    pub seed_users: u32,
    /// Gives roles to users: auditor or admin
    #[arg(
        long,
        env = "NINES_GRANT",
        value_delimiter = ',',
        value_name = "NAME=ROLE"
    )]
    pub grant: Vec<Grant>,
    /// How long a token is good
    #[arg(long, env = "NINES_TOKEN_LIFETIME", value_parser = chassis::options::positive, default_value = "1h", value_name = "DURATION")]
    pub token_lifetime: Duration,
    /// How the signing keys change.
    #[command(flatten)]
    pub keys: Keys,
    /// How long a replica uses what it knows of revocations; a revocation takes as long
    #[arg(long, env = "NINES_REVOCATION_LEASE", value_parser = chassis::options::positive, default_value = "500ms", value_name = "DURATION")]
    pub revocation_lease: Duration,
    /// What a password hash costs.
    #[command(flatten)]
    pub cost: Cost,
    /// How many passwords are hashed, and how many wait for that.
    #[command(flatten)]
    pub room: Room,
    /// How often a password may be tried.
    #[command(flatten)]
    pub attempts: Attempts,
}

/// How the signing keys change.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Keys {
    /// How long a new signing key is known before it signs: whoever keeps a copy of the keys has it then
    #[arg(long = "key-lead", env = "NINES_KEY_LEAD", value_parser = chassis::options::positive, default_value = "5m", value_name = "DURATION")]
    pub lead: Duration,
    /// Makes a new signing key this often; without it, only when told to
    #[arg(long = "rotate-keys-every", env = "NINES_ROTATE_KEYS_EVERY", value_parser = chassis::options::positive, value_name = "DURATION")]
    pub rotate_every: Option<Duration>,
}

/// How often a password may be tried. 30 a minute is 43,200 guesses a day at one password,
/// which no password of 8 characters fears that is not among the first in everybody's list;
/// but whoever knows a name can keep its owner from logging in. 300 a minute is a tenth of
/// what one core can hash: no address alone keeps the others out.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Attempts {
    /// How often one account's password may be tried, for example 10/1m; none for any number
    #[arg(
        long = "logins-per-account",
        env = "NINES_LOGINS_PER_ACCOUNT",
        default_value = "30/1m",
        value_name = "COUNT/DURATION"
    )]
    pub per_account: Limit,
    /// How often one client address may try passwords; none for any number
    #[arg(
        long = "logins-per-address",
        env = "NINES_LOGINS_PER_ADDRESS",
        default_value = "300/1m",
        value_name = "COUNT/DURATION"
    )]
    pub per_address: Limit,
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
    limits: Limits,
}

/// Runs the auth service until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::AUTH, options.chassis.clone()).await?;
    let auth = chassis.set_up(set_up(&chassis, &options)).await?;
    let auth = Arc::new(auth);
    let routes = routes::router().with_state(auth.clone());
    let upkeep = upkeep::start(auth.clone(), options.keys.rotate_every);
    let chassis = chassis.admin_routes(admin::router(auth.clone()));
    let close = async move || {
        upkeep.stop().await;
        auth.store.close().await;
    };
    chassis.serve(routes, close).await
}

async fn set_up(chassis: &Chassis, options: &Options) -> Result<Auth, Error> {
    options.check()?;
    let url = &options.store;
    let open = async || store::open(url).await;
    let store = chassis.store(url, options.store_wait, open, OpenError::is_absent);
    let store = store.await?;
    let tokens = Tokens::join(
        store.clone(),
        options.terms(),
        options.rotation(),
        Moment::now(),
    );
    let tokens = tokens.await.map_err(Error::setup(|| {
        format!("--store {url}: the signing keys cannot be read or kept")
    }))?;
    let passwords = Passwords::new(options.cost, options.room);
    let passwords = passwords.await.map_err(Error::setup(|| {
        format!("{:?}: no password can be hashed so", options.cost)
    }))?;
    options.populate(&*store, &passwords).await?;
    let Attempts {
        per_account,
        per_address,
    } = options.attempts;
    Ok(Auth {
        store,
        passwords,
        tokens,
        limits: Limits::new(per_account, per_address),
    })
}

/// Two settings that don't go together.
#[derive(Debug, thiserror::Error)]
#[error("allowed: {0}")]
struct Allowed(&'static str);

impl Options {
    fn check(&self) -> Result<(), Error> {
        let (lead, lease) = (self.keys.lead, self.revocation_lease);
        if lead < lease * 2 {
            let what = format!("--key-lead {lead:?} does not go with --revocation-lease {lease:?}");
            let allowed = "at least two leases, so that every replica knows a key before it signs";
            return Err(Error::setup(|| what)(Allowed(allowed)));
        }
        match self.keys.rotate_every {
            Some(every) if every < lead => {
                let what =
                    format!("--rotate-keys-every {every:?} does not go with --key-lead {lead:?}");
                let allowed = "at least the lead time, so that every key comes to sign";
                Err(Error::setup(|| what)(Allowed(allowed)))
            }
            _ => Ok(()),
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            lease: self.revocation_lease,
            // A token's times are whole seconds; one shorter than that would never be good.
            lifetime_s: self.token_lifetime.as_secs().max(1),
        }
    }

    fn rotation(&self) -> Rotation {
        Rotation {
            lead: self.keys.lead,
            every: self.keys.rotate_every,
        }
    }

    /// Creates the accounts and gives the roles that are asked for.
    async fn populate(&self, store: &dyn Store, passwords: &Passwords) -> Result<(), Error> {
        let users = self.seed_users;
        let seeded = seed::accounts(store, passwords, users).await;
        seeded.map_err(Error::setup(|| {
            format!("--seed-users {users}: the users cannot be created")
        }))?;
        for grant in &self.grant {
            let given = grant::carry_out(store, grant).await;
            given.map_err(Error::setup(|| {
                format!("--grant {grant}: it cannot be given")
            }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// What is wrong with these settings, if anything is.
    fn wrong(flags: &[&str]) -> Option<String> {
        let args = ["auth", "--store=sqlite::memory:"].iter().chain(flags);
        let error = Options::parse_from(args).check().err()?;
        let allowed = std::error::Error::source(&error)?.to_string();
        Some(format!("{error}: {allowed}"))
    }

    #[test]
    fn settings_that_do_not_go_together_are_named_with_what_is_allowed() {
        assert_eq!(wrong(&[]), None);
        let fits = [
            "--key-lead=1s",
            "--revocation-lease=500ms",
            "--rotate-keys-every=1s",
        ];
        assert_eq!(wrong(&fits), None);
        let error = wrong(&["--key-lead=1s", "--revocation-lease=501ms"]).unwrap();
        assert!(error.contains("--key-lead 1s does not go with --revocation-lease 501ms"));
        assert!(error.contains("allowed: at least two leases"), "{error}");
        let error = wrong(&["--key-lead=1h", "--rotate-keys-every=59m"]).unwrap();
        assert!(
            error.contains("--rotate-keys-every") && error.contains("allowed:"),
            "{error}"
        );
    }
}
