//! The four services, real or bare, as processes.

use crate::{
    load::USERS,
    process::{cpu_us, resident_mb},
    trouble::Trouble,
};
use lab::process::{Process, Spec};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};
use traces::Receiver;
use types::service;
use url::Url;

/// The services, in the order in which they are started: the called before their callers.
pub const SERVICES: [&str; 4] = [
    service::AUTH,
    service::PROFILE,
    service::DATABASE,
    service::GATEWAY,
];

/// This machine alone, at a port of the system's choice.
pub const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Everything that a service can do about failures.
const POLICIES: [&str; 4] = [
    "--attempt-timeout=250ms",
    "--deadline=1s",
    r#"--retry={"retries":2,"budget":{"ratio":0.1}}"#,
    r#"--breaker={"failure_rate":0.5,"consecutive":20,"slow_rate":0.5,"slow_call":"200ms"}"#,
];

/// What it can do besides where there are replicas. Without the cache, which would do less, and
/// with a stated limit: one that finds itself refuses a few while it looks.
const POLICIES_OF_REPLICAS: [&str; 4] = [
    r#"--balance={"check":{"every":"1s"}}"#,
    r#"--hedge={"delay":"100ms"}"#,
    r#"--bulkhead={"max":256}"#,
    r#"--shed={"max":256}"#,
];

/// The variable that says where spans go.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// As in the lab: more threads than cores would only switch more.
const THREADS: (&str, &str) = ("TOKIO_WORKER_THREADS", "1");

/// Which chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The real chain, with time-outs, deadlines, retries, budgets and circuit breakers.
    Guarded,
    /// The same with two replicas of every service, balancing, heartbeats, hedges, bulkheads
    /// and limits.
    Replicated,
    /// Every request is sampled, and its spans are exported; nothing is done about failures.
    Real,
    /// Every request is sampled; its spans are made and go nowhere.
    NoExport,
    /// No request is sampled.
    NoSampling,
    /// Plain axum and reqwest.
    Bare,
    /// The real chain, with all it knows in PostgreSQL.
    Postgres,
}

impl Kind {
    /// All on SQLite; what is compared stands side by side in time.
    pub const ALL: [Self; 6] = [
        Self::Guarded,
        Self::Real,
        Self::Replicated,
        Self::Bare,
        Self::NoExport,
        Self::NoSampling,
    ];

    /// The name in tables and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guarded => "chain with all policies",
            Self::Replicated => "chain with two replicas a hop",
            Self::Real => "real chain",
            Self::NoExport => "chain without export",
            Self::NoSampling => "chain without sampling",
            Self::Bare => "bare chain",
            Self::Postgres => "chain on PostgreSQL",
        }
    }

    fn environment(self, receiver: &Receiver) -> Vec<(String, String)> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        match self {
            Self::Guarded | Self::Replicated | Self::Real | Self::Postgres => environment(receiver),
            Self::NoSampling => {
                let unsampled = owned(("OTEL_TRACES_SAMPLER", "always_off"));
                environment(receiver)
                    .into_iter()
                    .chain([unsampled])
                    .collect()
            }
            Self::NoExport | Self::Bare => vec![owned(THREADS)],
        }
    }

    /// How many replicas each service has.
    const fn replicas(self) -> u32 {
        match self {
            Self::Replicated => 2,
            _ => 1,
        }
    }
}

/// What all chains share.
#[derive(Debug)]
pub struct Ground {
    /// Stores and logs.
    pub folder: PathBuf,
    /// Where spans go.
    pub receiver: Receiver,
    /// The URLs of databases in PostgreSQL, in the order of [`SERVICES`]; none without it.
    pub databases: Vec<String>,
}

impl Ground {
    /// All chains read the same stores. The first real one creates and fills them.
    fn store(&self, service: &str) -> PathBuf {
        self.folder.join(format!("{service}.db"))
    }

    fn url(&self, service: &str, kind: Kind) -> String {
        let place = SERVICES.iter().position(|known| *known == service);
        let database = place.and_then(|place| self.databases.get(place));
        match (kind, database) {
            (Kind::Postgres, Some(url)) => url.clone(),
            _ => format!("sqlite:{}", self.store(service).display()),
        }
    }
}

/// A running chain.
#[derive(Debug)]
pub struct Chain {
    kind: Kind,
    /// In the order of [`SERVICES`], replicas of one side by side.
    processes: Vec<Process>,
}

impl Chain {
    /// Starts the services of a chain.
    pub async fn start(kind: Kind, ground: &Ground) -> Result<Self, Trouble> {
        let logs = ground.folder.join(kind.name());
        std::fs::create_dir_all(&logs).map_err(Trouble::Folder)?;
        let program = program(kind)?;
        let mut chain = Self {
            kind,
            processes: Vec::new(),
        };
        for service in SERVICES {
            for replica in 0..kind.replicas() {
                let spec = chain.spec(service, replica, ground)?;
                let process = Process::start(&program, &spec, &logs).await?;
                chain.processes.push(process);
            }
        }
        Ok(chain)
    }

    /// Which chain this is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where the replicas of a service listen.
    pub fn urls(&self, service: &str) -> Result<Vec<Url>, Trouble> {
        let named = |process: &&Process| process.service() == service;
        let url = |process: &Process| format!("http://{}", process.addresses().public).parse();
        let urls = self.processes.iter().filter(named).map(url);
        let urls: Vec<_> = urls.filter_map(Result::ok).collect();
        if urls.is_empty() {
            return Err(Trouble::Gone(service.to_owned()));
        }
        Ok(urls)
    }

    /// CPU used so far by each service, all replicas together, in microseconds.
    pub fn cpu_us(&self) -> Result<[f64; SERVICES.len()], Trouble> {
        self.each(cpu_us)
    }

    /// Resident memory of each service, in megabytes.
    pub fn resident_mb(&self) -> Result<[f64; SERVICES.len()], Trouble> {
        self.each(resident_mb)
    }

    /// Lets all services end, callers before the called.
    pub async fn stop(self) {
        for process in self.processes.into_iter().rev() {
            process.stop().await;
        }
    }

    fn each(&self, read: fn(u32) -> Option<f64>) -> Result<[f64; SERVICES.len()], Trouble> {
        let mut values = [0.0; SERVICES.len()];
        for process in &self.processes {
            let gone = || Trouble::Gone(process.name().to_owned());
            let read = process.id().and_then(read).ok_or_else(gone)?;
            let place = SERVICES
                .iter()
                .position(|known| *known == process.service());
            values[place.ok_or_else(gone)?] += read;
        }
        Ok(values)
    }

    fn spec(&self, service: &str, replica: u32, ground: &Ground) -> Result<Spec, Trouble> {
        let mut args = match self.kind {
            Kind::Bare => vec![format!("--bare={service}")],
            _ => ["serve", service].map(str::to_owned).into(),
        };
        if matches!(self.kind, Kind::Guarded | Kind::Replicated) {
            args.extend(POLICIES.map(str::to_owned));
        }
        if self.kind == Kind::Replicated {
            args.extend(POLICIES_OF_REPLICAS.map(str::to_owned));
        }
        match (service, self.kind) {
            (service::GATEWAY, _) => {
                for callee in [service::AUTH, service::PROFILE, service::DATABASE] {
                    let urls: Vec<_> = self.urls(callee)?.iter().map(Url::to_string).collect();
                    args.push(format!("--{callee}={}", urls.join(",")));
                }
            }
            (_, Kind::Bare) => {
                args.push(format!("--store={}", ground.store(service).display()));
            }
            _ => {
                args.push(format!("--store={}", ground.url(service, self.kind)));
                args.push(format!("--seed-users={USERS}"));
            }
        }
        Ok(Spec {
            service: service.to_owned(),
            replica,
            name: format!("{service}-{replica}"),
            args,
            listen: ANY_PORT,
            admin: ANY_PORT,
            env: self.kind.environment(&ground.receiver),
        })
    }
}

fn program(kind: Kind) -> Result<PathBuf, Trouble> {
    match kind {
        Kind::Bare => std::env::current_exe().map_err(Trouble::Program),
        _ => Ok(env!("CARGO_BIN_EXE_nines").into()),
    }
}

/// Of a service whose spans go to `receiver`.
pub fn environment(receiver: &Receiver) -> Vec<(String, String)> {
    let endpoint = format!("{}/v1/traces", receiver.endpoint());
    let pairs = [THREADS, (ENDPOINT, &endpoint)];
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}
