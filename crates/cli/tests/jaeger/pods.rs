//! Pods that are found, reached and replaced through `kubectl`. There is no cluster here: a
//! stand-in writes down what it is told, and restarts real processes.

use super::{START, nines};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use testkit::{Sandbox, jaeger, wait_until};

/// The program.
const NINES: &str = env!("CARGO_BIN_EXE_nines");

/// Two relays, each twice, which are restarted.
const SCENARIO: &str = r#"
title = "every pod is restarted"
seed = 3
[load]
rate = 50
requests = 300
[service.front]
calls = ["back"]
replicas = 2
[service.back]
replicas = 2
[restart]
at = "500ms"
[faults.some]
kind = "error"
probability = 0.1
on = ["back"]
[policy.retry]
retries = 2
backoff = "20ms"
client = true
[expect]
availability = { min = 0.001 }
"#;

/// `$1 $2` are `--namespace nines`. A pod is a process, and its files are named after it: its
/// id, its admin port, and the command that starts it. Deleted, it comes back as NAME-x.
const KUBECTL: &str = r#"#!/bin/sh
echo "$*" >>"$PODS/told"
shift 2
case "$1" in
get) printf '{"items":['; sep=; for pod in "$PODS"/*.pod; do printf '%s' "$sep"; cat "$pod"; sep=,; done; echo ']}' ;;
port-forward) pod=${2#pod/}; echo "Forwarding from 127.0.0.1:$(cat "$PODS/$pod.admin") -> 9090"; exec sleep 600 ;;
delete) old=$3; new=$3-x
  pid=$(cat "$PODS/$old.pid"); kill "$pid"
  while grep -q 'State:.[^Z]' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done
  sed "s/\"name\":\"$old\"/\"name\":\"$new\"/" "$PODS/$old.pod" >"$PODS/$new.new"; rm "$PODS/$old.pod"
  cp "$PODS/$old.start" "$PODS/$new.start"; "$PODS/begin" "$new"
  mv "$PODS/$new.new" "$PODS/$new.pod" ;;
esac
"#;

/// Starts the pod `$1` and waits until it is ready: it says which admin port the system chose.
const BEGIN: &str = r#"#!/bin/sh
cd "$PODS"
sh "$1.start" >"$1.log" 2>&1 </dev/null &
echo $! >"$1.pid"
said='s/.* msg=serving .* admin=127.0.0.1:\([0-9]*\).*/\1/p'
until sed -n "$said" "$1.log" >"$1.admin" 2>/dev/null; "$NINES" probe "http://127.0.0.1:$(cat "$1.admin")/readyz" >/dev/null 2>&1; do sleep 0.05; done
"#;

/// The pods of a namespace: processes, and the folder that describes them.
struct Pods {
    folder: PathBuf,
}

impl Pods {
    fn new(sandbox: &Sandbox) -> Self {
        let folder = sandbox.path().join("pods");
        fs::create_dir(&folder).unwrap();
        program(&folder.join("kubectl"), KUBECTL);
        program(&folder.join("begin"), BEGIN);
        Self { folder }
    }

    /// Starts a pod of the relay `service`; where it listens.
    fn start(&self, otlp: &str, (service, replica, port): (&str, u32, u16), calls: &str) -> String {
        let name = format!("{service}-{replica}");
        let address = own_address(port);
        let start = format!(
            "export NINES_ADMIN_TOKEN=secret OTEL_EXPORTER_OTLP_ENDPOINT={otlp}\n\
             exec {NINES} serve relay --name={service} --replica={name} --listen={address} \
             --admin=127.0.0.1:0 --drain=1s {calls}\n"
        );
        fs::write(self.folder.join(format!("{name}.start")), start).unwrap();
        let pod = json!({
            "metadata": { "name": name, "ownerReferences": [{ "uid": format!("set-of-{name}") }] },
            "spec": { "containers": [{ "ports": [{ "name": "admin", "containerPort": 9090 }] }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        let mut begin = Command::new(self.folder.join("begin"));
        begin
            .arg(&name)
            .env("PODS", &self.folder)
            .env("NINES", NINES);
        assert!(begin.status().unwrap().success());
        fs::write(self.folder.join(format!("{name}.pod")), pod.to_string()).unwrap();
        format!("http://{address}")
    }

    fn told(&self) -> String {
        fs::read_to_string(self.folder.join("told")).unwrap()
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        let kill = r#"for pid in "$0"/*.pid; do kill "$(cat "$pid")" 2>/dev/null; done; true"#;
        let _ = Command::new("sh")
            .args(["-c", kill])
            .arg(&self.folder)
            .status();
    }
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A pod that takes another's place listens where that one did. Nobody else can have come
/// there meanwhile: this loopback address is that of this test process alone.
fn own_address(port: u16) -> String {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    format!("127.{}.{c}.{d}:{port}", 64 + b % 64)
}

#[test]
fn pods_are_found_changed_and_replaced_one_after_the_other() {
    let Some(jaeger) = jaeger::shared() else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let pods = Pods::new(&sandbox);
    let backs =
        [(0, 8080), (1, 8081)].map(|(n, port)| pods.start(&jaeger.otlp, ("back", n, port), ""));
    let calls = format!("--calls='back={}'", backs.join("|"));
    let fronts = [(0, 8082), (1, 8083)]
        .map(|(n, port)| pods.start(&jaeger.otlp, ("front", n, port), &calls));

    fs::write(sandbox.path().join("s.toml"), SCENARIO).unwrap();
    let mut command = nines(&sandbox);
    command.args(["run", "s.toml", "--namespace", "nines"]);
    command.args(["--target", &fronts[0], "--traces", &jaeger.query]);
    command.env("NINES_ADMIN_TOKEN", "secret");
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", pods.folder.display()));
    command.env("PODS", &pods.folder).env("NINES", NINES);
    let ended = testkit::run(&mut command).unwrap();
    assert!(
        sandbox.path().join("out/result.json").exists(),
        "{}",
        ended.stderr
    );
    let told = pods.told();
    let deleted: Vec<_> = told
        .lines()
        .filter_map(|line| line.strip_prefix("--namespace nines delete pod "))
        .collect();
    assert_eq!(deleted, ["back-0", "back-1", "front-0", "front-1"]);
    for pod in ["back-0-x", "back-1-x", "front-0-x", "front-1-x"] {
        let way = format!("--namespace nines port-forward pod/{pod} :9090");
        assert!(told.contains(&way), "{told}");
    }
    let result = fs::read_to_string(sandbox.path().join("out/result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    let hops = result["scenarios"][0]["runs"][0]["analysis"]["hops"]
        .as_array()
        .unwrap();
    let back = hops.iter().find(|hop| hop["hop"] == "back").unwrap();
    // Retries may have saved every call, but 300 requests do not all escape a fault of 10 %.
    let struck = &back["requests"]["faults"]["some"];
    assert!(struck.as_u64() > Some(0), "{back}");
    // The ways end with the run: `sleep` is all that is left of kubectl.
    let ways = || {
        let mut all = sandbox.processes().into_iter();
        let is_way = |pid: u32| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"))
        };
        all.any(is_way)
    };
    assert!(wait_until(START, || !ways()));
}
