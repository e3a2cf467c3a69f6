//! The life of a service: listen, serve, drain, flush.

use crate::{
    Instruments, Options, PolicyControl, StoreWait, Upstream,
    admin::{Admin, Guard, Late, Readiness, late_routes},
    callees::Callees,
    connections::{self, Limits},
    inbound::{Inbound, Standby},
    openapi,
    outbound::{self, Outbound},
    shutdown::{StopSignal, stop_signal},
};
use axum::Router;
use faults::FaultControl;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    future::Future,
    io::{Write, stdout},
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};
use telemetry::{Export, Identity, Telemetry, TelemetryError, logs};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tracing_subscriber::EnvFilter;
use url::Url;
use utoipa_axum::router::OpenApiRouter;

/// The admin listener has nothing worth waiting for, and few who ask.
const ADMIN_LIMITS: Limits = Limits {
    connections: NonZeroUsize::new(128).unwrap(),
    drain: Duration::from_millis(200),
};

/// Why a service could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener could not be bound.
    #[error(
        "{flag} {address}: cannot listen there; allowed: an address of this machine with a free port, or port 0"
    )]
    Listen {
        /// The setting.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Telemetry could not be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
    /// The system refused something basic.
    #[error("the system refused to set up the service")]
    System(#[from] std::io::Error),
    /// The service's own part could not be set up.
    #[error("{what}")]
    Setup {
        /// The setting and its value.
        what: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service was stopped while it was still starting: no failure.
    #[error("stopped before it served")]
    Stopped,
}

impl Error {
    /// Makes an error of the service's own part from what is wrong with a setting; `what`
    /// names the setting and its value.
    pub fn setup<E>(what: impl FnOnce() -> String) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        |error| Self::Setup {
            what: what(),
            source: Box::new(error),
        }
    }
}

/// Where a running service can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The service itself.
    pub public: SocketAddr,
    /// Probes, metrics and faults.
    pub admin: SocketAddr,
}

/// A service that listens and does not serve yet. Its admin listener answers already: it is
/// alive, and not ready.
#[derive(Debug)]
pub struct Chassis {
    service: Arc<str>,
    replica: Arc<str>,
    options: Options,
    public: TcpListener,
    admin: AdminServer,
    readiness: Readiness,
    stop_signal: StopSignal,
    telemetry: Arc<Telemetry>,
    instruments: Instruments,
    faults: FaultControl,
    policy: PolicyControl,
    callees: Callees,
    client: reqwest::Client,
    admin_routes: Router,
    is_edge: bool,
}

/// The task that serves the admin listener. It ends when this is dropped.
#[derive(Debug)]
struct AdminServer {
    address: SocketAddr,
    late: Late,
    stop: oneshot::Sender<()>,
    task: JoinHandle<usize>,
}

impl Chassis {
    /// Binds the listeners of `service`, sets up its telemetry, and answers probes from then on.
    pub async fn start(service: &str, options: Options) -> Result<Self, Error> {
        let policy = policy(&options)?;
        if let Some(crash) = options.crash_at {
            crash.arm();
        }
        let replica = options.replica(service);
        let public = bind("--listen", options.listen).await?;
        let admin = bind("--admin", options.admin).await?;
        let identity = Identity {
            service: service.to_owned(),
            replica: replica.clone(),
        };
        let telemetry = Telemetry::start(&identity, &Export::Environment)?;
        let filter = EnvFilter::new(&options.log);
        logs::start(service, filter, telemetry.tracer());
        let instruments = Instruments::new(&telemetry.metrics().meter());
        let faults = FaultControl::new(service, &*replica);
        if let Some(given) = options.faults.clone() {
            faults.set(given);
        }
        let stop_signal = stop_signal(options.supervised)?;
        let about = Admin {
            service: service.into(),
            readiness: Readiness::default(),
            faults,
            policy,
            callees: Callees::default(),
            telemetry: Arc::new(telemetry),
            guard: Guard(options.admin_token.clone()),
            late: Late::default(),
        };
        Ok(Self {
            service: about.service.clone(),
            replica: replica.into(),
            options,
            public,
            readiness: about.readiness.clone(),
            stop_signal,
            telemetry: about.telemetry.clone(),
            instruments,
            faults: about.faults.clone(),
            policy: about.policy.clone(),
            callees: about.callees.clone(),
            client: outbound::client()?,
            admin_routes: Router::new(),
            is_edge: false,
            admin: AdminServer::start(admin, about)?,
        })
    }

    /// The result of `work`, which sets up the service's own part; [`Error::Stopped`] if the
    /// service is stopped before that is done.
    pub fn set_up<'a, T>(
        &'a self,
        work: impl Future<Output = Result<T, Error>> + 'a,
    ) -> impl Future<Output = Result<T, Error>> + 'a {
        // Opening a store takes a future of 20 kB, which would be a part of each future around it.
        let work = Box::pin(work);
        async {
            tokio::select! {
                done = work => done,
                reason = self.stop_signal.clone() => {
                    tracing::info!(reason, "stopped before it served");
                    Err(Error::Stopped)
                }
            }
        }
    }

    /// Opens the store at `url` by `open`. As long as an error says that the store is not
    /// there yet (`is_absent`), it is opened again, until `wait` is over. Meanwhile the
    /// service is alive and not ready.
    pub async fn store<T, E>(
        &self,
        url: &impl fmt::Display,
        wait: StoreWait,
        open: impl AsyncFnMut() -> Result<T, E>,
        is_absent: fn(&E) -> bool,
    ) -> Result<T, Error>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let opened = wait.until_open(url, &self.readiness, open, is_absent).await;
        self.readiness.starting();
        opened.map_err(|error| {
            let what = if is_absent(&error) {
                format!(
                    "--store {url}: the store was not there within --store-wait {:?}",
                    wait.limit
                )
            } else {
                format!("--store {url}: the store cannot be opened")
            };
            Error::setup(|| what)(error)
        })
    }

    /// Another service, whose replicas are at `replicas`, to be called by this one.
    pub fn upstream(&self, callee: &str, replicas: &[Url]) -> Upstream {
        let upstream = Upstream::new(&Outbound {
            callee: callee.into(),
            replicas: replicas.into(),
            tracer: self.telemetry.tracer(),
            instruments: self.instruments.clone(),
            client: self.client.clone(),
            policy: self.policy.clone(),
        });
        self.callees.add(&upstream);
        upstream
    }

    /// Shows a number of the service's own among the metrics: what `read` says whenever asked.
    pub fn show(
        &self,
        name: &'static str,
        description: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.instruments.show(name, description, read);
    }

    /// Shows a time of the service's own among the metrics that only grows: what `read` says, in
    /// seconds, whenever asked.
    pub fn show_seconds(
        &self,
        name: &'static str,
        description: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.instruments.show_seconds(name, description, read);
    }

    /// Says that the callers of this service are clients, and not other services of the chain:
    /// a request gets a second or more, however short a deadline its client asks for.
    #[must_use]
    pub fn at_the_edge(mut self) -> Self {
        self.is_edge = true;
        self
    }

    /// Adds the service's own routes to the admin listener. Each needs the admin token.
    #[must_use]
    pub fn admin_routes(mut self, routes: Router) -> Self {
        self.admin_routes = self.admin_routes.merge(routes);
        self
    }

    /// Serves `routes` until told to stop, then in this order: says that it is not ready,
    /// lets the requests under way end, runs `close` (stores and pools), flushes telemetry.
    pub async fn serve<F>(
        self,
        routes: impl Into<OpenApiRouter>,
        close: impl FnOnce() -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = ()>,
    {
        let routes = routes.into();
        let document = openapi::text(&self.service, &routes);
        let readiness = self.readiness.clone();
        let served = self.inbound().serve(routes.into(), readiness.clone());
        let addresses = self.addresses()?;
        let guard = Guard(self.options.admin_token);
        self.admin
            .add(late_routes(document, guard, self.admin_routes));
        readiness.ready();
        announce(self.options.supervised, addresses)?;

        let stop_signal = self.stop_signal;
        let stop = async {
            let reason = stop_signal.await;
            tracing::info!(reason, "draining");
            readiness.draining();
        };
        let limits = Limits {
            connections: self.options.max_connections,
            drain: self.options.drain,
        };
        let cut = connections::serve(self.public, served, stop, limits).await;
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "still busy after the drain time, cut off"
            );
        }
        close().await;
        self.admin.end().await;
        flush(self.telemetry).await;
        Ok(())
    }

    fn inbound(&self) -> Inbound {
        Inbound {
            service: self.service.clone(),
            replica: self.replica.clone(),
            tracer: self.telemetry.tracer(),
            instruments: self.instruments.clone(),
            faults: self.faults.clone(),
            policy: self.policy.clone(),
            max_in_flight: self.options.max_in_flight,
            max_body: self.options.max_body,
            server_timing: self.options.server_timing,
            is_edge: self.is_edge,
            standby: self.options.takeover.map(Standby::new),
        }
    }

    /// Where the service can be reached, which only the system knows where it chose the port.
    pub fn addresses(&self) -> Result<Addresses, Error> {
        Ok(Addresses {
            public: self.public.local_addr()?,
            admin: self.admin.address,
        })
    }
}

impl AdminServer {
    fn start(listener: TcpListener, about: Admin) -> Result<Self, Error> {
        let address = listener.local_addr()?;
        let late = about.late.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = connections::serve(listener, about.router(), stopped, ADMIN_LIMITS);
        Ok(Self {
            address,
            late,
            stop,
            task: tokio::spawn(serving),
        })
    }

    /// Serves `routes` besides, from now on.
    fn add(&self, routes: Router) {
        // It is called once, when the service is set up.
        let _ = self.late.set(routes);
    }

    async fn end(self) {
        drop(self.stop);
        // An admin connection that panicked has nothing to add to the drain.
        let _ = self.task.await;
    }
}

/// The policy at the start, unless its parts can't be carried out together.
fn policy(options: &Options) -> Result<PolicyControl, Error> {
    let policy = options.policy();
    policy.check().map_err(Error::setup(|| {
        "--retry does not go with --attempt-timeout and --deadline".to_owned()
    }))?;
    Ok(policy.into())
}

async fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen {
            flag,
            address,
            source,
        })
}

/// Tells the supervisor, or the log, where the service is.
fn announce(supervised: bool, addresses: Addresses) -> Result<(), Error> {
    if supervised {
        // Two socket addresses always serialise.
        let line = serde_json::to_string(&addresses).unwrap_or_default();
        let written = writeln!(stdout(), "{line}").and_then(|()| stdout().flush());
        written.map_err(Error::setup(|| "--supervised: standard output".to_owned()))?;
    }
    tracing::info!(public = %addresses.public, admin = %addresses.admin, "serving");
    Ok(())
}

/// The last thing a service does: get its spans out, and say so if it could not.
async fn flush(telemetry: Arc<Telemetry>) {
    let Ok(telemetry) = Arc::try_unwrap(telemetry) else {
        tracing::warn!("telemetry is still in use and was not flushed");
        return;
    };
    let totals = telemetry.shutdown().await;
    if totals.lost() > 0 {
        tracing::warn!(
            lost = totals.lost(),
            ended = totals.ended,
            "spans were lost"
        );
    }
}
