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
    assert_eq!(say(&sandbox, &["new", "my.toml"]).code, Some(0));
    assert_eq!(say(&sandbox, &["predict", "my.toml"]).code, Some(0));
    fs::write(sandbox.path().join("my.toml"), "mine").unwrap();
    let again = say(&sandbox, &["new", "my.toml"]);
    assert_eq!(again.code, Some(2));
    assert!(
        again.stderr.contains("my.toml: it exists already"),
        "{}",
        again.stderr
    );
    let kept = fs::read_to_string(sandbox.path().join("my.toml")).unwrap();
    assert_eq!(kept, "mine");
    assert_eq!(say(&sandbox, &["new", "nowhere/my.toml"]).code, Some(2));
}

#[test]
fn the_schema_is_one_that_editors_can_read() {
    let schema = say(&Sandbox::new().unwrap(), &["schema"]);
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["properties"]["load"]["properties"]["rate"].is_object());
}

#[test]
fn completions_and_the_manual_know_every_verb() {
    let sandbox = Sandbox::new().unwrap();
    let mut texts = vec![say(&sandbox, &["man"]).stdout];
    for shell in ["bash", "zsh", "fish"] {
        texts.push(say(&sandbox, &["completions", shell]).stdout);
    }
    for text in texts {
        for verb in [
            "demo", "run", "predict", "serve", "stack", "list", "new", "schema",
        ] {
            assert!(text.contains(verb), "{verb} is missing");
        }
    }
}
