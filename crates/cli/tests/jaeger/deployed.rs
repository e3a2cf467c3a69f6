//! Runs against a chain that somebody else has started.

use super::{Kept, START, first, nines, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{ffi::OsStr, fs, process::Command};
use testkit::{Sandbox, finish, jaeger, repeat::to_a_verdict, wait_until};

/// Who fails is decided by the seed alone, so that two runs of it must agree to the request.
const SCENARIO: &str = r#"
title = "faults and retries"
seed = 42
[load]
rate = 200
requests = 500
[chain]
hops = ["auth", "profile", "database"]
[faults.often]
kind = "error"
probability = 0.2
[policy.retry]
retries = 1
backoff = "1ms"
[expect]
availability = { min = 0.001 }
"#;

/// Another state than the scenario's, to be found again.
const BEFORE: &str = r#"
title = "as somebody has left it"
seed = 5
[load]
rate = 1
requests = 1
[chain]
hops = ["auth", "profile", "database"]
[faults.slow]
kind = "delay"
delay = "1ms"
probability = 0.5
[policy]
attempt_timeout = "7s"
"#;

/// A run of the scenario `text` against the chain, with these flags.
fn against(kept: &Kept, sandbox: &Sandbox, text: &str, flags: &[impl AsRef<OsStr>]) -> Command {
    fs::write(sandbox.path().join("s.toml"), text).unwrap();
    let mut command = nines(sandbox);
    command.args(["run", "s.toml"]).args(flags);
    command.env("NINES_ADMIN_TOKEN", kept.token());
    command
}

/// What users lost, and where, to the request.
fn counted(result: &Value) -> Vec<(String, Value)> {
    let analysis = &first(result)["analysis"];
    let mut counts = vec![("user".to_owned(), analysis["root"]["failed"].clone())];
    for hop in analysis["hops"].as_array().unwrap() {
        let name = hop["hop"].as_str().unwrap();
        for what in ["lost_here", "effective", "lost_by_fault"] {
            counts.push((format!("{name}: {what}"), hop[what].clone()));
        }
        for what in ["calls", "attempts", "requests"] {
            counts.push((format!("{name}: {what}"), hop[what]["offered"].clone()));
        }
    }
    counts
}

#[test]
fn a_deployed_chain_gives_the_same_availability_per_hop_and_is_left_as_it_was() {
    let Some(jaeger) = jaeger::shared() else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let (_, started) = run(&sandbox, ("started", SCENARIO), &[]);

    let kept = Kept::start(jaeger, BEFORE);
    let before = kept.in_force(&sandbox);
    let mut command = against(&kept, &sandbox, SCENARIO, &kept.flags(jaeger));
    command.args(["--out", "deployed"]);
    let (ended, ()) = to_a_verdict(|| (testkit::run(&mut command).unwrap(), ()));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let result = fs::read_to_string(sandbox.path().join("deployed/result.json")).unwrap();
    let deployed: Value = serde_json::from_str(&result).unwrap();

    assert_eq!(counted(&deployed), counted(&started));
    let edge = kept.url("gateway", "public");
    let said = first(&deployed)["deployed"]["target"].as_str().unwrap();
    assert_eq!(said.trim_end_matches('/'), edge);
    assert!(
        ended.stdout.contains(&format!("deployed at {edge}")),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("agree to the request"),
        "{}",
        ended.stdout
    );
    let page = fs::read_to_string(sandbox.path().join("deployed/report.html")).unwrap();
    assert!(page.contains(&format!("deployed at {edge}")));
    assert!(!result.contains(kept.token()) && !page.contains(kept.token()));
    assert_eq!(kept.in_force(&sandbox), before);
}

#[test]
fn a_run_that_is_interrupted_leaves_the_deployed_chain_as_it_was() {
    let Some(jaeger) = jaeger::shared() else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let kept = Kept::start(jaeger, BEFORE);
    let before = kept.in_force(&sandbox);
    let long = SCENARIO.replace("requests = 500", "for = \"5m\"");
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = against(&kept, &sandbox, &long, &kept.flags(jaeger));
        let child = command.spawn().unwrap();
        let has_often = || kept.in_force(&sandbox).to_string().contains("often");
        assert!(wait_until(START, has_often), "the faults are in place");
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let ended = finish(child).unwrap();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert_eq!(kept.in_force(&sandbox), before);
    }
}

#[test]
fn a_deployed_chain_that_is_not_the_scenarios_is_told_apart_before_anything_is_changed() {
    let Some(jaeger) = jaeger::shared() else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let kept = Kept::start(jaeger, BEFORE);
    let before = kept.in_force(&sandbox);
    let longer = SCENARIO.replace("\"database\"]", "\"database\", \"audit\"]");
    let (chain_alone, _) = BEFORE.split_once("[faults.slow]").unwrap();
    let quiet = chain_alone.to_owned();
    let flags = kept.flags(jaeger);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let without_admin = &flags[..4];
    let swap = |flag: &&str| {
        let flag = flag.replace("auth=", "+").replace("profile=", "auth=");
        flag.replace('+', "profile=")
    };
    let swapped: Vec<_> = flags.iter().map(swap).collect();
    let swapped: Vec<_> = swapped.iter().map(String::as_str).collect();
    let quiet_longer = quiet.replace("\"database\"]", "\"database\", \"audit\"]");
    let elsewhere = [flags[0], flags[1], "--traces", &jaeger.otlp];
    let page = format!("{}/ui", jaeger.query);
    let wrong_path = [flags[0], flags[1], "--traces", &page];
    let token = kept.token();
    let (head, _) = SCENARIO.split_once("[chain]").unwrap();
    let sweep = "[service.a]\n[sweep]\nservice = \"a\"\nreplicas = [1, 2]\n";
    let swept = format!("{head}{sweep}");
    let cases: [(&str, &[&str], &str, i32, &str); 8] = [
        (
            &swept,
            &flags,
            token,
            2,
            "allowed: scenarios without [sweep]",
        ),
        (SCENARIO, without_admin, "", 2, "--admin SERVICE=URL"),
        (&longer, &flags, token, 3, "0 admin listeners of audit"),
        (&quiet_longer, without_admin, "", 3, "none of audit"),
        (SCENARIO, &swapped, token, 3, "is that of"),
        (SCENARIO, &flags, "wrong", 3, "NINES_ADMIN_TOKEN"),
        (&quiet, &elsewhere, "", 3, "/api/v3/services: answered with"),
        (&quiet, &wrong_path, "", 3, "web page"),
    ];
    for (text, flags, token, code, part) in cases {
        let mut command = against(&kept, &sandbox, text, flags);
        command.env("NINES_ADMIN_TOKEN", token);
        let ended = testkit::run(&mut command).unwrap();
        assert_eq!(ended.code, Some(code), "{part}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        assert_eq!(kept.in_force(&sandbox), before, "{part}");
    }
}

#[test]
fn a_replica_whose_admin_listener_is_not_named_is_missed_before_anything_is_changed() {
    let Some(jaeger) = jaeger::shared() else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let two = BEFORE.replace(
        "[faults.slow]",
        "[chain.replicas]\ndatabase = 2\n[faults.slow]",
    );
    let kept = Kept::start(jaeger, &two);
    let before = kept.in_force(&sandbox);
    let mut flags = kept.flags(jaeger);
    let second = flags
        .iter()
        .position(|flag| flag.starts_with("database-1="))
        .unwrap();
    flags.drain(second - 1..=second);
    let flags: Vec<_> = flags
        .iter()
        .map(|flag| flag.replace("database-0=", "database="))
        .collect();
    let ended = testkit::run(&mut against(&kept, &sandbox, SCENARIO, &flags)).unwrap();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let told = "gateway calls 2 of database, and 1 admin listener of database is known: the others \
                would get neither faults nor policy; allowed: 1 of it, or a scenario that has 2 \
                and --admin database=URL|URL";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(kept.in_force(&sandbox), before);
}

#[test]
fn the_clocks_of_one_machine_are_not_told_to_be_apart() {
    let Some(jaeger) = jaeger::shared() else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let outages = "title = \"outages\"\nseed = 3\n[load]\nrate = 50\nrequests = 100\n\
                   [service.front]\ncalls = [\"back\"]\n[service.back]\n\
                   [faults.down]\nkind = \"error\"\non = [\"back\"]\nup = \"1s\"\ndown = \"1s\"\n\
                   [expect]\navailability = { min = 0.001 }\n";
    let kept = Kept::start(jaeger, outages);
    let mut command = against(&kept, &sandbox, outages, &kept.flags(jaeger));
    let ended = testkit::run(&mut command).unwrap();
    let result = fs::read_to_string(sandbox.path().join("out/result.json"));
    let result = result.unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    let result: Value = serde_json::from_str(&result).unwrap();
    let deployed = &first(&result)["deployed"];
    assert!(deployed["target"].is_string());
    assert_eq!(deployed["clocks_apart_s"], Value::Null, "{deployed}");
}
