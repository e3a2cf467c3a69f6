//! Lines for people. A reader that has gone (`nines list | head -1`) is no reason to panic, least
//! of all in the middle of a run. One that is there and does not get everything, because a disk
//! is full, is remembered: the exit code says so at the end.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write, stderr, stdout},
    sync::OnceLock,
};

/// Why something is missing on standard output: the first reason.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// A line on standard output.
pub fn out(line: impl Display) {
    remember(writeln!(stdout().lock(), "{line}"));
}

/// A line on standard error. What it quotes of the input can't control the terminal.
pub fn err(line: impl Display) {
    let is_control = |it: char| it.is_control() && !matches!(it, '\n' | '\t');
    let line = line.to_string().replace(is_control, "\u{fffd}");
    // There is nowhere left to say that it could not be written.
    let _ = writeln!(stderr().lock(), "{line}");
}

/// Remembers whether something was written to standard output.
pub fn remember(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Those after the first have most likely the same reason.
        let _ = UNWRITTEN.set(error);
    }
}

/// Why standard output is incomplete, if it is and there is a reader.
pub fn unwritten() -> Option<&'static io::Error> {
    remember(stdout().flush());
    UNWRITTEN.get()
}
