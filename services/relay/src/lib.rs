//! A hop with no business of its own: it calls what it is told to, in order, and answers
//! once they all have. Any graph of services can be built from it.
//!
//! What it calls comes from its configuration, never from a request: a client must not be
//! able to send it anywhere.

use axum::{Router, extract::State, routing::get};
use chassis::{Call, Chassis, Error, Json, Refusal, RequestContext, Upstream};
use std::{str::FromStr, sync::Arc};
use types::{relay::Relayed, service};
use url::Url;

/// Settings of a relay.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::RELAY, about = "A hop that calls what it is told to")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// The name of this relay, in traces and to its callers
    #[arg(long, env = "NINES_NAME", default_value = service::RELAY, value_name = "NAME")]
    pub name: String,
    /// The services to call, in order: name=http://address:port, separated by commas
    #[arg(
        long,
        env = "NINES_CALLS",
        value_delimiter = ',',
        value_name = "NAME=URL"
    )]
    pub calls: Vec<Target>,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// A service to call.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: Url,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "allowed: name=http://address:port";
        let (name, url) = text.split_once('=').ok_or_else(|| allowed.to_owned())?;
        let url = url.parse().map_err(|error| format!("{error}; {allowed}"))?;
        Ok(Self {
            name: name.to_owned(),
            url,
        })
    }
}

#[derive(Debug)]
struct Relay {
    name: String,
    upstreams: Vec<Upstream>,
}

/// Runs a relay until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(&options.name, options.chassis).await?;
    let upstream =
        |target: &Target| chassis.upstream(&target.name, std::slice::from_ref(&target.url));
    let upstreams = options.calls.iter().map(upstream).collect();
    let relay = Relay {
        name: options.name,
        upstreams,
    };
    let router = Router::new()
        .route("/v1/relay", get(relay_on))
        .with_state(Arc::new(relay));
    chassis.serve(router, async || ()).await
}

/// `GET /v1/relay`: calls the others one after the other; the first failure ends it.
async fn relay_on(
    State(relay): State<Arc<Relay>>,
    context: RequestContext,
) -> Result<Json<Relayed>, Refusal> {
    let mut hops = 1;
    for upstream in &relay.upstreams {
        let answer = upstream
            .call(&context, Call::get("relay.relay", "/v1/relay"))
            .await?;
        let below: Relayed = answer.json()?;
        hops += below.hops;
    }
    Ok(Json(Relayed {
        service: relay.name.clone(),
        hops,
    }))
}
