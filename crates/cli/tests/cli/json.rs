//! `--json`: one document on standard output, of one outer shape.

use super::nines;
use serde_json::Value;
use std::fs;
use testkit::{Ended, Sandbox};

/// The one document of `verb` in `text`.
pub fn document(text: &str, verb: &str) -> Value {
    let document: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let schema = document["schema"]
        .as_str()
        .unwrap_or_else(|| panic!("{verb}: {text}"));
    let (name, version) = schema
        .strip_prefix("nines/")
        .unwrap()
        .split_once('/')
        .unwrap();
    assert_eq!(name, verb, "{schema}");
    assert!(
        version.parse::<u32>().is_ok_and(|version| version > 0),
        "{schema}"
    );
    document
}

fn say(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    testkit::run(nines(sandbox).args(arguments)).unwrap()
}

const RELAYS: &str = "title = \"t\"\n[load]\nrate = 200\nrequests = 40\n[chain]\nrelays = 1\n";

#[test]
fn every_verb_with_json_prints_one_document_that_says_whose_it_is() {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("s.toml"), RELAYS).unwrap();
    let list = document(&say(&sandbox, &["list", "--json"]).stdout, "list");
    assert_eq!(
        list["scenarios"].as_array().unwrap().len(),
        scenario::builtin().len()
    );
    let two = ["predict", "s.toml", "a1", "--json"];
    let predicted = document(&say(&sandbox, &two).stdout, "predict");
    assert_eq!(predicted["scenarios"][1]["name"], "a1-four-in-series");
    let ran = say(&sandbox, &["run", "s.toml", "--json"]);
    let ran = document(&ran.stdout, "run");
    assert_eq!(ran["scenarios"][0]["name"], "s");
    let saved = sandbox.path().join("saved.json");
    fs::write(&saved, ran.to_string()).unwrap();
    let compared = ["compare", "saved.json", "out/result.json", "--json"];
    let compared = document(&say(&sandbox, &compared).stdout, "compare");
    assert_eq!(compared["scenarios"][0]["name"], "s");
    // Those of a running chain are kept in the tests of `nines up`.
}

#[test]
fn an_error_is_text_on_standard_error_also_with_json() {
    let sandbox = Sandbox::new().unwrap();
    for arguments in [
        &["predict", "nope.toml", "--json"][..],
        &["run", "nope.toml", "--json"],
        &["compare", "nope.json", "nope.json", "--json"],
        &["fault", "--json"],
        &["policy", "--json"],
    ] {
        let ended = say(&sandbox, arguments);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

#[test]
fn a_file_of_another_shape_is_refused_with_field_and_place_and_in_plain_words() {
    let sandbox = Sandbox::new().unwrap();
    fs::create_dir(sandbox.path().join("out")).unwrap();
    let chain = r#"{"edge":"gateway",
 "services":{"auth":{"public":"nowhere","admin":"127.0.0.1:1"}},
 "admin_token":"t","user_token":null}"#;
    let result = "{\"version\":1,\n\"scenarios\":[{\"name\":7}]}";
    for (file, text, arguments, expected) in [
        (
            "out/chain.json",
            chain,
            &["fault"][..],
            "services.auth.public: invalid",
        ),
        (
            "out/chain.json",
            r#"{"services":{}}"#,
            &["policy"],
            "edge: missing; this field is needed (line 1, column 15)",
        ),
        (
            "a.json",
            result,
            &["compare", "a.json", "a.json"],
            "scenarios[0].name: invalid value 7, expected a string (line 2, column 22)",
        ),
        (
            "a.json",
            "{\"version\":1,\n",
            &["compare", "a.json", "a.json"],
            "not valid JSON: it ends too early (line 2, column 0)",
        ),
    ] {
        fs::write(sandbox.path().join(file), text).unwrap();
        let ended = say(&sandbox, arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        for raw in ["invalid type", "missing field", "at line"] {
            assert!(!ended.stderr.contains(raw), "{}", ended.stderr);
        }
    }
}
