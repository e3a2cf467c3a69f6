//! A machine that is too slow for a load gets a lower one, or none; and the spans of every run
//! name it.

use super::{assert_clean, counted, nines, run_scenario};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    thread::sleep,
    time::Duration,
};
use testkit::{Sandbox, finish, wait_until};

/// No machine carries so much of a chain of processes.
const FAR_TOO_MUCH: &str = "title = \"t\"\n[load]\nrate = 900000\nrequests = 600\n\
    [service.front]\ncalls = [\"back\"]\n[service.back]\n\
    [faults.some]\nkind = \"error\"\nprobability = 0.2\n[expect]\ndistance = 0.3\n";

#[test]
fn a_load_that_is_too_much_is_lowered_and_keeps_its_requests_and_its_faults() {
    let sandbox = Sandbox::new().unwrap();
    let (ended, result) = run_scenario(&sandbox, FAR_TOO_MUCH, &[]);
    assert!(
        matches!(ended.code, Some(0 | 4)),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    let said = "the load was lowered from 900000/s to ";
    assert_eq!(ended.stdout.matches(said).count(), 1, "{}", ended.stdout);
    let scenario = &result["scenarios"][0];
    let run = counted(scenario);
    let lowered = &run["host"]["lowered"];
    let to = lowered["to_per_s"].as_f64().unwrap();
    assert!(
        to <= 0.46 * run["host"]["carries_per_s"].as_f64().unwrap() || to <= 10.1,
        "{lowered}"
    );
    assert_eq!(scenario["plan"]["phases"][0]["load"]["rate_per_s"], to);
    // Requests of the calibration are none of these, for any of the three observers.
    assert_eq!(run["generator"]["counts"]["offered"], 600);
    for line in run["accounting"]["lines"].as_array().unwrap() {
        assert_eq!(line["left"]["count"], line["right"]["count"], "{line}");
    }
    assert_clean(&sandbox);
}

#[test]
fn a_load_whose_rate_matters_is_not_sent_to_a_machine_that_is_too_slow_for_it() {
    let sandbox = Sandbox::new().unwrap();
    let text = format!("{FAR_TOO_MUCH}[policy.breaker]\nconsecutive = 5\n");
    let (ended, result) = run_scenario(&sandbox, &text, &["--junit", "junit.xml"]);
    assert_eq!(ended.code, Some(4), "{}{}", ended.stdout, ended.stderr);
    let said = "not run: this machine carries about ";
    assert_eq!(ended.stdout.matches(said).count(), 1, "{}", ended.stdout);
    let scenario = &result["scenarios"][0];
    assert_eq!(scenario["runs"], json!([]));
    assert_eq!(scenario["judgement"]["doubts"][0]["doubt"], "slow_host");
    let junit = fs::read_to_string(sandbox.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<skipped message=\"not run: "), "{junit}");
    assert_clean(&sandbox);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the time in which the generator stands still is the disturbance"
)]
fn a_run_that_was_disturbed_is_discarded_and_the_next_one_counts() {
    let sandbox = Sandbox::new().unwrap();
    let text = FAR_TOO_MUCH.replace("900000", "100");
    fs::write(sandbox.path().join("s.toml"), text).unwrap();
    let log = sandbox.path().join("stderr");
    let mut command = nines(&sandbox);
    command.args(["run", "s.toml"]);
    let child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
    let is_loading = || fs::read_to_string(&log).is_ok_and(|text| text.contains("load, 0 %"));
    assert!(wait_until(Duration::from_mins(1), is_loading));
    // The generator gets no processor time for a sixth of its load.
    let generator = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(generator, Signal::STOP).unwrap();
    sleep(Duration::from_secs(1));
    kill_process(generator, Signal::CONT).unwrap();
    let ended = finish(child).unwrap();
    assert!(matches!(ended.code, Some(0 | 4)), "{:?}", ended.code);
    let result = fs::read_to_string(sandbox.path().join("out/result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    let scenario = &result["scenarios"][0];
    let doubts = &scenario["runs"][0]["doubts"];
    assert_eq!(doubts[0]["doubt"], "late_generator", "{doubts}");
    assert_ne!(scenario["headline"], 0);
    let run = counted(scenario);
    assert_eq!(
        run["seed"], scenario["runs"][0]["seed"],
        "the seed was not at fault"
    );
    assert_eq!(run["host"]["lowered"]["after_a_disturbed_run"], true);
    let (above, below) = ended
        .stdout
        .split_once("a run was discarded (seed 42")
        .unwrap();
    assert!(
        above.contains("predicted    ") && below.contains("verdict "),
        "{}",
        ended.stdout
    );
    assert_clean(&sandbox);
}

#[test]
fn the_spans_of_all_processes_of_a_run_name_scenario_variant_seed_and_run() {
    let sandbox = Sandbox::new().unwrap();
    let text = FAR_TOO_MUCH
        .replace("900000", "50")
        .replace("requests = 600", "requests = 60")
        + "[[compare]]\ntitle = \"Two retries\"\n[compare.policy.retry]\nretries = 2\n";
    run_scenario(&sandbox, &text, &["--seed", "77"]);
    let read =
        |name: &str| fs::read_to_string(sandbox.path().join("out/latest").join(name)).unwrap();
    let resources = |lines: &str| {
        let mut seen: BTreeSet<[Option<String>; 5]> = BTreeSet::new();
        for line in lines.lines() {
            let request: Value = serde_json::from_str(line).unwrap();
            for group in request["resourceSpans"].as_array().unwrap() {
                let attributes = group["resource"]["attributes"].as_array().unwrap();
                let value = |key: &str| {
                    let found = attributes.iter().find(|it| it["key"] == key)?;
                    Some(found["value"]["stringValue"].as_str().unwrap().to_owned())
                };
                seen.insert([
                    value("service.name"),
                    value("service.namespace"),
                    value("nines.scenario"),
                    value("nines.variant"),
                    value("nines.seed"),
                ]);
            }
        }
        seen
    };
    let expected = |variant: Option<&str>| {
        let of = |service: &str| {
            [Some(service), Some("nines"), Some("s"), variant, Some("77")]
                .map(|it| it.map(str::to_owned))
        };
        ["client", "front", "back"]
            .map(of)
            .into_iter()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(resources(&read("s.spans.jsonl")), expected(None));
    assert_eq!(
        resources(&read("s.two-retries.spans.jsonl")),
        expected(Some("two-retries"))
    );
}
