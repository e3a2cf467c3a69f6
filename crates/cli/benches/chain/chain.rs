//! The four services, real or bare, as processes.

use crate::{
    load::USERS,
    process::{cpu_us, resident_mb},
    trouble::Trouble,
};
use lab::process::{Process, Spec};
use std::path::PathBuf;
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

/// Everything that a service can do about failures.
const POLICIES: [&str; 4] = [
    "--attempt-timeout=250ms",
    "--deadline=1s",
    r#"--retry={"retries":2,"budget":{"ratio":0.1}}"#,
    r#"--breaker={"failure_rate":0.5,"consecutive":20,"slow_rate":0.5,"slow_call":"200ms"}"#,
];

/// The variable that says where spans go.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// Which chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The real chain, with time-outs, deadlines, retries, budgets and circuit breakers.
    Guarded,
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
    pub const ALL: [Self; 5] = [
        Self::Guarded,
        Self::Real,
        Self::Bare,
        Self::NoExport,
        Self::NoSampling,
    ];

    /// The name in tables and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guarded => "chain with all policies",
            Self::Real => "real chain",
            Self::NoExport => "chain without export",
            Self::NoSampling => "chain without sampling",
            Self::Bare => "bare chain",
            Self::Postgres => "chain on PostgreSQL",
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
    /// In the order of [`SERVICES`].
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
            let spec = chain.spec(service, ground)?;
            chain
                .processes
                .push(Process::start(&program, &spec, &logs).await?);
        }
        Ok(chain)
    }

    /// Which chain this is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where a service listens.
    pub fn url(&self, service: &str) -> Result<Url, Trouble> {
        let process = self
            .processes
            .iter()
            .find(|process| process.name() == service);
        let url = process.and_then(|process| {
            format!("http://{}", process.addresses().public)
                .parse()
                .ok()
        });
        url.ok_or_else(|| Trouble::Gone(service.to_owned()))
    }

    /// CPU used so far by each service, in microseconds.
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
        for (value, process) in values.iter_mut().zip(&self.processes) {
            let read = process.id().and_then(read);
            *value = read.ok_or_else(|| Trouble::Gone(process.name().to_owned()))?;
        }
        Ok(values)
    }

    fn spec(&self, service: &str, ground: &Ground) -> Result<Spec, Trouble> {
        let mut args = match self.kind {
            Kind::Bare => vec![format!("--bare={service}")],
            _ => [
                "serve",
                service,
                "--listen=127.0.0.1:0",
                "--admin=127.0.0.1:0",
            ]
            .map(str::to_owned)
            .into(),
        };
        if self.kind == Kind::Guarded {
            args.extend(POLICIES.map(str::to_owned));
        }
        match (service, self.kind) {
            (service::GATEWAY, _) => {
                for callee in [service::AUTH, service::PROFILE, service::DATABASE] {
                    args.push(format!("--{callee}={}", self.url(callee)?));
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
            name: service.to_owned(),
            args,
            env: environment(self.kind, &ground.receiver),
        })
    }
}

fn program(kind: Kind) -> Result<PathBuf, Trouble> {
    match kind {
        Kind::Bare => std::env::current_exe().map_err(Trouble::Program),
        _ => Ok(env!("CARGO_BIN_EXE_nines").into()),
    }
}

fn environment(kind: Kind, receiver: &Receiver) -> Vec<(String, String)> {
    let endpoint = format!("{}/v1/traces", receiver.endpoint());
    // As in the lab: more threads than cores would only switch more.
    let threads = ("TOKIO_WORKER_THREADS", "1");
    let pairs = match kind {
        Kind::Guarded | Kind::Real | Kind::Postgres => vec![threads, (ENDPOINT, &endpoint)],
        Kind::NoSampling => vec![
            threads,
            (ENDPOINT, &endpoint),
            ("OTEL_TRACES_SAMPLER", "always_off"),
        ],
        Kind::NoExport | Kind::Bare => vec![threads],
    };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}
