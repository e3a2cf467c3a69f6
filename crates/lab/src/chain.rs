//! All services of a plan.

use crate::{
    LabError, Progress, Step, duties,
    process::{Process, Spec},
};
use futures_util::future::{join_all, select_all};
use scenario::{Name, Plan, Topology};
use std::{
    collections::BTreeMap,
    future::pending,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use stores::SqliteUrl;
use types::service;
use url::Url;

/// How long requests under way may take once a service is told to stop. By then the load
/// has ended, so whatever is left is stuck.
const DRAIN: &str = "2s";

/// This machine alone, at a port of the system's choice.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a chain needs beside its plan.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The program that is every service: `nines`.
    pub program: PathBuf,
    /// A folder for stores and logs, removed by whoever made it.
    pub folder: PathBuf,
    /// Where the services send their spans; none: nowhere.
    pub otlp: Option<String>,
    /// The token that their admin listeners ask for.
    pub admin_token: String,
    /// How many users are in the stores.
    pub users: u32,
    /// How long their tokens are good.
    pub token_lifetime: Duration,
    /// The resource attributes of their spans, as `OTEL_RESOURCE_ATTRIBUTES` has them.
    pub resource: String,
}

/// The running services of a plan.
#[derive(Debug, Default)]
pub struct Chain {
    /// In the order of their start: the called before their callers.
    processes: Vec<Process>,
    /// Where the edge listens, unless the system chooses.
    edge: Option<SocketAddr>,
    /// What is known of those that were taken away.
    gone: Gone,
}

/// Replicas that ran for a while.
#[derive(Debug, Default)]
struct Gone {
    /// What they were called, by their addresses.
    names: BTreeMap<String, String>,
    /// Processor time that they used, by service, in seconds.
    cpu_s: BTreeMap<String, f64>,
}

impl Chain {
    /// A chain whose edge will listen at `address`.
    pub fn with_edge_at(address: Option<SocketAddr>) -> Self {
        Self {
            edge: address,
            ..Self::default()
        }
    }

    /// Starts all services of `plan` and adds each to `self` as soon as it runs, so that
    /// none is forgotten if a later one fails.
    pub async fn start(
        &mut self,
        plan: &Plan,
        ground: &Ground,
        progress: &dyn Progress,
    ) -> Result<(), LabError> {
        let topology = plan.topology();
        let replicas = |name: Name| (0..topology.replicas(&name)).map(move |n| (name.clone(), n));
        let places: Vec<_> = plan.services().into_iter().flat_map(replicas).collect();
        for (started, (name, replica)) in places.iter().enumerate() {
            progress.step(Step::Starting {
                started,
                of: places.len(),
            });
            let spec = self.spec((name, *replica), plan, ground);
            self.processes
                .push(Process::start(&ground.program, &spec, &ground.folder).await?);
        }
        Ok(())
    }

    /// Restarts the process at `place`: it drains, ends, and comes back where it was. Whether
    /// it ended well; none if there is no such place.
    pub async fn restart(
        &mut self,
        place: usize,
        ground: &Ground,
    ) -> Result<Option<&Process>, LabError> {
        let Some(process) = self.processes.get_mut(place) else {
            return Ok(None);
        };
        let spec = process.spec().at(process.addresses());
        if !process.end().await {
            tracing::warn!(service = spec.name, "did not end well");
        }
        *process = Process::start(&ground.program, &spec, &ground.folder).await?;
        Ok(Some(process))
    }

    /// One more replica.
    pub(crate) fn add(&mut self, process: Process) {
        self.processes.push(process);
    }

    /// Takes a replica away, to be stopped.
    pub(crate) fn take(&mut self, service: &str, replica: u32) -> Option<Process> {
        let is_it = |one: &Process| (one.service(), one.replica()) == (service, replica);
        let place = self.processes.iter().position(is_it)?;
        let process = self.processes.remove(place);
        let (address, name) = (process.addresses().public, process.name());
        self.gone.names.insert(address.to_string(), name.to_owned());
        let used = process.id().and_then(crate::cpu::seconds);
        *self.gone.cpu_s.entry(service.to_owned()).or_default() += used.unwrap_or_default();
        Some(process)
    }

    /// The services, the called before their callers.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// Where the replicas of the service `name` listen.
    pub fn urls(&self, name: &str) -> Vec<Url> {
        let named = |process: &&Process| process.service() == name;
        let url = |process: &Process| format!("http://{}", process.addresses().public);
        let urls = self.processes.iter().filter(named).map(url);
        urls.filter_map(|url| url.parse().ok()).collect()
    }

    /// What processes are called, by their addresses.
    pub fn names_by_address(&self) -> BTreeMap<String, String> {
        let address = |it: &Process| it.addresses().public.to_string();
        let named = |it: &Process| (address(it), it.name().to_owned());
        let gone = self.gone.names.clone().into_iter();
        gone.chain(self.processes.iter().map(named)).collect()
    }

    /// Processor time used so far by each service, all its replicas together, in seconds.
    pub fn cpu_seconds(&self) -> BTreeMap<String, f64> {
        let mut used = self.gone.cpu_s.clone();
        for process in &self.processes {
            if let Some(seconds) = process.id().and_then(crate::cpu::seconds) {
                *used.entry(process.service().to_owned()).or_default() += seconds;
            }
        }
        used
    }

    /// Waits until one of its services ends by itself: which, and how.
    pub async fn first_to_end(&mut self) -> (String, String) {
        let ending = self.processes.iter_mut().map(|process| {
            let name = process.name().to_owned();
            Box::pin(async move { (name, process.ended().await) })
        });
        let ending: Vec<_> = ending.collect();
        if ending.is_empty() {
            return pending().await;
        }
        select_all(ending).await.0
    }

    /// Stops all services at once: each drains, and waits for nobody. The names of those
    /// that ended badly.
    pub async fn stop(&mut self) -> Vec<String> {
        let stopping = self.processes.drain(..).map(async |process| {
            let name = process.name().to_owned();
            (name, process.stop().await)
        });
        let stopped = join_all(stopping).await;
        let bad = stopped.into_iter().filter(|(_, well)| !well);
        bad.map(|(name, _)| name).collect()
    }

    pub(crate) fn spec(&self, (name, replica): (&str, u32), plan: &Plan, ground: &Ground) -> Spec {
        let topology = plan.topology();
        let mut args = vec!["serve".to_owned()];
        args.extend(role(name, topology));
        args.push(format!("--replica={name}-{replica}"));
        args.push("--log=warn".to_owned());
        args.push(format!("--drain={DRAIN}"));
        args.extend(self.callees(name, topology));
        args.extend(duties::of((name, replica), topology, &ground.folder));
        args.extend(stores(name, ground));
        let policy = plan.phases().first().map(|phase| phase.policy);
        args.extend(duties::limits(&policy.unwrap_or_default()));
        let scaled = plan.scale().filter(|scale| *scale.service == *name);
        let several = topology.replicas(name) > 1 || scaled.is_some();
        Spec {
            service: name.to_owned(),
            replica,
            name: if several {
                format!("{name}-{replica}")
            } else {
                name.to_owned()
            },
            args,
            listen: self.listen((name, replica), topology),
            admin: ANY_PORT,
            env: environment(ground),
        }
    }

    /// The first replica of the edge is where its clients were told.
    fn listen(&self, (name, replica): (&str, u32), topology: &Topology) -> SocketAddr {
        let is_edge = *topology.edge() == *name && replica == 0;
        self.edge.filter(|_| is_edge).unwrap_or(ANY_PORT)
    }

    /// Where the services that `name` calls are. They run already.
    fn callees(&self, name: &str, topology: &Topology) -> Vec<String> {
        let told_of = topology
            .calls(name)
            .iter()
            .chain(duties::told_of(name, topology));
        let calls: Vec<_> = told_of.map(|callee| (callee, self.urls(callee))).collect();
        match topology {
            Topology::Sequence { .. } => calls
                .iter()
                .map(|(name, urls)| format!("--{}={}", duties::flag(name), joined(urls, ",")))
                .collect(),
            Topology::Graph { .. } if calls.is_empty() => Vec::new(),
            Topology::Graph { .. } => {
                let calls = calls.iter();
                let calls = calls.map(|(name, urls)| format!("{name}={}", joined(urls, "|")));
                vec![format!("--calls={}", joined(calls, ","))]
            }
        }
    }
}

/// Which service it is to be.
fn role(name: &str, topology: &Topology) -> Vec<String> {
    match topology {
        Topology::Sequence { .. } if name != service::CONFIG => vec![name.to_owned()],
        _ => vec![service::RELAY.to_owned(), format!("--name={name}")],
    }
}

fn joined(parts: impl IntoIterator<Item = impl ToString>, by: &str) -> String {
    let parts: Vec<_> = parts.into_iter().map(|part| part.to_string()).collect();
    parts.join(by)
}

/// The store of a service that has one, and the users in it.
fn stores(name: &str, ground: &Ground) -> Vec<String> {
    let store = || {
        format!(
            "--store={}",
            SqliteUrl::file(store_path(&ground.folder, name))
        )
    };
    let users = || format!("--seed-users={}", ground.users);
    match name {
        service::AUTH => {
            let lifetime = ground.token_lifetime.as_millis();
            vec![store(), users(), format!("--token-lifetime={lifetime}ms")]
        }
        service::PROFILE | service::DATABASE => vec![store(), users()],
        service::AUDIT => vec![store()],
        _ => Vec::new(),
    }
}

fn store_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.db"))
}

fn environment(ground: &Ground) -> Vec<(String, String)> {
    let traces = |base: &String| format!("{}/v1/traces", base.trim_end_matches('/'));
    let pairs = [
        ("NINES_ADMIN_TOKEN", Some(ground.admin_token.clone())),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            ground.otlp.as_ref().map(traces),
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", Some(ground.resource.clone())),
        ("NINES_SERVER_TIMING", Some("true".to_owned())),
        // A chain of many processes shares few cores: more threads would only switch more.
        ("TOKIO_WORKER_THREADS", Some("1".to_owned())),
    ];
    let given = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?));
    pairs.into_iter().filter_map(given).collect()
}
