//! Ctrl-C and SIGTERM at any moment leave no process and no temporary file behind.

use super::{assert_clean, nines};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, process::Child, time::Duration};
use testkit::{Sandbox, finish, wait_until};

const LONG: &str = r#"
title = "would run for minutes"
[load]
rate = 50
for = "5m"
[chain]
hops = ["auth", "profile", "database"]
"#;

fn start(sandbox: &Sandbox) -> Child {
    fs::write(sandbox.path().join("s.toml"), LONG).unwrap();
    nines(sandbox).args(["run", "s.toml"]).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The program and so many services run.
fn wait_for_processes(sandbox: &Sandbox, count: usize) {
    let limit = Duration::from_mins(1);
    assert!(wait_until(limit, || sandbox.processes().len() >= count));
}

#[test]
fn a_run_that_is_interrupted_at_any_moment_leaves_nothing_behind() {
    // One process: before any service; two to four: while they start; five: under load.
    for (processes, signal) in [
        (1, Signal::TERM),
        (2, Signal::INT),
        (3, Signal::TERM),
        (4, Signal::HUP),
        (5, Signal::INT),
    ] {
        let sandbox = Sandbox::new().unwrap();
        let child = start(&sandbox);
        wait_for_processes(&sandbox, processes);
        if processes == 1 {
            // Before it listens for signals there is nothing to clean up, and it just dies.
            assert!(wait_until(Duration::from_mins(1), || sandbox
                .path()
                .join("out")
                .exists()));
        }
        send(&child, signal);
        let ended = finish(child).unwrap();
        let killed_early = processes == 1 && ended.code.is_none();
        assert!(
            killed_early || ended.code == Some(130),
            "{:?} {}",
            ended.code,
            ended.stderr
        );
        assert_clean(&sandbox);
    }
}

#[test]
fn services_end_by_themselves_when_the_lab_is_killed() {
    let sandbox = Sandbox::new().unwrap();
    let child = start(&sandbox);
    wait_for_processes(&sandbox, 5);
    send(&child, Signal::KILL);
    finish(child).unwrap();
    assert!(wait_until(Duration::from_mins(1), || sandbox
        .processes()
        .is_empty()));
}
