//! `nines compare`: two results, and what has changed.

use super::{nines, run_to_a_verdict};
use serde_json::{Value, json};
use std::fs;
use testkit::{Ended, Sandbox};

const SCENARIO: &str = r#"
title = "a relay"
[load]
model = "closed"
workers = 2
requests = 200
[chain]
relays = 1
[expect]
availability = { min = 0.5 }
"#;

/// A result of one scenario in which so many of 10,000 requests were answered.
fn result(name: &str, answered: u64, verdict: &str) -> Value {
    json!({
        "version": 1,
        "program": "nines 0.1.0",
        "scenarios": [{
            "name": name,
            "runs": [{
                "analysis": {
                    "root": {
                        "offered": 10_000, "ok": answered, "degraded": 0,
                        "latency": {
                            "p50_ms": 1.0, "p99_ms": 2.0, "p999_ms": 3.0,
                            "intervals": {
                                "p50": { "low_ms": 0.9, "high_ms": 1.1 },
                                "p99": { "low_ms": 1.8, "high_ms": 2.5 },
                                "p999": { "low_ms": 2.2, "high_ms": null },
                            },
                        },
                    },
                    "hops": [{ "load_amplification": 1.25 }, { "load_amplification": null }],
                },
                "cpu_s": { "gateway": 1.0, "auth": 2.0 },
            }],
            "judgement": { "verdict": verdict, "doubts": [] },
        }],
    })
}

fn compare(before: &Value, after: &Value, flags: &[&str]) -> Ended {
    let sandbox = Sandbox::new().unwrap();
    for (name, value) in [("a.json", before), ("b.json", after)] {
        fs::write(sandbox.path().join(name), value.to_string()).unwrap();
    }
    let arguments = ["compare", "a.json", "b.json"];
    testkit::run(nines(&sandbox).args(arguments).args(flags)).unwrap()
}

#[test]
fn a_result_that_a_run_wrote_is_no_worse_than_itself() {
    let sandbox = Sandbox::new().unwrap();
    run_to_a_verdict(&sandbox, SCENARIO, &[]);
    let arguments = ["compare", "out/result.json", "out/result.json"];
    let ended = testkit::run(nines(&sandbox).args(arguments)).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for part in [
        "100.00 %",
        "p99.9, ms",
        "CPU per request",
        "no difference",
        "holds",
    ] {
        assert!(ended.stdout.contains(part), "{part:?}: {}", ended.stdout);
    }
}

#[test]
fn availability_that_fell_by_more_than_chance_explains_exits_1() {
    let before = result("a", 9_900, "holds");
    let worse = compare(&before, &result("a", 9_800, "holds"), &[]);
    assert_eq!(worse.code, Some(1), "{}", worse.stdout);
    assert!(
        worse.stdout.contains("worse: -1.00 points"),
        "{}",
        worse.stdout
    );
    for (answered, word) in [(9_890, "no difference"), (9_990, "better: +0.90 points")] {
        let ended = compare(&before, &result("a", answered, "holds"), &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stdout);
        assert!(ended.stdout.contains(word), "{}", ended.stdout);
    }
}

#[test]
fn percentiles_come_with_their_intervals_and_means_with_a_note() {
    let same = result("a", 9_900, "holds");
    let ended = compare(&same, &same, &[]);
    for part in [
        "1.00 (0.90 to 1.10)",
        "3.00 (2.20 to ?)",
        "means of one run each",
    ] {
        assert!(ended.stdout.contains(part), "{part:?}: {}", ended.stdout);
    }
}

#[test]
fn an_expectation_that_held_and_fails_now_exits_1_and_one_that_is_doubted_does_not() {
    for (then, now, code) in [
        ("holds", "fails", 1),
        ("holds", "inconclusive", 0),
        ("fails", "fails", 0),
    ] {
        let ended = compare(&result("a", 9_900, then), &result("a", 9_900, now), &[]);
        assert_eq!(ended.code, Some(code), "{then} {now}");
    }
}

#[test]
fn as_json_it_says_the_same_in_numbers() {
    let (before, after) = (result("a", 9_900, "holds"), result("a", 9_800, "holds"));
    let ended = compare(&before, &after, &["--json"]);
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    let pair = &said["scenarios"][0];
    assert_eq!(pair["before"]["availability"], 0.99);
    assert_eq!(pair["after"]["p999_ms"], 3.0);
    assert_eq!(
        pair["after"]["p999_ms_interval"],
        json!({ "low_ms": 2.2, "high_ms": null })
    );
    assert_eq!(pair["after"]["attempts_at_busiest_hop"], 1.25);
    assert_eq!(pair["after"]["cpu_per_request_ms"], 0.3);
    assert_eq!(pair["got_worse"], true);
    assert!(pair["difference"]["high"].as_f64().unwrap() < 0.0);
}

#[test]
fn what_only_one_of_them_has_is_named() {
    let mut before = result("a", 9_900, "holds");
    let other = result("b", 1, "fails")["scenarios"][0].clone();
    before["scenarios"].as_array_mut().unwrap().push(other);
    let ended = compare(&before, &result("a", 9_900, "holds"), &[]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stdout.contains("b: in the first file only"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_file_that_is_no_result_exits_2_and_is_named_with_what_is_wrong() {
    let good = result("a", 9_900, "holds");
    let mut future = good.clone();
    future["version"] = json!(99);
    let mut torn = good.clone();
    torn["scenarios"][0]["runs"][0]["analysis"]["root"]["offered"] = json!("many");
    for (bad, part) in [
        (future, "version: 99"),
        (json!({}), "version: missing"),
        (json!([1]), "version: missing"),
        (torn, "many"),
        (result("other", 1, "holds"), "no scenario in common"),
    ] {
        let ended = compare(&good, &bad, &[]);
        assert_eq!(ended.code, Some(2), "{bad}");
        assert!(ended.stderr.contains(part), "{part:?}: {}", ended.stderr);
    }
}
