//! Tests that need a program which is not installed here.

use std::io::{self, Write};

/// Says that this test is skipped because of `missing`, which also says how to install it.
///
/// # Panics
///
/// With `CI=true` in the environment: there a missing program is a failure.
pub(crate) fn skip(missing: &str) {
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!is_ci, "{missing}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Written directly, because the test harness hides what a passing test prints. A closed
    // standard error has no reader.
    let _ = io::stderr().write_all(format!("SKIPPED {test}: {missing}\n").as_bytes());
}
