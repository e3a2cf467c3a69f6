//! A collector that is not there costs spans, and nothing else; how many is said.

use super::{counted, nines, reserved, run_to_a_verdict};
use std::fs;
use testkit::Sandbox;

const SCENARIO: &str = r#"
title = "a dead collector"
[load]
model = "closed"
workers = 2
requests = 200
[chain]
relays = 1
[expect]
availability = { min = 0.9 }
"#;

#[test]
fn a_run_whose_collector_is_dead_is_measured_and_says_how_many_spans_it_lost() {
    let sandbox = Sandbox::new().unwrap();
    let (_socket, nobody) = reserved();
    let dead = format!("http://{nobody}");
    let flags = ["--otlp", &dead, "--jaeger", "http://127.0.0.1:16686"];
    let (ended, result) = run_to_a_verdict(&sandbox, SCENARIO, &flags);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let run = counted(&result["scenarios"][0]);
    assert_eq!(run["analysis"]["root"]["ok"], 200);
    let (sent, lost) = (&run["forwarded"]["forwarded"], &run["forwarded"]["dropped"]);
    assert_eq!(sent, 0);
    // The client's call and attempt, and the relay's request, of each.
    assert!(lost.as_u64() >= Some(600), "{lost}");
    let page = fs::read_to_string(sandbox.path().join("out/report.html")).unwrap();
    for said in [&ended.stdout, &page] {
        assert!(said.contains(" dropped (last error: "), "{said}");
        assert!(said.contains("refused"), "{said}");
    }
}

#[test]
fn links_to_a_jaeger_that_is_sent_nothing_are_refused() {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("s.toml"), SCENARIO).unwrap();
    let refused = |flags: &[&str]| {
        let ended = testkit::run(nines(&sandbox).args(["run", "s.toml"]).args(flags)).unwrap();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(!sandbox.path().join("out/result.json").exists());
        ended.stderr
    };
    let said = refused(&["--jaeger", "http://127.0.0.1:16686"]);
    assert!(
        said.contains("allowed: together with --otlp URL or --traces URL"),
        "{said}"
    );
    for wrong in ["jaeger", "javascript:alert(1)", "http://a:b@jaeger/"] {
        let said = refused(&["--otlp", "http://127.0.0.1:4318", "--jaeger", wrong]);
        assert!(
            said.contains("allowed: the address of Jaeger's pages"),
            "{said}"
        );
    }
}
