//! One service as a process.

use crate::{LabError, member::Member};
use chassis::Addresses;
use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

/// The longest a service may take to say where it listens.
const START: Duration = Duration::from_secs(20);
/// The longest a service may take to drain, flush and end before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The service.
    pub service: String,
    /// Which of its replicas, counted from 0.
    pub replica: u32,
    /// What people call it: the service's name, or the replica's where there are several.
    pub name: String,
    /// Arguments after the program, but for its addresses.
    pub args: Vec<String>,
    /// Where it is to listen.
    pub listen: SocketAddr,
    /// Where its admin listener is to be.
    pub admin: SocketAddr,
    /// Environment beside what is inherited: secrets go here, never into the arguments,
    /// which every user of the machine can read.
    pub env: Vec<(String, String)>,
}

impl Spec {
    /// The same at these addresses.
    pub(crate) fn at(&self, addresses: Addresses) -> Self {
        Self {
            listen: addresses.public,
            admin: addresses.admin,
            ..self.clone()
        }
    }
}

/// A running service. Dropped, it is killed; [`Process::stop`] lets it end by itself.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    member: Member,
    child: Child,
    /// The service drains when this closes.
    input: Option<ChildStdin>,
    addresses: Addresses,
    log: PathBuf,
}

impl Process {
    /// Starts `program` as `spec` says and waits until it listens. Its log goes to `logs`.
    pub async fn start(program: &Path, spec: &Spec, logs: &Path) -> Result<Self, LabError> {
        let log = logs.join(format!("{}.log", spec.name));
        let spawn = |source| LabError::Spawn {
            service: spec.name.clone(),
            source,
        };
        let mut child = command(program, spec, &log)
            .and_then(|mut c| c.spawn())
            .map_err(spawn)?;
        let input = child.stdin.take();
        let addresses = match first_line(&mut child).await {
            Some(line) => serde_json::from_str(&line).ok(),
            None => None,
        };
        match addresses {
            Some(addresses) => Ok(Self {
                spec: spec.clone(),
                member: member(spec, addresses),
                child,
                input,
                addresses,
                log,
            }),
            None => Err(LabError::NotReady {
                service: spec.name.clone(),
                why: last_words(&log),
            }),
        }
    }

    /// What people call it: the service's name, or the replica's where there are several.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The service.
    pub fn service(&self) -> &str {
        &self.spec.service
    }

    /// Which of the service's replicas it is, counted from 0.
    pub const fn replica(&self) -> u32 {
        self.spec.replica
    }

    /// As a member of its chain.
    pub const fn member(&self) -> &Member {
        &self.member
    }

    /// What it was started from.
    pub(crate) const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Where the service listens.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it has ended by itself, which it should not; how, and what it said last.
    pub async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("{status}: {}", last_words(&self.log)),
            Err(error) => error.to_string(),
        }
    }

    /// Lets the service drain and end; kills it if it does not. Whether it ended well.
    pub async fn stop(mut self) -> bool {
        self.end().await
    }

    /// The same, and what is left of it can be started anew.
    pub(crate) async fn end(&mut self) -> bool {
        drop(self.input.take());
        if let Ok(status) = timeout(STOP, self.child.wait()).await {
            return status.is_ok_and(|status| status.success());
        }
        // It may have ended in this very moment; then there is nothing to kill.
        let _ = self.child.kill().await;
        false
    }
}

fn member(spec: &Spec, addresses: Addresses) -> Member {
    Member {
        service: spec.service.clone(),
        replica: spec.replica,
        name: spec.name.clone(),
        admin: format!("http://{}", addresses.admin),
    }
}

fn command(program: &Path, spec: &Spec, log: &PathBuf) -> std::io::Result<Command> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        // Settings meant for the lab's user must not reach the lab's services.
        let text = name.to_string_lossy();
        if text.starts_with("NINES_") || text.starts_with("OTEL_") {
            command.env_remove(&name);
        }
    }
    command
        .args(&spec.args)
        .arg(format!("--listen={}", spec.listen))
        .arg(format!("--admin={}", spec.admin))
        .arg("--supervised")
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A replica that is started again goes on with the log of the one before it.
        .stderr(File::options().create(true).append(true).open(log)?)
        // Ctrl-C goes to the whole group of the terminal; the lab stops its services itself.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// The line on standard output in which a service says where it listens.
async fn first_line(child: &mut Child) -> Option<String> {
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    timeout(START, lines.next_line()).await.ok()?.ok()?
}

/// The end of a log, for an error message.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    if lines.is_empty() {
        return "it said nothing".to_owned();
    }
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}
