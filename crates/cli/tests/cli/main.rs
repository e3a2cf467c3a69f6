//! The promises of the `nines` command, kept on real processes and real sockets.

mod accounting;
mod attribution;
mod bad_input;
mod collector;
mod compare;
mod completions;
mod degraded;
mod deployed;
mod describe;
mod determinism;
mod exhausted;
mod exit_codes;
mod folders;
mod interrupt;
mod json;
mod load;
mod manual;
mod overrides;
mod pace;
mod policy;
mod readme;
mod scenarios;
mod service;
mod settings;
mod statements;
mod store_wait;
mod strange_names;
mod terminal;
mod time_of_day;
mod up;

use serde_json::Value;
use std::{fs, net::SocketAddr, process::Command};
use testkit::{Ended, Sandbox, repeat::to_a_verdict};
use tokio::net::TcpSocket;

/// `nines`, to be given arguments.
fn nines(sandbox: &Sandbox) -> Command {
    sandbox.command(env!("CARGO_BIN_EXE_nines")).unwrap()
}

/// Runs the scenario `text` and reads what it left behind.
fn run_scenario(sandbox: &Sandbox, text: &str, flags: &[&str]) -> (Ended, Value) {
    fs::write(sandbox.path().join("s.toml"), text).unwrap();
    let ended = testkit::run(nines(sandbox).args(["run", "s.toml"]).args(flags)).unwrap();
    let result = fs::read_to_string(sandbox.path().join("out/result.json"));
    let result = result.unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    (ended, serde_json::from_str(&result).unwrap())
}

/// The same, repeated where it was inconclusive.
fn run_to_a_verdict(sandbox: &Sandbox, text: &str, flags: &[&str]) -> (Ended, Value) {
    to_a_verdict(|| run_scenario(sandbox, text, flags))
}

/// The run of a scenario's result that counts.
fn counted(scenario: &Value) -> &Value {
    let headline = scenario["headline"].as_u64().unwrap();
    &scenario["runs"][usize::try_from(headline).unwrap()]
}

/// A port on which nobody listens, and which nobody else is given while the socket is kept;
/// a program that is told to listen there can (socket(7), `SO_REUSEADDR`).
fn reserved() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Nothing that a run started or made is left.
fn assert_clean(sandbox: &Sandbox) {
    let gone = || sandbox.processes().is_empty() && sandbox.left_behind().is_empty();
    let clean = testkit::wait_until(std::time::Duration::from_mins(1), gone);
    assert!(
        clean,
        "left: {:?} {:?}",
        sandbox.processes(),
        sandbox.left_behind()
    );
}
