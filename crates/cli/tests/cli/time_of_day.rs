//! Latencies are times that went by, whatever happens to clocks and processes meanwhile.

use super::{counted, nines};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{fs, process::Command, time::Duration};
use testkit::{Sandbox, TimeOfDay, finish, repeat::to_a_verdict, wait_until};
use traces::{Kind, Span, read_jsonl};

/// A quarter of the requests are under way whenever the time of day is set.
const SCENARIO: &str = r#"
title = "clocks are set, and a service stops"
seed = 7
[load]
rate = 40
requests = 200
[chain]
hops = ["auth", "profile", "database"]
[faults.slow]
kind = "delay"
on = ["database"]
probability = 1.0
delay = "50ms"
[expect]
availability = { min = 0.9 }
"#;
/// Far beyond what any answer takes, on any machine.
const STEP_S: i32 = 600;
/// How long the time of day stays as it was set.
const STAYS: Duration = Duration::from_millis(150);

#[test]
fn latencies_do_not_follow_the_time_of_day() {
    let sandbox = Sandbox::new().unwrap();
    let Some(time) = TimeOfDay::new(&sandbox) else {
        return;
    };
    let mut steps = [STEP_S, -STEP_S, 0].into_iter().cycle();
    let spans = run_while(
        &sandbox,
        STAYS,
        |command| time.rule(command),
        || {
            time.set(steps.next().unwrap());
        },
    );
    assert_durations(&spans, 60_000.0);
}

#[test]
fn a_service_that_was_stopped_is_that_slow_and_no_more() {
    let sandbox = Sandbox::new().unwrap();
    let second = Duration::from_secs(1);
    let mut signals = [Signal::STOP, Signal::CONT].into_iter().cycle();
    let spans = run_while(
        &sandbox,
        second,
        |_| (),
        || {
            let Some(database) = process_of(&sandbox, "database") else {
                return;
            };
            // It may have ended by now.
            let _ = kill_process(database, signals.next().unwrap());
        },
    );
    let slowest = spans.iter().map(duration_ms).fold(0.0, f64::max);
    assert!(slowest > 900.0, "{slowest}");
    assert_durations(&spans, 60_000.0);
}

/// Runs the scenario, and does `meddle` again and again while it runs. Every request is answered.
fn run_while(
    sandbox: &Sandbox,
    every: Duration,
    adjust: impl Fn(&mut Command),
    mut meddle: impl FnMut(),
) -> Vec<Span> {
    fs::write(sandbox.path().join("s.toml"), SCENARIO).unwrap();
    let (ended, ()) = to_a_verdict(|| {
        let mut command = nines(sandbox);
        adjust(&mut command);
        let mut run = command
            .args(["run", "s.toml", "--spans", "all"])
            .spawn()
            .unwrap();
        while !wait_until(every, || run.try_wait().unwrap().is_some()) {
            meddle();
        }
        (finish(run).unwrap(), ())
    });
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let result = fs::read_to_string(sandbox.path().join("out/result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    let run = counted(&result["scenarios"][0]);
    assert_eq!(run["analysis"]["root"]["ok"], 200);
    read_jsonl(&sandbox.path().join("out/latest/s.spans.jsonl"))
        .unwrap()
        .spans
}

/// No span took longer than `most` milliseconds, and none of the database's less than its delay.
fn assert_durations(spans: &[Span], most: f64) {
    // Those of the calibration come before the fault.
    let is_of_load = |span: &Span| {
        span.request
            .as_deref()
            .is_some_and(|id| id.starts_with("r7-"))
    };
    let is_slow = |span: &&Span| {
        &*span.service == "database" && span.kind == Kind::Server && is_of_load(span)
    };
    let slow = spans.iter().filter(is_slow);
    assert!(slow.clone().count() >= 200);
    for span in slow {
        assert!(
            duration_ms(span) >= 50.0,
            "{} ms: {span:?}",
            duration_ms(span)
        );
    }
    assert!(spans.iter().all(|span| duration_ms(span) < most));
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds")]
fn duration_ms(span: &Span) -> f64 {
    (span.end as f64 - span.start as f64) / 1e6
}

/// The process of a service of the run, if there is one now.
fn process_of(sandbox: &Sandbox, service: &str) -> Option<Pid> {
    let serves = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.any(|word| word == b"serve") && words.next() == Some(service.as_bytes())
    };
    let pid = sandbox.processes().into_iter().find(serves)?;
    Pid::from_raw(pid.cast_signed())
}
