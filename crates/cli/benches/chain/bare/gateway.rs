//! The edge: auth, profile and database in turn, and the page.

use super::{Answer, Failed, Settings};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, header::AUTHORIZATION},
    routing::get,
};
use reqwest::{Client, RequestBuilder};
use serde::de::DeserializeOwned;
use std::{error::Error, io, sync::Arc};
use types::{
    auth::{IntrospectRequest, Introspection},
    database::Records,
    gateway::Page,
    profile::View,
};
use url::Url;

struct Gateway {
    client: Client,
    auth: Url,
    profile: Url,
    database: Url,
}

pub fn router(settings: Settings) -> Result<Router, Box<dyn Error>> {
    let gateway = Gateway {
        // The very client of the real services, settings and all.
        client: chassis::outbound::client()?,
        auth: settings.auth.ok_or("--auth is missing")?,
        profile: settings.profile.ok_or("--profile is missing")?,
        database: settings.database.ok_or("--database is missing")?,
    };
    Ok(Router::new()
        .route("/v1/me", get(me))
        .with_state(Arc::new(gateway)))
}

async fn me(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Answer<Page> {
    let Gateway {
        client,
        auth,
        profile,
        database,
    } = &*gateway;
    let token = token(&headers).ok_or_else(refused)?;
    let request = client.post(format!("{auth}v1/introspect"));
    let who: Introspection = ask(request.json(&IntrospectRequest { token })).await?;
    let user = who.subject.ok_or_else(refused)?;
    let view: View = ask(client.get(format!("{profile}v1/profiles/{user}/view"))).await?;
    let (collection, keys) = (view.collection, view.keys.join(","));
    let url = format!("{database}v1/records/{collection}?keys={keys}");
    let Records { records, .. } = ask(client.get(url)).await?;
    Ok(Json(Page {
        profile: view.profile,
        records,
        degraded: false,
    }))
}

fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

fn refused() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

async fn ask<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Failed> {
    let answer = request.send().await?.error_for_status()?;
    Ok(answer.json().await?)
}
