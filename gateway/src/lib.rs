//! The edge: routes, the sequence auth → profile → database, and the page composed from them.
//!
//! | module | what it is |
//! |---|---|
//! | `login` | a token for a name and its password |
//! | `page` | the page, and a write to it: the sequence itself |
//! | `chain` | one function for each call to a service below |
//! | `bearer` | the token in the request |
//! | `idempotency` | the key under which a write is done once |
//! | `replicas` | where a service below is |

mod bearer;
mod chain;
mod idempotency;
mod login;
mod page;
mod replicas;
#[cfg(test)]
mod tests;

use axum::{
    Router,
    routing::{get, post},
};
use chain::Chain;
use chassis::{Chassis, Error};
use std::sync::Arc;
use types::service;
use url::Url;

/// Settings of the gateway.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::GATEWAY, about = "The edge: logs in, and composes the page from the services below")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// The replicas of the auth service, separated by commas
    #[arg(long, env = "NINES_AUTH", required = true, value_delimiter = ',', value_parser = replicas::parse, value_name = "URL")]
    pub auth: Vec<Url>,
    /// The replicas of the profile service, separated by commas
    #[arg(long, env = "NINES_PROFILE", required = true, value_delimiter = ',', value_parser = replicas::parse, value_name = "URL")]
    pub profile: Vec<Url>,
    /// The replicas of the database service, separated by commas
    #[arg(long, env = "NINES_DATABASE", required = true, value_delimiter = ',', value_parser = replicas::parse, value_name = "URL")]
    pub database: Vec<Url>,
    /// The replicas of the audit service, separated by commas; without one nothing is recorded
    #[arg(long, env = "NINES_AUDIT", value_delimiter = ',', value_parser = replicas::parse, value_name = "URL")]
    pub audit: Vec<Url>,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// Runs the gateway until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::GATEWAY, options.chassis.clone()).await?;
    let chain = chain(&chassis, &options);
    chassis.serve(router(chain), async || ()).await
}

fn chain(chassis: &Chassis, options: &Options) -> Chain {
    let audit = Some(&options.audit).filter(|replicas| !replicas.is_empty());
    Chain {
        auth: chassis.upstream(service::AUTH, &options.auth),
        profile: chassis.upstream(service::PROFILE, &options.profile),
        database: chassis.upstream(service::DATABASE, &options.database),
        audit: audit.map(|replicas| chassis.upstream(service::AUDIT, replicas)),
    }
}

fn router(chain: Chain) -> Router {
    Router::new()
        .route("/v1/login", post(login::login))
        .route("/v1/me", get(page::read).put(page::write))
        .with_state(Arc::new(chain))
}
