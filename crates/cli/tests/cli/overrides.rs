//! Flags that stand in place of a scenario's own values.

use super::{counted, nines, run_scenario};
use serde_json::{Value, json};
use std::fs;
use testkit::{Ended, Sandbox};
use traces::read_jsonl;

const SCENARIO: &str = "title = \"t\"\nseed = 1\n[load]\nrate = 50\nfor = \"9m\"\n\
    [service.front]\ncalls = [\"back\"]\n[service.back]\n\
    [faults.some]\nkind = \"error\"\nprobability = 0.2\n[expect]\ndistance = 0.3\n";

fn ended(arguments: &[&str]) -> Ended {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("s.toml"), SCENARIO).unwrap();
    testkit::run(nines(&sandbox).args(arguments)).unwrap()
}

#[test]
fn a_run_has_the_values_of_the_flags_and_says_so() {
    let sandbox = Sandbox::new().unwrap();
    let flags = "--rate 100 --requests 120 --seed 9 --replicas back=2";
    let arguments: Vec<_> = flags.split(' ').collect();
    let (ended, result) = run_scenario(&sandbox, SCENARIO, &arguments);
    let said = format!("with {flags} in place of the scenario's own");
    assert!(ended.stdout.contains(&said), "{}", ended.stdout);
    let scenario = &result["scenarios"][0];
    let plan = &scenario["plan"];
    let kept = [
        "--rate 100",
        "--requests 120",
        "--seed 9",
        "--replicas back=2",
    ];
    assert_eq!(plan["overrides"], json!(kept));
    let run = counted(scenario);
    assert_eq!(run["generator"]["counts"]["offered"], 120);
    assert_eq!(run["seed"], 9);
    // Both replicas took a part.
    let spans = read_jsonl(&sandbox.path().join("out/latest/s.spans.jsonl")).unwrap();
    let text = fs::read_to_string(sandbox.path().join("out/latest/s.spans.jsonl")).unwrap();
    assert!(!spans.spans.is_empty());
    for replica in ["back-0", "back-1"] {
        assert!(text.contains(replica), "{replica}");
    }
}

#[test]
fn a_bad_value_exits_2_and_names_the_flag_and_what_is_allowed() {
    for verb in ["run", "predict"] {
        for (flags, expected) in [
            (
                &["--rate", "0"][..],
                "--rate 0: `load.rate` = 0 can't be; allowed: a number above 0",
            ),
            (&["--replicas", "bakc=2"], "did you mean `back`"),
            (
                &["--for", "1s", "--requests", "9"],
                "allowed: exactly one of the two",
            ),
        ] {
            let ended = ended(&[&[verb, "s.toml"], flags].concat());
            assert_eq!(ended.code, Some(2), "{}", ended.stderr);
            assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_prediction_is_made_for_the_values_of_the_flags_and_says_whether_the_run_is_large_enough() {
    let ended = ended(&["predict", "s.toml", "--requests", "40", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
    let predicted = &all["scenarios"][0];
    assert_eq!(
        predicted["plan"]["phases"][0]["load"]["requests"], 40,
        "{all}"
    );
    assert_eq!(predicted["sizes"][0]["requests"], 40);
    assert_eq!(predicted["sizes"][0]["asked"], 0.3);
}

#[test]
fn a_run_that_is_too_small_is_known_as_such_before_it_starts() {
    let small = SCENARIO.replace("distance = 0.3", "distance = 0.01");
    let sandbox = Sandbox::new().unwrap();
    let (ended, _) = run_scenario(&sandbox, &small, &["--requests", "40"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let warning = "warning: s: 40 requests can tell differences of ";
    assert_eq!(ended.stderr.matches(warning).count(), 1, "{}", ended.stderr);
    let (before, _) = ended.stderr.split_once("starting services").unwrap();
    assert!(
        before.contains(warning) && before.contains("would be enough"),
        "{before}"
    );
}
