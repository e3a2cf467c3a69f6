//! What is drawn on a terminal.

use super::nines;
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, process::Command, time::Duration};
use testkit::{Sandbox, finish, wait_until};

const START: Duration = Duration::from_mins(1);

/// The process of `nines up` in `sandbox`.
fn up(sandbox: &Sandbox) -> Option<Pid> {
    let is_up = |process: &u32| {
        let line = fs::read_to_string(format!("/proc/{process}/cmdline"));
        line.is_ok_and(|line| line.contains("nines\0up\0"))
    };
    let process = sandbox.processes().into_iter().find(is_up)?;
    Pid::from_raw(i32::try_from(process).ok()?)
}

#[test]
fn nothing_more_is_drawn_below_the_text_of_a_chain_that_is_up() {
    let sandbox = Sandbox::new().unwrap();
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `script` here, which makes a terminal");
        return;
    }
    let command = format!("exec '{}' up --out out", env!("CARGO_BIN_EXE_nines"));
    let mut script = sandbox.command("script").unwrap();
    let script = script.args(["-qefc", &command, "drawn"]).spawn().unwrap();
    let file = sandbox.path().join("drawn");
    let drawn = || fs::read_to_string(&file).unwrap_or_default();
    let is_up = || {
        drawn()
            .lines()
            .any(|line| line.starts_with("logs ") && line.contains(".log"))
    };
    assert!(wait_until(START, is_up), "{}", drawn());
    let text = drawn();
    // A spinner turns ten times a second; these take longer than that.
    for _ in 0..5 {
        let shown = testkit::run(nines(&sandbox).arg("policy")).unwrap();
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    }
    assert_eq!(drawn(), text, "something was drawn");
    // The cursor stands below the text, and no bar before it was left.
    assert!(text.ends_with(".log\r\n"), "{text:?}");
    kill_process(up(&sandbox).unwrap(), Signal::INT).unwrap();
    let ended = finish(script).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(drawn().contains("services drain and stop"), "{:?}", drawn());
}
