//! What the program says about itself.

use super::nines;
use serde_json::Value;
use std::fs;
use testkit::{Ended, Sandbox};

fn say(sandbox: &Sandbox, args: &[&str]) -> Ended {
    testkit::run(nines(sandbox).args(args)).unwrap()
}

#[test]
fn a_new_scenario_is_a_good_one_and_never_takes_the_place_of_another() {
    let sandbox = Sandbox::new().unwrap();
    for flags in [&[][..], &["--full"], &["--from", "r2"]] {
        let _ = fs::remove_file(sandbox.path().join("my.toml"));
        let new = say(&sandbox, &[&["new", "my.toml"], flags].concat());
        assert_eq!(new.code, Some(0), "{}", new.stderr);
        assert_eq!(say(&sandbox, &["predict", "my.toml"]).code, Some(0));
        fs::write(sandbox.path().join("my.toml"), "mine").unwrap();
        let again = say(&sandbox, &[&["new", "my.toml"], flags].concat());
        assert_eq!(again.code, Some(2));
        assert!(
            again.stderr.contains("my.toml: it exists already"),
            "{}",
            again.stderr
        );
        let kept = fs::read_to_string(sandbox.path().join("my.toml")).unwrap();
        assert_eq!(kept, "mine");
    }
    assert_eq!(say(&sandbox, &["new", "nowhere/my.toml"]).code, Some(2));
    let both = ["new", "b.toml", "--full", "--from", "a1"];
    assert_eq!(say(&sandbox, &both).code, Some(2));
}

#[test]
fn what_a_new_scenario_calls_itself_is_true_of_it() {
    let lines = scenario::STARTER.lines().count();
    assert!((15..=25).contains(&lines), "{lines}");
    let plan = scenario::parse("starter", scenario::STARTER).unwrap();
    assert_eq!(plan.services().len(), 4);
    let prediction = scenario::predict(&plan);
    for hop in &prediction.hops {
        assert!((hop.own.get() - 0.99).abs() < 1e-9, "{}", hop.service);
    }
    assert!((prediction.availability.get() - 0.99_f64.powi(4)).abs() < 1e-9);
    // There are requests enough for a verdict: the interval is no wider than what must be told.
    let (all, requests) = (prediction.availability.get(), 12_000.0);
    assert!(scenario::STARTER.contains("requests = 12000 "));
    let half = 2.576 * (all * (1.0 - all) / requests).sqrt();
    assert!(half < scenario::DEFAULT_DISTANCE / 2.0, "{half}");
    // The lines that it offers to switch on are good ones, too.
    let on = scenario::STARTER
        .replace("# [policy", "[policy")
        .replace("# retries", "retries");
    let plan = scenario::parse("starter", &on).unwrap();
    // The client does not retry: a request that the gateway loses stays lost.
    assert!((scenario::predict(&plan).availability.get() - 0.99).abs() < 1e-4);
    let full = scenario::parse("full", scenario::SHAPE).unwrap();
    assert!((scenario::predict(&full).availability.get() - 0.99).abs() < 1e-9);
}

#[test]
fn a_copy_of_any_built_in_scenario_is_that_scenario_with_its_comments() {
    let sandbox = Sandbox::new().unwrap();
    for scenario in scenario::builtin() {
        let file = format!("{}.toml", scenario.name);
        let new = say(&sandbox, &["new", &file, "--from", scenario.name]);
        assert_eq!(new.code, Some(0), "{}", new.stderr);
        let text = fs::read_to_string(sandbox.path().join(&file)).unwrap();
        let copy = scenario::parse(&file, &text).unwrap();
        let built_in = scenario::parse(scenario.name, scenario.text).unwrap();
        assert_eq!(
            serde_json::to_value(copy).unwrap(),
            serde_json::to_value(built_in).unwrap()
        );
        let comments = |text: &str| text.matches("# ").count();
        assert_eq!(comments(&text), comments(scenario.text));
    }
    let wrong = say(&sandbox, &["new", "x.toml", "--from", "r99"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("did you mean `r9-cache`?"),
        "{}",
        wrong.stderr
    );
    assert!(!sandbox.path().join("x.toml").exists());
}

#[test]
fn the_schema_is_one_that_editors_can_read() {
    let schema = say(&Sandbox::new().unwrap(), &["schema"]);
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["properties"]["load"]["properties"]["rate"].is_object());
}
