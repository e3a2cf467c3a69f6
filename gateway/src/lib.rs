//! The edge: routes, the sequence auth → profile → database, and the page composed from them.
//!
//! | module | what it is |
//! |---|---|
//! | `account` | accounts and sessions |
//! | `page` | the page, and a write to it: the sequence itself |
//! | `events` | what was recorded, for those who may know |
//! | `soft` | services that a page can do without |
//! | `keys` | whose token it is, told without asking |
//! | `queue` | events that are told to the audit log later |
//! | `authorization` | who may do what |
//! | `chain` | one function for each call to a service below |
//! | `bearer` | the token in the request |
//! | `idempotency` | the key under which a write is done once |

mod account;
mod authorization;
mod bearer;
mod chain;
mod events;
mod idempotency;
mod keys;
mod page;
mod queue;
mod soft;
#[cfg(test)]
mod tests;

use axum::{response::IntoResponse, routing::get};
use chain::Chain;
use chassis::{Chassis, Error, openapi, replicas};
use http::header::CONTENT_TYPE;
use keys::Keys;
use queue::Queue;
use soft::Soft;
use std::{sync::Arc, time::Duration};
use stores::{SqliteUrl, StoreUrl};
use types::service;
use url::Url;
use utoipa::openapi::{
    Components, OpenApi,
    security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Settings of the gateway.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::GATEWAY, about = "The edge: logs in, and composes the page from the services below")]
#[command(mut_arg("takeover", |arg| arg.hide(true).value_parser(no_takeover)))]
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
    /// The replicas of a relay that stands for a configuration server; without one nobody is asked
    #[arg(long, env = "NINES_CONFIG_SERVER", value_delimiter = ',', value_parser = replicas::parse, value_name = "URL")]
    pub config_server: Vec<Url>,
    /// The services that a page can do without: it is answered all the same, marked as degraded
    #[arg(
        long,
        env = "NINES_SOFT",
        value_delimiter = ',',
        value_name = "SERVICE"
    )]
    pub soft: Vec<Soft>,
    /// How the gateway finds out whose a token is
    #[arg(
        long,
        env = "NINES_VERIFY",
        default_value = "introspect",
        value_name = "HOW"
    )]
    pub verify: Verify,
    /// Keeps readings of pages and new accounts here and tells the audit service later; writes
    /// are told by the database service, which needs `--audit` for that: without it they are
    /// recorded nowhere
    #[arg(long, env = "NINES_AUDIT_QUEUE", value_parser = sqlite, requires = "audit", value_name = "sqlite:PATH")]
    pub audit_queue: Option<SqliteUrl>,
}

/// How the gateway finds out whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Verify {
    /// It asks auth each time: a token that was revoked is refused at once.
    Introspect,
    /// It checks the signature with auth's public keys: a token is good until it expires.
    Local,
}

/// A standby is told by a heartbeat that it is the active one. Heartbeats come to where clients
/// come too, and whichever of them sent one would decide it.
fn no_takeover(_: &str) -> Result<Duration, String> {
    Err(
        "clients reach the gateway, and could make it the active one; \
         allowed: on the services below, or leave the setting out"
            .to_owned(),
    )
}

/// A file of the gateway's own.
fn sqlite(text: &str) -> Result<SqliteUrl, String> {
    match text.parse() {
        Ok(StoreUrl::Sqlite(url)) => Ok(url),
        _ => Err("allowed: sqlite:PATH".to_owned()),
    }
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// Runs the gateway until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(service::GATEWAY, options.chassis.clone())
        .await?
        .at_the_edge();
    let chain = Arc::new(chain(&chassis, &options).await?);
    let routes = router(chain.clone());
    chassis
        .serve(routes, async move || chain.close().await)
        .await
}

async fn chain(chassis: &Chassis, options: &Options) -> Result<Chain, Error> {
    let optional = |name, replicas: &[Url]| {
        let upstream = || chassis.upstream(name, replicas);
        (!replicas.is_empty()).then(upstream)
    };
    let auth = chassis.upstream(service::AUTH, &options.auth);
    let audit = optional(service::AUDIT, &options.audit);
    let queue = match (&options.audit_queue, audit.clone()) {
        (Some(url), Some(audit)) => Some(Queue::start(url, audit, chassis).await?),
        _ => None,
    };
    let is_local = options.verify == Verify::Local;
    Ok(Chain {
        keys: is_local.then(|| Keys::start(auth.clone())),
        auth,
        profile: chassis.upstream(service::PROFILE, &options.profile),
        database: chassis.upstream(service::DATABASE, &options.database),
        audit,
        queue,
        config: optional(service::CONFIG, &options.config_server),
        soft: options.soft.clone(),
    })
}

fn router(chain: Arc<Chain>) -> OpenApiRouter {
    let routes = routes();
    let document: Arc<str> = openapi::text(service::GATEWAY, &routes).into();
    let describe = async move || {
        let kind = [(CONTENT_TYPE, "application/json")];
        (kind, document.to_string()).into_response()
    };
    routes
        .route("/openapi.json", get(describe))
        .with_state(chain)
}

fn routes() -> OpenApiRouter<Arc<Chain>> {
    OpenApiRouter::with_openapi(with_bearer_tokens())
        .routes(routes!(account::create))
        .routes(routes!(account::login))
        .routes(routes!(account::logout))
        .routes(routes!(page::read_own, page::write_own))
        .routes(routes!(page::read_of, page::write_of))
        .routes(routes!(events::read))
}

/// A document that says what `bearer` means in the routes' security.
fn with_bearer_tokens() -> OpenApi {
    let mut components = Components::new();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("bearer", bearer);
    let mut document = OpenApi::default();
    document.components = Some(components);
    document
}
