//! The chain as processes, each of which can be killed and started again.

use crate::{Sandbox, Service, postgres::Cluster, wait_until};
use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a service may take to start; PostgreSQL may be recovering meanwhile.
const START: Duration = Duration::from_mins(1);

/// The services, each after those that it calls.
pub const SERVICES: [&str; 5] = ["audit", "database", "profile", "auth", "gateway"];
/// How many users there are: `user-1` with `password-1`, and so on.
pub const USERS: u32 = 6;

/// Where the services keep what they know.
#[derive(Debug)]
pub enum Engine {
    /// In files in the sandbox.
    Sqlite,
    /// In databases of a cluster of its own.
    Postgres(Cluster),
}

/// The five services as processes.
#[derive(Debug)]
pub struct Chain {
    sandbox: Sandbox,
    services: Vec<Mutex<Service>>,
    engine: Engine,
}

impl Chain {
    /// A chain that serves: `program` is `nines`, and `adjust` may change each service before
    /// it is started for the first time.
    ///
    /// # Panics
    ///
    /// As all of these, if it can't be done: then the test can't be, either.
    pub fn start(program: &str, engine: Engine, adjust: impl Fn(&str, Service) -> Service) -> Self {
        let sandbox = Sandbox::new().unwrap();
        let mut services: Vec<Service> = Vec::new();
        for name in SERVICES {
            let service = Service::new(program, &args(name, &services)).unwrap();
            let service = service
                .env("TOKIO_WORKER_THREADS", "1")
                .env("NINES_LOG", "warn");
            let service = match name {
                "gateway" => service,
                _ => service.env("NINES_STORE", store(&engine, &sandbox, name)),
            };
            services.push(adjust(name, service));
        }
        let chain = Self {
            sandbox,
            services: services.into_iter().map(Mutex::new).collect(),
            engine,
        };
        for name in SERVICES {
            chain.start_again(name);
        }
        chain
    }

    /// One of the services.
    pub fn service(&self, name: &str) -> MutexGuard<'_, Service> {
        let place = SERVICES
            .iter()
            .position(|service| *service == name)
            .unwrap();
        self.services[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The PostgreSQL in which all is kept, if it is.
    pub fn cluster(&self) -> Option<&Cluster> {
        match &self.engine {
            Engine::Sqlite => None,
            Engine::Postgres(cluster) => Some(cluster),
        }
    }

    /// The URL of a route of the service.
    pub fn url(&self, service: &str, path: &str) -> String {
        format!("http://{}{path}", self.service(service).public())
    }

    /// Starts a service that is down, as often as it takes.
    pub fn start_again(&self, name: &str) {
        let up = wait_until(START, || self.try_start(name, &[]));
        assert!(up, "{name} does not start: {}", self.log(name));
    }

    /// Starts a service that is down; whether it serves now.
    pub fn try_start(&self, name: &str, besides: &[String]) -> bool {
        let log = format!("{name}.log");
        let mut service = self.service(name);
        service.kill().unwrap();
        service.start(&self.sandbox, &log, besides).unwrap()
    }

    /// What a service said so far.
    pub fn log(&self, name: &str) -> String {
        let file = self.sandbox.path().join(format!("{name}.log"));
        fs::read_to_string(file).unwrap_or_default()
    }

    /// Where its files are.
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Stops all in an orderly way, callers first; their exit codes.
    pub fn stop(&self) -> [Option<i32>; 5] {
        let mut names = SERVICES;
        names.reverse();
        names.map(|name| self.service(name).stop().unwrap())
    }
}

fn store(engine: &Engine, sandbox: &Sandbox, name: &str) -> String {
    match engine {
        Engine::Sqlite => format!("sqlite:{}/{name}.db", sandbox.path().display()),
        Engine::Postgres(cluster) => cluster.database(),
    }
}

fn args(name: &str, below: &[Service]) -> Vec<String> {
    let url = |callee: &str| {
        let place = SERVICES.iter().position(|service| *service == callee);
        format!("--{callee}=http://{}", below[place.unwrap()].public())
    };
    let mut args = ["serve", name, "--drain=5s"].map(str::to_owned).to_vec();
    match name {
        "gateway" => {
            args.extend(["auth", "profile", "database", "audit"].map(url));
            args.push("--attempt-timeout=3s".to_owned());
        }
        "auth" | "profile" => args.push(format!("--seed-users={USERS}")),
        "database" => args.extend([format!("--seed-users={USERS}"), url("audit")]),
        _ => {}
    }
    args
}
