//! The OTLP receiver: http/protobuf, http/json and gRPC on one port.
//!
//! | entrance | answers |
//! |---|---|
//! | `POST /v1/traces` | `application/x-protobuf` or `application/json`, plain or gzip |
//! | gRPC `TraceService/Export` | plain or gzip |
//! | anything else | 404, so that a wrong endpoint is noticed and loses nothing in silence |
//!
//! The receiver makes no spans of its own: they would be sent to it and make more.

mod forward;
mod grpc;
mod http;
mod intake;
mod refusal;

pub use forward::ForwardStats;

use crate::{
    archive::Archive,
    span::{Span, TraceId},
    spool::SpoolWriter,
};
use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, routing::post};
use intake::{Intake, Store};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// The largest export request taken, once decompressed.
pub const BODY_LIMIT: usize = 16 << 20;

/// How long requests under way may take to finish once the receiver stops.
const GRACE: Duration = Duration::from_secs(5);

/// What to do with spans beside counting them.
#[derive(Debug, Clone, Default)]
pub struct ReceiverOptions {
    /// A collector to pass every request on to, without `/v1/traces`.
    pub forward: Option<Url>,
    /// A directory to keep requests in, so that traces can be written out later. Without
    /// one, the archive can be analysed and not written.
    pub spool: Option<PathBuf>,
}

/// Why a receiver could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be listened on.
    #[error("can't listen for spans on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The directory for the spool can't be written to.
    #[error("can't keep spans in {}", directory.display())]
    Spool {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The client for passing spans on can't be built.
    #[error("can't pass spans on to {url}")]
    Forward {
        /// Where to.
        url: Url,
        /// Why not.
        source: reqwest::Error,
    },
}

/// A receiver of spans, listening from start to finish. Dropped without [`Receiver::finish`],
/// it stops listening and forgets what it took in.
#[derive(Debug)]
pub struct Receiver {
    intake: Arc<Intake>,
    address: SocketAddr,
    stop: DropGuard,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Listens on `address`; port 0 takes any that is free.
    pub async fn start(address: SocketAddr, options: ReceiverOptions) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { address, source };
        let store = open_store(options)?;
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let intake = Arc::new(Intake::new(store));
        let stop = CancellationToken::new();
        let app = router(Arc::clone(&intake));
        let stopped = stop.clone().cancelled_owned();
        let server = async move {
            // Serving only ends when told to: failures to accept are retried inside.
            let _ = axum::serve(listener, app)
                .with_graceful_shutdown(stopped)
                .await;
        };
        Ok(Self {
            intake,
            address,
            stop: stop.drop_guard(),
            server: tokio::spawn(server),
        })
    }

    /// Where to send spans: the base for `/v1/traces`, and for gRPC as it is.
    pub fn endpoint(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// How many spans were taken in so far.
    pub fn received(&self) -> u64 {
        self.intake.received()
    }

    /// The spans taken in so far of every trace that belongs to a request whose id begins with
    /// `prefix`.
    pub fn requests(&self, prefix: &str) -> BTreeMap<TraceId, Vec<Span>> {
        self.intake.requests(prefix)
    }

    /// Takes in spans that were fetched from where they had been sent to. They are not passed on.
    pub fn take_back(&self, request: &ExportTraceServiceRequest) {
        self.intake.take_back(request);
    }

    /// What became of the spans passed on so far; none if they are not to be.
    pub fn forward(&self) -> Option<ForwardStats> {
        self.intake.forward()
    }

    /// Stops listening, lets requests under way finish, passes on what waits to be, and
    /// hands over what was taken in. Takes seconds at most.
    pub async fn finish(mut self) -> Archive {
        drop(self.stop);
        if tokio::time::timeout(GRACE, &mut self.server).await.is_err() {
            self.server.abort();
        }
        self.intake.close().await
    }
}

fn open_store(options: ReceiverOptions) -> Result<Store, StartError> {
    let mut store = Store::default();
    if let Some(directory) = options.spool {
        let spool = SpoolWriter::in_directory(&directory);
        store.spool = Some(spool.map_err(|source| StartError::Spool { directory, source })?);
    }
    if let Some(url) = options.forward {
        let outbox = forward::Outbox::open(&url);
        store.outbox = Some(outbox.map_err(|source| StartError::Forward { url, source })?);
    }
    Ok(store)
}

fn router(intake: Arc<Intake>) -> Router {
    let http = Router::new()
        .route("/v1/traces", post(http::export))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::clone(&intake));
    // Tonic brings a fallback that answers 200 to everything; the last line replaces it.
    grpc::routes(intake)
        .into_axum_router()
        .merge(http)
        .fallback(not_here)
}

async fn not_here() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "this receiver takes traces only: POST /v1/traces, or gRPC on this port\n",
    )
}
