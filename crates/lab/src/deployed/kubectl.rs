//! Pods, through `kubectl`: where they are, the way to their admin listeners, their end.
//!
//! What it is told is the same in every cluster; how one is reached (its address, its
//! certificates) is kubectl's business.

use super::{
    differences::differs,
    identity::{Identity, identify, seek},
    name_of,
    pods::{Pod, Pods},
};
use crate::{LabError, control::Control, member::Member};
use scenario::Plan;
use std::{collections::BTreeMap, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, copy, sink},
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};
use types::with_sources;

/// The program.
const KUBECTL: &str = "kubectl";
/// How long an answer of the cluster may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a pod may take to end: longer than any drains.
const END: Duration = Duration::from_mins(2);
/// How long the pod that takes its place may take to be ready.
const READY: Duration = Duration::from_mins(2);
/// How often it is looked for.
const POLL: Duration = Duration::from_millis(500);
/// How long it is waited for what a program said that has been ended.
const LAST: Duration = Duration::from_secs(1);
/// How much of that is read, in bytes.
const SAID: u64 = 4096;

/// The pods of a namespace.
#[derive(Debug)]
pub(super) struct Kubectl {
    namespace: String,
    /// By their place among the members.
    pods: Vec<Forwarded>,
    /// Why others, which may be services of the chain, could not be asked who they are.
    unreached: Vec<String>,
}

/// A pod, and the way to its admin listener.
#[derive(Debug)]
struct Forwarded {
    name: String,
    port: u16,
    owner: Option<String>,
    /// Ends when dropped.
    forward: Child,
}

impl Kubectl {
    pub(super) const fn of(namespace: String) -> Self {
        Self {
            namespace,
            pods: Vec::new(),
            unreached: Vec::new(),
        }
    }

    /// The members of the plan's chain among the pods, the called before their callers.
    pub(super) async fn find(
        &mut self,
        control: &Control,
        plan: &Plan,
    ) -> Result<Vec<Member>, LabError> {
        let mut found = self.services(control).await?;
        let mut members = Vec::new();
        for service in plan.services() {
            let mut pods = found.remove(&*service).unwrap_or_default();
            let names = plan.replica_names(&service);
            // Others than those come last, in the order of their own names.
            let place = |replica: &str| names.iter().position(|name| **name == *replica);
            pods.sort_by_key(|(replica, ..)| place(replica).unwrap_or(names.len()));
            let several = pods.len() > 1;
            for (replica, (_, pod, admin)) in (0..).zip(pods) {
                members.push(member(&service, replica, several, admin));
                self.pods.push(pod);
            }
        }
        if members.is_empty() {
            return Err(differs(format!(
                "namespace {}: none of its pods is a service of the scenario's chain{}",
                self.namespace,
                self.unreached()
            )));
        }
        Ok(members)
    }

    /// The pods that say which service they are, with the names of their replicas and where
    /// their admin listeners are.
    async fn services(
        &mut self,
        control: &Control,
    ) -> Result<BTreeMap<String, Vec<(String, Forwarded, String)>>, LabError> {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for pod in self.ready().await? {
            let pod = self.forwarded(&pod).await;
            let (pod, admin) = match pod {
                Ok(pod) => pod,
                Err(error) => {
                    self.unreached.push(with_sources(&error));
                    continue;
                }
            };
            let nameless = member(&pod.name, 0, false, admin);
            match seek(control, &nameless).await {
                Ok(Some(Identity { service, replica })) => {
                    let of_service = found.entry(service).or_default();
                    of_service.push((replica, pod, nameless.admin));
                }
                // Others in the namespace may have a port of that name.
                Ok(None) => {}
                Err(error) => self.unreached.push(with_sources(&error)),
            }
        }
        Ok(found)
    }

    /// Which pods could not be asked, and why, to be added to what is missing.
    pub(super) fn unreached(&self) -> String {
        let each = self.unreached.iter().map(|why| format!("; {why}"));
        each.collect()
    }

    /// Deletes the pod of `member`, and waits for the one that takes its place.
    pub(super) async fn replace(
        &mut self,
        control: &Control,
        member: &mut Member,
        place: usize,
    ) -> Result<(), LabError> {
        let Some(old) = self.pods.get(place) else {
            return Err(LabError::Broken(format!("{} has no pod", member.name)));
        };
        let (name, owner) = (old.name.clone(), old.owner.clone());
        self.run(&["delete", "pod", &name], END).await?;
        let pod = self.next_of(&name, owner.as_deref()).await?;
        let (pod, admin) = self.forwarded(&pod).await?;
        member.admin = admin;
        identify(control, member).await?;
        self.pods[place] = pod;
        Ok(())
    }

    /// A new way to the pod at `place`, and where its admin listener is then.
    pub(super) async fn anew(&self, place: usize) -> Result<(Child, String), LabError> {
        let Some(pod) = self.pods.get(place) else {
            return Err(LabError::Broken("a member has no pod".to_owned()));
        };
        self.forward(&pod.name, pod.port).await
    }

    /// What somebody would type to get to the pod at `place`.
    pub(super) fn way_to(&self, place: usize) -> String {
        let pod = self.pods.get(place);
        let (name, port) = pod.map_or(("POD", 0), |pod| (&*pod.name, pod.port));
        format!(
            "{KUBECTL} --namespace {} port-forward pod/{name} :{port}",
            self.namespace
        )
    }

    /// The pod that has come for `name`, once it is ready.
    async fn next_of(&self, name: &str, owner: Option<&str>) -> Result<Pod, LabError> {
        let deadline = Instant::now() + READY;
        let is_next = |pod: &Pod| {
            let is_known = self.pods.iter().any(|known| known.name == pod.name());
            let is_of_same = owner.is_some() && pod.owner().as_deref() == owner;
            pod.name() == name || (is_of_same && !is_known)
        };
        loop {
            if let Some(pod) = self.ready().await?.into_iter().find(is_next) {
                return Ok(pod);
            }
            if Instant::now() > deadline {
                let seconds = READY.as_secs();
                return Err(self.failed(
                    &["get", "pods"],
                    format!("no pod took the place of {name} within {seconds} s"),
                ));
            }
            sleep(POLL).await;
        }
    }

    /// The pods that have an admin listener and are ready, in the order of their names.
    async fn ready(&self) -> Result<Vec<Pod>, LabError> {
        let command = ["get", "pods", "--output", "json"];
        let text = self.run(&command, PATIENCE).await?;
        let pods: Pods = types::read::from_str(&text).map_err(|error| {
            self.failed(
                &command,
                format!("its answer is not a list of pods: {error}"),
            )
        })?;
        let mut ready: Vec<_> = pods.items.into_iter().filter(Pod::is_ready).collect();
        ready.retain(|pod| pod.admin_port().is_some());
        ready.sort_by(|one, other| one.name().cmp(other.name()));
        Ok(ready)
    }

    /// `pod` with a way to its admin listener, and where that is.
    async fn forwarded(&self, pod: &Pod) -> Result<(Forwarded, String), LabError> {
        let port = pod.admin_port().unwrap_or_default();
        let (forward, admin) = self.forward(pod.name(), port).await?;
        let pod = Forwarded {
            name: pod.name().to_owned(),
            port,
            owner: pod.owner(),
            forward,
        };
        Ok((pod, admin))
    }

    /// Opens a way to the admin listener of a pod, at a port of the system's choice.
    async fn forward(&self, name: &str, port: u16) -> Result<(Child, String), LabError> {
        let (name, port) = (format!("pod/{name}"), format!(":{port}"));
        let command = ["port-forward", &name, &port];
        let mut child = self.spawn(&command)?;
        let line = first_line(&mut child);
        let line = timeout(PATIENCE, line).await.ok().flatten();
        let Some(port) = line.as_deref().and_then(local_port) else {
            let said = last_words(child).await;
            return Err(self.failed(&command, said));
        };
        read_on(&mut child);
        Ok((child, format!("http://127.0.0.1:{port}")))
    }

    /// What kubectl says to `command`.
    async fn run(&self, command: &[&str], patience: Duration) -> Result<String, LabError> {
        let child = self.spawn(command)?;
        let Ok(output) = timeout(patience, child.wait_with_output()).await else {
            let seconds = patience.as_secs();
            return Err(self.failed(command, format!("not done within {seconds} s")));
        };
        let output = output.map_err(|error| self.failed(command, error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(self.failed(command, format!("{}: {}", output.status, said.trim())))
    }

    fn spawn(&self, command: &[&str]) -> Result<Child, LabError> {
        Command::new(KUBECTL)
            .arg("--namespace")
            .arg(&self.namespace)
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C goes to the whole group of the terminal; ways are still needed then.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                self.failed(
                    command,
                    format!("it can't be started: {error}; is it installed and on the PATH?"),
                )
            })
    }

    fn failed(&self, command: &[&str], why: String) -> LabError {
        LabError::Kubectl {
            command: format!("--namespace {} {}", self.namespace, command.join(" ")),
            why,
        }
    }

    /// Closes all ways.
    pub(super) async fn stop(&mut self) {
        for mut pod in self.pods.drain(..) {
            // It may have ended by itself; then there is nothing to kill.
            let _ = pod.forward.kill().await;
        }
    }
}

fn member(service: &str, replica: u32, several: bool, admin: String) -> Member {
    Member {
        name: name_of(service, replica, several),
        service: service.to_owned(),
        replica,
        admin,
    }
}

async fn first_line(child: &mut Child) -> Option<String> {
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.as_mut()?);
    reader.read_line(&mut line).await.ok()?;
    Some(line)
}

/// Nobody cares what else it says, but it would wait for somebody to read it.
fn read_on(child: &mut Child) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    tokio::spawn(async move {
        let stdout = async { copy(&mut stdout?, &mut sink()).await.ok() };
        let stderr = async { copy(&mut stderr?, &mut sink()).await.ok() };
        tokio::join!(stdout, stderr)
    });
}

/// The port in `Forwarding from 127.0.0.1:40123 -> 9090`.
fn local_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What a program that did not do what it should said before it was ended.
async fn last_words(mut child: Child) -> String {
    // It may have ended by itself.
    let _ = child.start_kill();
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // What was read before an error is still worth showing. Others may keep it open.
        let _ = timeout(LAST, stderr.take(SAID).read_to_end(&mut said)).await;
    }
    match String::from_utf8_lossy(&said).trim() {
        "" => "it did not say where it forwards from".to_owned(),
        said => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_what_is_said() {
        let said = "Forwarding from 127.0.0.1:40123 -> 9090\n";
        assert_eq!(local_port(said), Some(40_123));
        for other in [
            "",
            "Forwarding from [::1]:1 -> 2",
            "127.0.0.1:",
            "127.0.0.1:99999 ->",
        ] {
            assert_eq!(local_port(other), None, "{other}");
        }
    }
}
