//! All services of a plan.

use crate::{
    LabError, Progress, Step,
    process::{Process, Spec},
};
use futures_util::future::{join_all, select_all};
use scenario::{Order, Plan, Policy, Relay, Topology};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    future::pending,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
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
}

/// The running services of a plan.
#[derive(Debug, Default)]
pub struct Chain {
    /// In the order of their start: the called before their callers.
    processes: Vec<Process>,
    /// Where the edge listens, unless the system chooses.
    edge: Option<SocketAddr>,
}

impl Chain {
    /// A chain whose edge will listen at `address`.
    pub const fn with_edge_at(address: Option<SocketAddr>) -> Self {
        Self {
            processes: Vec::new(),
            edge: address,
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
        let services = plan.services();
        for (started, name) in services.iter().enumerate() {
            progress.step(Step::Starting {
                started,
                of: services.len(),
            });
            let spec = self.spec(name, plan, ground);
            self.processes
                .push(Process::start(&ground.program, &spec, &ground.folder).await?);
        }
        Ok(())
    }

    /// The services, the called before their callers.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// Where the service `name` listens.
    pub fn url(&self, name: &str) -> Option<Url> {
        let process = self
            .processes
            .iter()
            .find(|process| process.name() == name)?;
        format!("http://{}", process.addresses().public)
            .parse()
            .ok()
    }

    /// Processor time used so far by each service, in seconds.
    pub fn cpu_seconds(&self) -> BTreeMap<String, f64> {
        let used = |process: &Process| {
            Some((
                process.name().to_owned(),
                crate::cpu::seconds(process.id()?)?,
            ))
        };
        self.processes.iter().filter_map(used).collect()
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

    fn spec(&self, name: &str, plan: &Plan, ground: &Ground) -> Spec {
        let mut args = vec!["serve".to_owned()];
        match plan.topology() {
            Topology::Sequence { .. } => args.push(name.to_owned()),
            Topology::Graph { .. } => {
                args.push(service::RELAY.to_owned());
                args.push(format!("--name={name}"));
            }
        }
        args.push(format!("--listen={}", self.listen(name, plan.topology())));
        args.push("--admin=127.0.0.1:0".to_owned());
        args.push("--log=warn".to_owned());
        args.push(format!("--drain={DRAIN}"));
        args.extend(self.callees(name, plan.topology()));
        args.extend(plan.topology().relay(name).map(duties).unwrap_or_default());
        args.extend(stores(name, ground));
        let policy = plan
            .phases()
            .first()
            .map(|phase| phase.policy)
            .unwrap_or_default();
        args.extend(limits(&policy));
        Spec {
            name: name.to_owned(),
            args,
            env: environment(ground),
        }
    }

    fn listen(&self, name: &str, topology: &Topology) -> SocketAddr {
        let edge = self.edge.filter(|_| *topology.edge() == *name);
        edge.unwrap_or(ANY_PORT)
    }

    /// Where the services that `name` calls are. They run already.
    fn callees(&self, name: &str, topology: &Topology) -> Vec<String> {
        let mut calls = Vec::new();
        for callee in topology.calls(name) {
            calls.extend(self.url(callee).map(|url| (callee.to_string(), url)));
        }
        match topology {
            Topology::Sequence { .. } => calls
                .iter()
                .map(|(name, url)| format!("--{name}={url}"))
                .collect(),
            Topology::Graph { .. } if calls.is_empty() => Vec::new(),
            Topology::Graph { .. } => {
                let calls: Vec<_> = calls
                    .iter()
                    .map(|(name, url)| format!("{name}={url}"))
                    .collect();
                vec![format!("--calls={}", calls.join(","))]
            }
        }
    }
}

/// What a relay is told besides whom to call.
fn duties(relay: &Relay) -> Vec<String> {
    let order = (relay.order == Order::Parallel).then(|| "--order=at-once".to_owned());
    let soft = (!relay.soft.is_empty()).then(|| format!("--soft={}", relay.soft.join(",")));
    let work = relay.work.map(|work| format!("--work={work}"));
    let slots = relay.slots.map(|slots| format!("--slots={}", slots.slots));
    let queue = relay.slots.and_then(|slots| slots.queue);
    let queue = queue.map(|queue| format!("--queue={queue}"));
    let all = [order, soft, work, slots, queue];
    all.into_iter().flatten().collect()
}

/// The store of a service that has one, and the users in it.
fn stores(name: &str, ground: &Ground) -> Vec<String> {
    let store = || {
        format!(
            "--store=sqlite:{}",
            store_path(&ground.folder, name).display()
        )
    };
    let users = || format!("--seed-users={}", ground.users);
    match name {
        service::AUTH | service::PROFILE | service::DATABASE => vec![store(), users()],
        service::AUDIT => vec![store()],
        _ => Vec::new(),
    }
}

fn store_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.db"))
}

fn limits(policy: &Policy) -> Vec<String> {
    let flag = |name: &str, value: Option<Duration>| {
        value.map(|value| format!("--{name}={}ms", value.as_millis()))
    };
    let limits = [
        flag("attempt-timeout", policy.attempt_timeout),
        flag("deadline", policy.deadline),
        policy.retry.map(|retry| json("retry", &retry)),
        policy.breaker.map(|breaker| json("breaker", &breaker)),
    ];
    limits.into_iter().flatten().collect()
}

/// A setting that is written as JSON.
fn json(name: &str, value: &impl Serialize) -> String {
    // Numbers, texts and flags always serialise.
    let value = serde_json::to_string(value).unwrap_or_default();
    format!("--{name}={value}")
}

fn environment(ground: &Ground) -> Vec<(String, String)> {
    let traces = |base: &String| format!("{}/v1/traces", base.trim_end_matches('/'));
    let pairs = [
        ("NINES_ADMIN_TOKEN", Some(ground.admin_token.clone())),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            ground.otlp.as_ref().map(traces),
        ),
        // A chain of many processes shares few cores: more threads would only switch more.
        ("TOKIO_WORKER_THREADS", Some("1".to_owned())),
    ];
    let given = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?));
    pairs.into_iter().filter_map(given).collect()
}
