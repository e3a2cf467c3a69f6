//! Whether a replica takes requests, as its callers ask it: heartbeats.
//!
//! They come in where requests do, and faults strike them as they strike requests: a replica
//! that is down for requests is down for whoever asks here. The probe of the admin listener,
//! which no fault touches, is for whoever runs the process. Heartbeats are not requests: they
//! are not counted and have no spans.

use super::{Inbound, answer, standby::Standby};
use crate::{Refusal, RequestContext, admin::Readiness, refusal};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{map_request, map_response_with_state},
    response::Response,
    routing::get,
};
use faults::{FaultLayer, RequestKey};
use http::HeaderMap;
use std::sync::Arc;

/// The route that heartbeats ask.
pub(super) const PATH: &str = "/readyz";

/// What a heartbeat asks.
#[derive(Debug, Clone)]
struct Asked {
    readiness: Readiness,
    standby: Option<Standby>,
}

/// The one route of it, behind nothing but faults.
pub(super) fn router(inbound: &Inbound, readiness: Readiness) -> Router {
    let asked = Asked {
        readiness,
        standby: inbound.standby.clone(),
    };
    Router::new()
        .route(PATH, get(ready))
        .with_state(asked)
        // Outermost last: so it is with the layers of a router.
        .route_layer(FaultLayer::new(inbound.faults.clone(), |_| (), answer))
        .route_layer(map_request(keyed))
        .route_layer(map_response_with_state(inbound.service.clone(), render))
}

/// Chance strikes each heartbeat for itself, by the name its sender gave it.
async fn keyed(mut request: Request) -> Request {
    let context = RequestContext::from_headers(request.headers());
    request.extensions_mut().insert(RequestKey {
        request_id: context.request_id,
        attempt_path: context.attempt_path,
    });
    request
}

async fn ready(State(asked): State<Asked>, headers: HeaderMap) -> Result<&'static str, Refusal> {
    if let Some(standby) = &asked.standby {
        standby.hear(&headers);
    }
    asked.readiness.told()
}

async fn render(State(service): State<Arc<str>>, response: Response) -> Response {
    refusal::render(response, &service, "heartbeat")
}
