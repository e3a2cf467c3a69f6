//! The promises of the `nines` command, kept on real processes and real sockets.

mod accounting;
mod bad_input;
mod describe;
mod determinism;
mod interrupt;
mod readme;
mod service;

use serde_json::Value;
use std::{fs, process::Command};
use testkit::{Ended, Sandbox};

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

/// Nothing that a run started or made is left.
fn assert_clean(sandbox: &Sandbox) {
    let gone = || sandbox.processes().is_empty() && sandbox.left_behind().is_empty();
    let clean = testkit::wait_until(std::time::Duration::from_secs(20), gone);
    assert!(
        clean,
        "left: {:?} {:?}",
        sandbox.processes(),
        sandbox.left_behind()
    );
}
