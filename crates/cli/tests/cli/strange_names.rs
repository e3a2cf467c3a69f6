//! Names of files and folders that mean something to a terminal, a spreadsheet or a URL are
//! names all the same.

use super::nines;
use std::fs;
use testkit::Sandbox;

const SCENARIO: &str = "title = \"t\"\nseed = 1\n[load]\nrate = 50\nrequests = 20\n\
    [chain]\nhops = [\"auth\", \"profile\", \"database\"]\n[expect]\navailability = { min = 0.5 }\n";

#[test]
fn a_scenario_whose_name_is_a_formula_is_text_in_the_report() {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("=1+2.toml"), SCENARIO).unwrap();
    let run = testkit::run(nines(&sandbox).args(["run", "=1+2.toml"])).unwrap();
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let lines = fs::read_to_string(sandbox.path().join("out/latest/report.csv")).unwrap();
    assert!(
        lines.lines().skip(1).all(|line| line.starts_with("'=1+2,")),
        "{lines}"
    );
}

#[test]
fn a_file_name_does_not_control_the_terminal() {
    let sandbox = Sandbox::new().unwrap();
    let name = "a\u{1b}[2J\u{7}.toml";
    fs::write(sandbox.path().join(name), "title = 1\n").unwrap();
    let refused = testkit::run(nines(&sandbox).args(["run", name])).unwrap();
    assert_eq!(refused.code, Some(2));
    assert!(
        !refused.stderr.contains(['\u{1b}', '\u{7}']),
        "{:?}",
        refused.stderr
    );
    fs::write(sandbox.path().join(name), SCENARIO).unwrap();
    let said = testkit::run(nines(&sandbox).args(["predict", name])).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(
        !said.stdout.contains(['\u{1b}', '\u{7}']),
        "{:?}",
        said.stdout
    );
}

#[test]
fn a_temporary_folder_may_have_any_name() {
    let sandbox = Sandbox::new().unwrap();
    let folder = sandbox.path().join("what? 100%25 #1");
    fs::create_dir(&folder).unwrap();
    fs::write(sandbox.path().join("s.toml"), SCENARIO).unwrap();
    let mut run = nines(&sandbox);
    run.args(["run", "s.toml"]).env("TMPDIR", &folder);
    let run = testkit::run(&mut run).unwrap();
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}
