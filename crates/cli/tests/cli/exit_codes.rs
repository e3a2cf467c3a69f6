//! Each exit code of the table in `nines --help`, from the real program; and the same
//! verdicts as JUnit's XML.

use super::{assert_clean, nines, reserved, run_scenario, run_to_a_verdict};
use roxmltree::Document;
use serde_json::Value;
use std::fs;
use testkit::{Ended, Sandbox};

/// A relay that fails every second time, of which so much is expected. Its workers wait for
/// each answer: a busy machine makes the run longer, and no request late.
fn scenario(requests: u32, expect: &str) -> String {
    format!(
        "title = \"a relay & its \\\"fault\\\"\"\n[load]\nmodel = \"closed\"\nworkers = 2\nrequests = {requests}\n[chain]\nrelays = 1\n\
         [faults.broken]\nkind = \"error\"\nprobability = 0.5\n[expect]\n{expect}\n"
    )
}

/// A way to run a scenario.
type Run = fn(&Sandbox, &str, &[&str]) -> (Ended, Value);

/// Runs it; how it ended, and what it wrote as JUnit's XML.
fn judged(run: Run, requests: u32, expect: &str) -> (Ended, String) {
    let sandbox = Sandbox::new().unwrap();
    let text = scenario(requests, expect);
    let (ended, _) = run(&sandbox, &text, &["--junit", "ci/junit.xml"]);
    let xml = fs::read_to_string(sandbox.path().join("ci/junit.xml")).unwrap();
    assert_clean(&sandbox);
    (ended, xml)
}

fn code(arguments: &[&str]) -> Option<i32> {
    let sandbox = Sandbox::new().unwrap();
    testkit::run(nines(&sandbox).args(arguments)).unwrap().code
}

#[test]
fn the_help_has_a_line_for_every_code() {
    let sandbox = Sandbox::new().unwrap();
    let help = testkit::run(nines(&sandbox).arg("--help")).unwrap().stdout;
    let (_, table) = help.split_once("Exit codes:\n").unwrap();
    let codes: Vec<_> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "130"]);
}

#[test]
fn an_expectation_that_is_met_exits_0_and_is_a_test_that_passes() {
    let (ended, xml) = judged(
        run_to_a_verdict,
        200,
        "availability = { min = 0.2, max = 0.8 }",
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let document = Document::parse(&xml).unwrap();
    let suite = document.root_element();
    let counts = ["tests", "failures", "skipped"].map(|name| suite.attribute(name).unwrap());
    assert_eq!(counts, ["1", "0", "0"]);
    let case = suite.first_element_child().unwrap();
    assert_eq!(case.attribute("classname"), Some("s"));
    assert_eq!(case.attribute("name"), Some("a relay & its \"fault\""));
}

#[test]
fn an_expectation_that_fails_exits_1_and_is_a_test_that_says_what_was_measured() {
    let (ended, xml) = judged(run_to_a_verdict, 200, "availability = { min = 0.9 }");
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let document = Document::parse(&xml).unwrap();
    let failure = document
        .descendants()
        .find(|node| node.has_tag_name("failure"))
        .unwrap();
    let message = failure.attribute("message").unwrap();
    assert!(
        message.contains("predicted 49.95 %; measured "),
        "{message}"
    );
}

#[test]
fn bad_input_exits_2() {
    for arguments in [
        &["run", "nope.toml"][..],
        &["frobnicate"],
        &["load", "ftp://127.0.0.1/"],
        &["load", "http://127.0.0.1/", "--rate", "0"],
        &["load", "http://127.0.0.1/", "--rate", "NaN"],
        &["load", "http://127.0.0.1/", "--rate=-1"],
        &["load", "http://127.0.0.1/", "--patience", "500us"],
        &["load", "http://127.0.0.1/", "--seed", "9223372036854775808"],
        &["fault", "set", "auth", "delay", "--delay", "500us"],
        &["load", "http://127.0.0.1/", "--header", "no colon"],
        &["fault", "--chain", "nope.json"],
        &["policy", "set", "nope.toml"],
        &["compare", "nope.json", "nope.json"],
    ] {
        assert_eq!(code(arguments), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_environment_that_does_not_allow_it_exits_3() {
    let (_socket, address) = reserved();
    assert_eq!(code(&["up", "--out", "/proc/nowhere"]), Some(3));
    assert_eq!(code(&["run", "a1", "--out", "/proc/nowhere"]), Some(3));
    assert_eq!(
        code(&["run", "a1", "--junit", "/proc/nowhere/junit.xml"]),
        Some(3)
    );
    assert_eq!(
        code(&["fault", "--admin", &format!("http://{address}")]),
        Some(3)
    );
}

#[test]
fn a_run_that_could_not_have_told_exits_4_and_is_a_test_that_was_skipped() {
    let (ended, xml) = judged(run_scenario, 40, "distance = 0.01");
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let document = Document::parse(&xml).unwrap();
    let skipped = document
        .descendants()
        .find(|node| node.has_tag_name("skipped"))
        .unwrap();
    let message = skipped.attribute("message").unwrap();
    assert!(message.contains("too few"), "{message}");
}

#[test]
fn output_that_can_not_be_written_is_an_error_of_the_environment() {
    let sandbox = Sandbox::new().unwrap();
    fs::write(
        sandbox.path().join("s.toml"),
        scenario(20, "availability = { min = 0.1 }"),
    )
    .unwrap();
    for arguments in [
        "schema",
        "list",
        "list --json",
        "man",
        "completions bash",
        "stack",
        "--help",
        "--version",
        "serve relay --help",
        "predict s.toml",
        "predict s.toml --json",
        "run s.toml",
        "run s.toml --json",
        "load http://127.0.0.1:9/ --requests 2",
        "new other.toml",
        "load http://127.0.0.1:9/ --requests 2 --json",
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = nines(&sandbox);
        command.args(arguments.split(' ')).stdout(full);
        let ended = testkit::run(&mut command).unwrap();
        assert_eq!(ended.code, Some(3), "{arguments}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("No space left"),
            "{arguments}: {}",
            ended.stderr
        );
    }
}
