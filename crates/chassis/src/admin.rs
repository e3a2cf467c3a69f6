//! Probes, metrics, faults, policy, replicas of callees, and the description of the routes, on a listener of their own that no fault ever touches.
//!
//! Liveness and readiness say nothing about other services: a dependency that is down must
//! not get its callers restarted or taken out of rotation one after the other. A service that
//! starts is alive before it is ready, however long it waits for its store.

use crate::{
    Json, Policy, PolicyControl, Refusal,
    callees::{Callees, Written},
    options::Secret,
    refusal,
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state, map_response_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use faults::{FaultControl, FaultSet};
use http::{HeaderMap, HeaderValue, header};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering::Relaxed},
};
use subtle::ConstantTimeEq;
use telemetry::Telemetry;
use tower::ServiceExt;
use types::Problem;

/// Whether the service takes requests.
///
/// ```text
/// starting => (waiting | ready)   its store is not there yet | it serves
/// waiting  => starting            its store is there
/// ready    => draining            it receives the signal to stop
/// ```
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

const STARTING: u8 = 0;
const WAITING: u8 = 1;
const READY: u8 = 2;
const DRAINING: u8 = 3;

// Relaxed: nothing else is published by the state, and a probe that comes a moment earlier
// would have seen the one before as well.
impl Readiness {
    /// Its own part is being set up.
    pub(crate) fn starting(&self) {
        self.0.store(STARTING, Relaxed);
    }

    /// It waits for its store.
    pub(crate) fn waiting(&self) {
        self.0.store(WAITING, Relaxed);
    }

    /// It serves from now on.
    pub(crate) fn ready(&self) {
        self.0.store(READY, Relaxed);
    }

    /// It is told to stop.
    pub(crate) fn draining(&self) {
        self.0.store(DRAINING, Relaxed);
    }

    /// What whoever asks is told.
    pub(crate) fn told(&self) -> Result<&'static str, Refusal> {
        let (code, title) = match self.0.load(Relaxed) {
            READY => return Ok("ready\n"),
            STARTING => ("starting", "The service is starting"),
            WAITING => ("waiting-for-store", "The service is waiting for its store"),
            _ => ("draining", "The service is stopping"),
        };
        Err(Problem::new(503, code, title).retryable(true).into())
    }
}

/// What the admin listener shows and changes.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub service: Arc<str>,
    pub readiness: Readiness,
    pub faults: FaultControl,
    pub policy: PolicyControl,
    pub callees: Callees,
    pub telemetry: Arc<Telemetry>,
    pub guard: Guard,
    pub late: Late,
}

/// The routes that are known once the service is set up. Until then it is starting for them, too.
///
/// They must not hold [`Admin`], which holds them: neither would ever be dropped, and the
/// telemetry in it never be flushed.
pub(crate) type Late = Arc<OnceLock<Router>>;

/// Lets a request change things if it carries the admin token.
#[derive(Debug, Clone)]
pub(crate) struct Guard(pub Option<Secret>);

impl Admin {
    /// The routes that every service has, from its first moment on.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .route("/faults", get(read_faults).put(write_faults))
            .route("/policy", get(read_policy).put(write_policy))
            .route("/replicas", get(read_replicas).put(write_replicas))
            .fallback(late)
            .with_state(self.clone())
            .layer(map_response_with_state(self, render))
    }
}

/// The routes of a service that is set up: what describes it, and `own`, for which the admin
/// token is needed.
pub(crate) fn late_routes(document: String, guard: Guard, own: Router) -> Router {
    let document: Arc<str> = document.into();
    let describe = async move || {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (kind, document.to_string()).into_response()
    };
    Router::new()
        .route("/openapi.json", get(describe))
        .merge(guard.before(own))
}

impl Guard {
    /// `routes`, each of which now needs the admin token.
    fn before(self, routes: Router) -> Router {
        if !routes.has_routes() {
            return routes;
        }
        routes.route_layer(from_fn_with_state(self, guarded))
    }

    /// Whether `headers` carry the token; compared in constant time.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.0 else {
            return Err(Refusal::forbidden(
                "no admin token is configured (NINES_ADMIN_TOKEN)",
            ));
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let Some(given) = given.and_then(|value| value.strip_prefix(b"Bearer ")) else {
            return Err(Refusal::unauthorized("this needs the admin token"));
        };
        if given.ct_eq(token.reveal().as_bytes()).into() {
            Ok(())
        } else {
            Err(Refusal::unauthorized("this needs the admin token"))
        }
    }
}

/// Hands a request to the late routes; until they are set, the answer is that the service
/// starts.
async fn late(State(admin): State<Admin>, request: Request) -> Result<Response, Refusal> {
    let Some(routes) = admin.late.get() else {
        return admin.readiness.told().map(IntoResponse::into_response);
    };
    let Ok(answer) = routes.clone().oneshot(request).await;
    Ok(answer)
}

async fn render(State(admin): State<Admin>, response: Response) -> Response {
    refusal::render(response, &admin.service, "admin")
}

async fn ready(State(admin): State<Admin>) -> Result<&'static str, Refusal> {
    admin.readiness.told()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, admin.telemetry.metrics().render()).into_response()
}

async fn guarded(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    guard.authorize(request.headers())?;
    Ok(next.run(request).await)
}

async fn read_faults(State(admin): State<Admin>) -> Json<FaultSet> {
    Json(FaultSet::clone(&admin.faults.get()))
}

/// Replaces the faults; the answer is what is in force now.
async fn write_faults(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Result<Json<FaultSet>, Refusal>,
) -> Result<Json<FaultSet>, Refusal> {
    admin.guard.authorize(&headers)?;
    let Json(faults) = body?;
    tracing::info!(
        faults = faults.faults.len(),
        seed = faults.seed,
        "faults replaced"
    );
    admin.faults.set(faults);
    Ok(read_faults(State(admin)).await)
}

async fn read_policy(State(admin): State<Admin>) -> Json<Policy> {
    Json(*admin.policy.get())
}

/// Replaces the policy, as a whole; the answer is what is in force now.
async fn write_policy(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Result<Json<Policy>, Refusal>,
) -> Result<Json<Policy>, Refusal> {
    admin.guard.authorize(&headers)?;
    let Json(policy) = body?;
    tracing::info!(?policy, "policy replaced");
    admin.policy.set(policy);
    Ok(read_policy(State(admin)).await)
}

async fn read_replicas(State(admin): State<Admin>) -> Json<Written> {
    Json(admin.callees.written())
}

/// Replaces where the replicas of some callees are; the answer is what is known now of all.
async fn write_replicas(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Result<Json<Written>, Refusal>,
) -> Result<Json<Written>, Refusal> {
    admin.guard.authorize(&headers)?;
    let Json(told) = body?;
    admin.callees.set(&told)?;
    Ok(read_replicas(State(admin)).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_is_told_whether_it_takes_requests_yet_now_or_no_more() {
        let readiness = Readiness::default();
        let code = || {
            readiness
                .told()
                .map_err(|refusal| refusal.0.code.to_string())
        };
        assert_eq!(code(), Err("starting".to_owned()));
        readiness.waiting();
        assert_eq!(code(), Err("waiting-for-store".to_owned()));
        readiness.starting();
        assert_eq!(code(), Err("starting".to_owned()));
        readiness.ready();
        assert_eq!(code(), Ok("ready\n"));
        readiness.draining();
        assert_eq!(code(), Err("draining".to_owned()));
    }
}
