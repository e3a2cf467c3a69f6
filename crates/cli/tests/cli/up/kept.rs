//! A chain that `nines up` keeps running, and what tests ask of it.

use super::START;
use crate::nines;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    process::Child,
};
use testkit::{Ended, Sandbox, finish, wait_until};

/// A chain that is kept running.
pub(super) struct Kept {
    pub(super) sandbox: Sandbox,
    pub(super) child: Child,
    pub(super) chain: Value,
}

impl Kept {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let sandbox = Sandbox::new().unwrap();
        let shown = File::create(sandbox.path().join("shown")).unwrap();
        let mut command = nines(&sandbox);
        command.arg("up").args(arguments).stdout(shown);
        let child = command.spawn().unwrap();
        let (file, shown) = (
            sandbox.path().join("out/chain.json"),
            sandbox.path().join("shown"),
        );
        let is_up =
            || file.exists() && fs::read_to_string(&shown).is_ok_and(|text| !text.is_empty());
        assert!(wait_until(START, is_up));
        let chain = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        Self {
            sandbox,
            child,
            chain,
        }
    }

    /// What it says of itself.
    pub(super) fn shown(&self) -> String {
        fs::read_to_string(self.sandbox.path().join("shown")).unwrap()
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        testkit::run(nines(&self.sandbox).args(arguments)).unwrap()
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    pub(super) fn address(&self, service: &str, which: &str) -> String {
        self.chain["services"][service][which]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The status of the page of the user whose token is known.
    pub(super) fn page(&self) -> u16 {
        let token = self.chain["user_token"].as_str().unwrap();
        get(&self.address("gateway", "public"), "/v1/me", token)
    }

    /// What `service` has counted of this metric.
    pub(super) fn counted(&self, service: &str, metric: &str) -> u64 {
        let answer = ask(&self.address(service, "admin"), "/metrics", "");
        let series = format!("{metric}{{");
        let lines = answer.lines().filter(|line| line.starts_with(&series));
        let numbers = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
        numbers.sum()
    }

    /// Sends a hundred requests and changes the chain until all have ended: how often, and how
    /// many requests there were.
    pub(super) fn load_and_change(&self) -> (u32, u64) {
        let url = format!("http://{}/v1/me", self.address("gateway", "public"));
        let mut load = nines(&self.sandbox);
        load.args(["load", &url, "--rate", "50", "--requests", "100", "--json"]);
        load.args(["--patience", "30s"]);
        load.env("NINES_TOKEN", self.chain["user_token"].as_str().unwrap());
        let mut load = load.spawn().unwrap();
        let mut changes = 0;
        while load.try_wait().unwrap().is_none() {
            let now = self.json(&["policy", "set", "limits.toml"]);
            assert_eq!(now["database"]["attempt_timeout_ms"], 20_000);
            let slow = ["fault", "set", "auth", "delay", "--delay", "1ms"];
            assert_eq!(self.json(&slow)["auth"]["faults"][0]["delay_ms"], 1);
            self.json(&["fault", "set", "database", "error", "--probability", "0"]);
            let now = self.json(&["policy", "clear"]);
            assert_eq!(now["gateway"]["breaker"], Value::Null);
            self.json(&["fault", "clear"]);
            changes += 5;
        }
        let ended = finish(load).unwrap();
        let said: Value = serde_json::from_str(&ended.stdout).unwrap();
        let counts = &said["generator"]["counts"];
        assert_eq!(
            (&counts["ok"], &counts["offered"]),
            (&100.into(), &100.into()),
            "{said}"
        );
        assert_eq!(said["statuses"].as_object().unwrap().len(), 1, "{said}");
        (changes, 100)
    }

    /// The process of `service`.
    pub(super) fn process(&self, service: &str) -> Pid {
        let serves = |process: &u32| {
            let line = fs::read_to_string(format!("/proc/{process}/cmdline"));
            line.is_ok_and(|line| line.contains(&format!("serve\0{service}\0")))
        };
        let process = self.sandbox.processes().into_iter().find(serves).unwrap();
        Pid::from_raw(i32::try_from(process).unwrap()).unwrap()
    }

    /// Tells it to stop; how it ended.
    pub(super) fn stop(self, signal: Signal) -> (Sandbox, Ended) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        (self.sandbox, finish(self.child).unwrap())
    }
}

/// The status of `GET path`.
pub(super) fn get(address: &str, path: &str, token: &str) -> u16 {
    let answer = ask(address, path, token);
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The answer to `GET path`.
pub(super) fn ask(address: &str, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
