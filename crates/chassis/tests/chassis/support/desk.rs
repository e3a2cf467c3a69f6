//! A small service behind the inbound stack, and requests to it.

use super::{Watch, attribute};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::map_request_with_state,
    response::Response,
    routing::{get as on_get, post as on_post},
};
use chassis::{Degraded, Json, Policy, PolicyControl, Refusal, RequestContext, inbound::Inbound};
use faults::FaultControl;
use http::{StatusCode, header::CONTENT_TYPE};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use serde::{Deserialize, Serialize};
use std::{
    future::pending,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use tower::ServiceExt;
use types::{Cause, Outcome, Problem};

/// What the handlers share with the test.
#[derive(Debug, Clone)]
pub struct Handlers {
    /// How many requests reached a handler.
    pub reached: Arc<AtomicUsize>,
    /// What `GET /gate` waits for.
    pub gate: Arc<Semaphore>,
}

/// A service called `desk`, with one route for each way a handler can end.
#[derive(Debug)]
pub struct Desk {
    pub watch: Watch,
    pub inbound: Inbound,
    pub handlers: Handlers,
}

/// What `POST /orders` takes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub item: String,
    pub count: u32,
}

impl Desk {
    pub fn new() -> Self {
        let watch = Watch::new("desk");
        let inbound = Inbound {
            service: "desk".into(),
            replica: "desk-0".into(),
            tracer: watch.tracer(),
            instruments: watch.instruments.clone(),
            faults: FaultControl::new("desk", "desk-0"),
            policy: PolicyControl::default(),
            max_in_flight: NonZeroUsize::new(64).unwrap(),
            max_body: NonZeroUsize::new(256).unwrap(),
            server_timing: true,
            is_edge: false,
            standby: None,
        };
        let handlers = Handlers {
            reached: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        };
        Self {
            watch,
            inbound,
            handlers,
        }
    }

    /// A desk that handles one request at a time.
    pub fn with_room_for_one() -> Self {
        let mut desk = Self::new();
        desk.inbound.max_in_flight = NonZeroUsize::MIN;
        desk
    }

    /// Gives requests no more than this time.
    pub fn allow(&self, deadline: Duration) {
        let deadline = Some(deadline);
        self.inbound.policy.set(Policy {
            deadline,
            ..Policy::default()
        });
    }

    /// The service, to be asked any number of times.
    pub fn open(&self) -> Router {
        self.inbound.wrap(router(self.handlers.clone()))
    }

    /// Asks a service opened for this one request.
    pub async fn ask(&self, request: Request) -> Response {
        self.open().oneshot(request).await.unwrap()
    }

    pub fn reached(&self) -> usize {
        self.handlers.reached.load(Relaxed)
    }

    /// The server spans so far.
    pub fn spans(&self) -> Vec<SpanData> {
        self.watch.spans(&SpanKind::Server)
    }

    /// Asserts that all that was seen so far is one request, which ended like this, in spans
    /// and metrics alike; its span.
    #[track_caller]
    pub fn saw_one(&self, outcome: Outcome, cause: Option<Cause>) -> SpanData {
        let spans = self.spans();
        assert_eq!(spans.len(), 1, "{spans:#?}");
        let word = cause.map_or("none", Cause::as_str);
        let labels = [("outcome", outcome.as_str()), ("cause", word)];
        let watch = &self.watch;
        assert_eq!(watch.count("nines_requests_total", &[]), 1);
        assert_eq!(watch.count("nines_requests_total", &labels), 1);
        let durations = "http_server_request_duration_seconds_count";
        assert_eq!(watch.count(durations, &[]), 1);
        assert_eq!(watch.count("http_server_active_requests", &[]), 0);
        let span = spans.into_iter().next().unwrap();
        let said = (
            attribute(&span, "nines.outcome"),
            attribute(&span, "nines.cause"),
        );
        let expected = (outcome.to_string(), cause.map(|cause| cause.to_string()));
        assert_eq!(said, (Some(expected.0), expected.1));
        span
    }
}

fn router(handlers: Handlers) -> Router {
    let not_found = async || Refusal::not_found("items: no such item");
    let bad = async || Refusal::bad_request("count: 0; allowed: 1 to 9");
    let later = Problem::new(429, "later", "Not now").retry_after(Duration::from_secs(7));
    let later = async move || Refusal::from(later);
    // A problem that does not say what caused it.
    let wordless = async || Refusal::from(Problem::new(503, "closed", "The desk is closed"));
    Router::new()
        .route("/ok", on_get(async || "fine"))
        .route("/items/{id}", on_get(not_found))
        .route("/bad", on_get(bad))
        .route("/later", on_get(later))
        .route("/raw", on_get(async || StatusCode::BAD_GATEWAY))
        .route("/wordless", on_get(wordless))
        .route("/internal", on_get(internal))
        .route("/degraded", on_get(async || Degraded("most of it")))
        .route("/panic", on_get(panics))
        .route("/hang", on_get(pending::<StatusCode>))
        .route("/gate", on_get(gate))
        .route("/who", on_get(who))
        .route("/orders", on_post(order))
        .route_layer(map_request_with_state(handlers.clone(), reach))
        .with_state(handlers)
}

async fn reach(State(handlers): State<Handlers>, request: Request) -> Request {
    handlers.reached.fetch_add(1, Relaxed);
    request
}

async fn internal() -> Refusal {
    Refusal::internal(&std::io::Error::other("secret path /var/keys"))
}

async fn panics() -> StatusCode {
    panic!("secret word")
}

/// Answers once the test opens the gate.
async fn gate(State(handlers): State<Handlers>) -> &'static str {
    handlers.gate.acquire().await.unwrap().forget();
    "passed"
}

/// Who the request is, as a handler sees it.
async fn who(context: RequestContext) -> String {
    format!("{} at {:?}", context.request_id, &*context.attempt_path)
}

async fn order(Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

/// `GET path`.
pub fn get(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

/// `POST path` with a body said to be of `kind`.
pub fn post(path: &str, kind: &str, body: impl Into<Body>) -> Request {
    let request = Request::post(path).header(CONTENT_TYPE, kind);
    request.body(body.into()).unwrap()
}

/// `POST path` with a body said to be JSON.
pub fn json(path: &str, body: impl Into<Body>) -> Request {
    post(path, "application/json", body)
}
