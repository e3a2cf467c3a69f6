//! A real Jaeger beside a real chain: what it holds, and runs against chains that it watches.

mod deployed;
mod forwarded;
mod pods;

use serde_json::Value;
use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};
use testkit::{Ended, Sandbox, jaeger::Jaeger, wait_until};

/// How long anything may take to begin.
const START: Duration = Duration::from_mins(1);

/// `nines`, to be given arguments.
fn nines(sandbox: &Sandbox) -> Command {
    sandbox.command(env!("CARGO_BIN_EXE_nines")).unwrap()
}

/// Runs the scenario `text` as `NAME.toml`; how it ended, and what it left in the folder NAME.
fn run(sandbox: &Sandbox, (name, text): (&str, &str), flags: &[&str]) -> (Ended, Value) {
    let file = format!("{name}.toml");
    fs::write(sandbox.path().join(&file), text).unwrap();
    let mut command = nines(sandbox);
    command.args(["run", &file, "--out", name]).args(flags);
    let ended = testkit::run(&mut command).unwrap();
    let result = fs::read_to_string(sandbox.path().join(name).join("result.json"));
    let result = result.unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    (ended, serde_json::from_str(&result).unwrap())
}

/// The run of a result that counts.
fn first(result: &Value) -> &Value {
    let scenario = &result["scenarios"][0];
    let headline = scenario["headline"].as_u64().unwrap();
    &scenario["runs"][usize::try_from(headline).unwrap()]
}

/// A chain that is kept running, and sends its spans to Jaeger.
struct Kept {
    child: Child,
    chain: Value,
    _sandbox: Sandbox,
}

impl Kept {
    fn start(jaeger: &Jaeger, text: &str) -> Self {
        let sandbox = Sandbox::new().unwrap();
        fs::write(sandbox.path().join("up.toml"), text).unwrap();
        let shown = File::create(sandbox.path().join("shown")).unwrap();
        let mut command = nines(&sandbox);
        command.args(["up", "up.toml", "--otlp", &jaeger.otlp]);
        let child = command.stdout(shown).spawn().unwrap();
        let file: PathBuf = sandbox.path().join("out/chain.json");
        assert!(wait_until(START, || file.exists()));
        let chain = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        Self {
            child,
            chain,
            _sandbox: sandbox,
        }
    }

    fn url(&self, service: &str, which: &str) -> String {
        let address = &self.chain["services"][service][which];
        format!("http://{}", address.as_str().unwrap())
    }

    fn token(&self) -> &str {
        self.chain["admin_token"].as_str().unwrap()
    }

    /// The flags of a run against it.
    fn flags(&self, jaeger: &Jaeger) -> Vec<String> {
        let edge = self.chain["edge"].as_str().unwrap();
        let mut flags = vec![
            "--target".to_owned(),
            self.url(edge, "public"),
            "--traces".to_owned(),
            jaeger.query.clone(),
        ];
        for service in self.chain["services"].as_object().unwrap().keys() {
            flags.push("--admin".to_owned());
            flags.push(format!("{service}={}", self.url(service, "admin")));
        }
        flags
    }

    /// What is in force at all services.
    fn in_force(&self, sandbox: &Sandbox) -> Value {
        let file = sandbox.path().join("chain.json");
        fs::write(&file, self.chain.to_string()).unwrap();
        let read = |what: &str| -> Value {
            let mut command = nines(sandbox);
            command.args([what, "--json", "--chain"]).arg(&file);
            let ended = testkit::run(&mut command).unwrap();
            serde_json::from_str(&ended.stdout).unwrap()
        };
        serde_json::json!({ "faults": read("fault"), "policy": read("policy") })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Its services end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
