//! What the README shows is so.

use super::nines;
use testkit::Sandbox;

const README: &str = include_str!("../../../../README.md");

#[test]
fn the_readme_shows_what_nines_stack_prints() {
    let sandbox = Sandbox::new().unwrap();
    let printed = testkit::run(nines(&sandbox).arg("stack")).unwrap().stdout;
    let block = README
        .split("```text\n")
        .find(|block| block.starts_with("inbound:"));
    let block = block.and_then(|block| block.split("```").next()).unwrap();
    assert_eq!(
        block, printed,
        "paste the output of `nines stack` into the README"
    );
}

#[test]
fn a_reader_that_has_gone_is_no_reason_to_panic() {
    let sandbox = Sandbox::new().unwrap();
    let mut child = nines(&sandbox).arg("stack").spawn().unwrap();
    drop(child.stdout.take());
    let ended = testkit::finish(child).unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_readmes_scenario_is_one_and_nothing_about_it_needs_a_warning() {
    let (_, rest) = README.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let plan = scenario::parse("README.md", text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(plan.phases().len(), 3);
    let warnings = scenario::warnings(&plan);
    assert!(warnings.is_empty(), "{warnings:?}");
}
