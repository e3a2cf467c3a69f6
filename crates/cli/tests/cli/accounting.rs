//! Offered = ok + degraded + failed by cause; generator, metrics and spans agree to the request.

use super::{assert_clean, counted, run_scenario, run_to_a_verdict};
use serde_json::Value;
use std::fs;
use testkit::Sandbox;

const CHAIN: &str = r#"
title = "the chain with every kind of fault"
[load]
rate = 300
requests = 1500
[chain]
hops = ["auth", "profile", "database", "audit"]
[faults.broken]
kind = "error"
probability = 0.05
[faults.torn]
kind = "reset"
probability = 0.05
on = ["profile", "database"]
[faults.stuck]
kind = "hang"
probability = 0.02
on = ["database"]
[faults.slow]
kind = "delay"
delay = "20ms"
probability = 0.1
[policy]
attempt_timeout = "2s"
deadline = "4s"
[expect]
availability = { min = 0.5, max = 0.8 }
"#;

fn counts(result: &Value) -> &Value {
    &counted(&result["scenarios"][0])["generator"]["counts"]
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn assert_accounted_for(result: &Value) {
    let counts = counts(result);
    let [offered, ok, degraded, failed] =
        ["offered", "ok", "degraded", "failed"].map(|name| number(&counts[name]));
    assert_eq!(offered, ok + degraded + failed);
    let causes = counts["failed_by_cause"].as_object().unwrap();
    assert_eq!(failed, causes.values().map(number).sum::<u64>());
    let lines = counted(&result["scenarios"][0])["accounting"]["lines"]
        .as_array()
        .unwrap();
    assert!(lines.len() > 10);
    for line in lines {
        assert_eq!(line["left"]["count"], line["right"]["count"], "{line}");
    }
}

fn assert_no_span_is_missing(result: &Value) {
    let completeness = &counted(&result["scenarios"][0])["analysis"]["completeness"];
    for missing in [
        "orphans",
        "rootless_traces",
        "attempts_missing",
        "duplicates",
    ] {
        assert_eq!(completeness[missing], 0, "{missing}");
    }
    assert_eq!(completeness["unpaired"]["answered"], 0);
}

/// Ground truth: every loss here was injected, and is found at the hop that injected it.
fn assert_the_losses_of_the_hops_are_the_loss_of_the_user(result: &Value) {
    let hops = counted(&result["scenarios"][0])["analysis"]["hops"]
        .as_array()
        .unwrap();
    let lost: u64 = hops.iter().map(|hop| number(&hop["lost_here"])).sum();
    assert_eq!(lost, number(&counts(result)["failed"]));
    for hop in hops {
        let faults = hop["lost_by_fault"].as_object().unwrap();
        let injected: u64 = faults.values().map(number).sum();
        assert_eq!(injected, number(&hop["lost_here"]), "{}", hop["hop"]);
    }
}

#[test]
fn every_request_is_counted_once_by_all_three_whatever_happens_to_it() {
    let sandbox = Sandbox::new().unwrap();
    let (ended, result) = run_scenario(&sandbox, CHAIN, &[]);
    assert_eq!(number(&counts(&result)["offered"]), 1500);
    let causes = counts(&result)["failed_by_cause"].as_object().unwrap();
    for cause in ["error", "reset", "timeout"] {
        assert!(causes.contains_key(cause), "{causes:?}");
    }
    assert_accounted_for(&result);
    assert_no_span_is_missing(&result);
    assert_the_losses_of_the_hops_are_the_loss_of_the_user(&result);
    assert_ne!(ended.code, Some(1), "{}", ended.stdout);
    assert_clean(&sandbox);
}

#[test]
fn a_client_that_gives_up_is_counted_by_everybody() {
    let text = r#"
title = "nobody waits for the database"
[load]
rate = 100
requests = 60
patience = "3s"
[chain]
hops = ["auth", "profile", "database"]
[faults.dead]
kind = "hang"
probability = 1
on = ["database"]
"#;
    let sandbox = Sandbox::new().unwrap();
    let (_, result) = run_scenario(&sandbox, text, &[]);
    assert_accounted_for(&result);
    let run = counted(&result["scenarios"][0]);
    assert_eq!(run["generator"]["gave_up"], 60);
    assert_eq!(run["generator"]["counts"]["failed_by_cause"]["timeout"], 60);
    let hops = run["analysis"]["hops"].as_array().unwrap();
    let gateway = &hops[0]["requests"]["failed"]["by_cause"];
    assert_eq!(gateway["cancelled"], 60, "{gateway}");
    let database = hops.iter().find(|hop| hop["hop"] == "database").unwrap();
    assert_eq!(
        database["lost_here"], 60,
        "the hop that hung is to blame, not those that waited"
    );
}

#[test]
fn retries_budgets_and_breakers_are_accounted_for_to_the_attempt() {
    let text = r#"
title = "everything is done about an outage, and nothing is forgotten"
[load]
rate = 150
for = "5s"
[chain]
hops = ["auth", "profile", "database"]
[faults.broken]
kind = "error"
probability = 0.1
on = ["gateway", "auth", "profile"]
[policy]
attempt_timeout = "100ms"
deadline = "1s"
[policy.retry]
retries = 2
backoff = "5ms"
client = true
budget = { ratio = 0.1, floor = 0.0, capacity = 5 }
[policy.breaker]
consecutive = 6
open = "200ms"
max_open = "400ms"
probes = 1
[[phase]]
title = "the database hangs"
at = "1s"
for = "2s"
[phase.faults.dead]
kind = "hang"
probability = 1
on = ["database"]
[expect]
availability = { min = 0.1, max = 0.9 }
"#;
    let sandbox = Sandbox::new().unwrap();
    let (_, result) = run_scenario(&sandbox, text, &[]);
    assert_accounted_for(&result);
    assert_no_span_is_missing(&result);
    let run = counted(&result["scenarios"][0]);
    let hops = run["analysis"]["hops"].as_array().unwrap();
    let database = hops.iter().find(|hop| hop["hop"] == "database").unwrap();
    let stopped_by = &database["calls"]["stopped_by"];
    for reason in ["budget", "breaker_open"] {
        assert!(number(&stopped_by[reason]) > 0, "{stopped_by}");
    }
    assert_eq!(database["calls"]["not_tried"], refused_at_once(run));
    let transitions = run["timeline"]["transitions"].as_array().unwrap();
    // Others may have opened as well, where a process was kept waiting by this machine.
    let mut of_database = transitions
        .iter()
        .filter(|change| change["callee"] == "database");
    let last = of_database.next_back().unwrap();
    assert_eq!(
        last["to"], "closed",
        "it has found that the database is back"
    );
}

/// Calls of the database that a breaker refused before their first attempt, by phases.
fn refused_at_once(run: &Value) -> Value {
    let phases = run["timeline"]["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 3);
    let refused = phases
        .iter()
        .map(|phase| number(&phase["hops"]["database"]["refused"]));
    refused.sum::<u64>().into()
}

/// Longer than a token lives. Every user's is renewed after half to three quarters of its life.
const LONG: &str = r#"
title = "longer than a token"
[load]
rate = 10
for = "24s"
[chain]
hops = ["auth", "profile", "database"]
[expect]
availability = { min = 0.9 }
"#;

#[test]
fn a_run_that_lasts_longer_than_a_token_gets_no_answer_for_an_expired_one() {
    let sandbox = Sandbox::new().unwrap();
    let (ended, result) = run_scenario(&sandbox, LONG, &["--token-lifetime", "16s"]);
    let run = counted(&result["scenarios"][0]);
    let generator = &run["generator"];
    assert_eq!(generator["unexpected"], Value::Null, "{}", ended.stdout);
    assert_eq!(generator["counts"]["failed"], 0, "{}", ended.stdout);
    // The services count the logins too, so their counts are not compared with the load's.
    let lines = run["accounting"]["lines"].as_array().unwrap();
    let by_metrics =
        |line: &&Value| line["left"]["by"] == "metrics" || line["right"]["by"] == "metrics";
    assert_eq!(lines.iter().find(by_metrics), None);
    assert!(
        ended.stdout.contains("generator and spans"),
        "{}",
        ended.stdout
    );
    assert_clean(&sandbox);
}

const HANGS: &str = r#"
title = "the edge hangs, and the client tries again"
[load]
rate = 50
requests = 400
[service.edge]
[faults.stuck]
kind = "hang"
probability = 0.3
[policy]
deadline = "300ms"
[policy.retry]
retries = 1
backoff = "1ms"
client = true
[expect]
distance = 0.15
"#;

#[test]
fn the_deadline_is_the_whole_requests_also_where_the_client_tries_again() {
    let sandbox = Sandbox::new().unwrap();
    let (ended, result) = run_to_a_verdict(&sandbox, HANGS, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let scenario = &result["scenarios"][0];
    let predicted = scenario["prediction"]["availability"].as_f64().unwrap();
    assert!((predicted - 0.7).abs() < 1e-9, "{predicted}");
    // An attempt that hangs uses up the deadline: with one for each attempt, 91 % would succeed.
    let counts = counts(&result);
    assert!(
        number(&counts["failed_by_cause"]["timeout"]) > 60,
        "{counts}"
    );
    // The users get an error at the deadline: nothing is known to have taken longer.
    assert_eq!(counted(scenario)["generator"]["gave_up"], 0);
}

/// The gateway checks tokens by itself, and no user can log in again.
const LOCKED_OUT: &str = r#"
title = "no login succeeds"
[load]
rate = 20
for = "8s"
[chain]
hops = ["auth", "profile", "database"]
verify = "local"
[faults.down]
kind = "error"
probability = 1
on = ["auth"]
[expect]
availability = { min = 0.5 }
"#;

#[test]
fn a_run_whose_tokens_expire_is_inconclusive_and_says_why() {
    let sandbox = Sandbox::new().unwrap();
    let (ended, result) = run_scenario(&sandbox, LOCKED_OUT, &["--token-lifetime", "4s"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let said = "answers had an unexpected status from 400 to 499, most of them 401";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    let scenario = &result["scenarios"][0];
    assert!(number(&counted(scenario)["generator"]["unexpected"]["401"]) > 0);
    let judgement = &scenario["judgement"];
    assert_eq!(judgement["verdict"], "inconclusive");
    let doubts = judgement["doubts"].as_array().unwrap();
    assert!(
        doubts
            .iter()
            .any(|doubt| doubt["doubt"] == "unexpected_answers"),
        "{judgement}"
    );
    let report = fs::read_to_string(sandbox.path().join("out/report.html")).unwrap();
    assert!(report.contains(said), "the report says it too");
}
