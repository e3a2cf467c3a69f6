//! The edge: routes, the sequence auth → profile → database, and the page composed from them.
//!
//! | module | what it is |
//! |---|---|
//! | `account` | accounts and sessions |
//! | `page` | the page, and a write to it: the sequence itself |
//! | `events` | what was recorded, for those who may know |
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
mod page;
#[cfg(test)]
mod tests;

use axum::{response::IntoResponse, routing::get};
use chain::Chain;
use chassis::{Chassis, Error, openapi, replicas};
use http::header::CONTENT_TYPE;
use std::sync::Arc;
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

fn router(chain: Chain) -> OpenApiRouter {
    let routes = routes();
    let document: Arc<str> = openapi::text(service::GATEWAY, &routes).into();
    let describe = async move || {
        let kind = [(CONTENT_TYPE, "application/json")];
        (kind, document.to_string()).into_response()
    };
    routes
        .route("/openapi.json", get(describe))
        .with_state(Arc::new(chain))
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
