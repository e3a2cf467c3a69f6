//! Runs against a deployed chain that is not there.

use super::{nines, reserved};
use std::fs;
use testkit::Sandbox;

const SCENARIO: &str = "title = \"t\"\n[load]\nrate = 10\nrequests = 10\n[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";

#[test]
fn a_run_against_a_deployed_chain_does_not_say_that_it_stops_services() {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("s.toml"), SCENARIO).unwrap();
    let (_unused, address) = reserved();
    let url = format!("http://{address}");
    let mut run = nines(&sandbox);
    run.args(["run", "s.toml", "--target", &url, "--traces", &url]);
    let ended = testkit::run(&mut run).unwrap();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let said = ended.stderr;
    assert!(said.contains("looking for the deployed chain"), "{said}");
    assert!(said.contains("restoring the faults and policies"), "{said}");
    assert!(!said.contains("stop"), "{said}");
}
