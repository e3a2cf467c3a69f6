//! Lines for people. A reader that has gone (`nines list | head -1`) is no reason to panic,
//! least of all in the middle of a run.

use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
};

/// A line on standard output.
pub fn out(line: impl Display) {
    // Nobody reads it any more; then there is nobody to tell, either.
    let _ = writeln!(stdout().lock(), "{line}");
}

/// A line on standard error.
pub fn err(line: impl Display) {
    // As above.
    let _ = writeln!(stderr().lock(), "{line}");
}
