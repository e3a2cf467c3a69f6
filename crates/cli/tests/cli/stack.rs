//! The README shows the stack as it is.

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
