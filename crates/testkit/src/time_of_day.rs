//! A time of day that a test sets, as an administrator or a time server would.

use crate::{Sandbox, skip::skip};
use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const MISSING: &str = "libfaketime is not installed (apt-get install libfaketime)";

/// The time of day of some programs, which a test can set. Their monotonic clock is real.
#[derive(Debug)]
pub struct TimeOfDay {
    library: PathBuf,
    file: PathBuf,
}

impl TimeOfDay {
    /// The right time, for programs in `sandbox`. None where libfaketime is not installed; then
    /// the test is skipped, and standard error says so.
    ///
    /// # Panics
    ///
    /// With `CI=true` in the environment, if it is not installed.
    pub fn new(sandbox: &Sandbox) -> Option<Self> {
        let library = format!("/usr/lib/{ARCH}-linux-gnu/faketime/libfaketimeMT.so.1");
        if !Path::new(&library).is_file() {
            skip(MISSING);
            return None;
        }
        let time = Self {
            library: library.into(),
            file: sandbox.path().join("time"),
        };
        time.set(0);
        Some(time)
    }

    /// Has `command`, and what it starts, read this time of day.
    pub fn rule(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
    }

    /// Sets it to `seconds` after the right time; before it, if negative.
    ///
    /// # Panics
    ///
    /// If the file that says so can't be replaced.
    pub fn set(&self, seconds: i32) {
        // Replaced as a whole: no program reads one that is half written.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n"))
            .and_then(|()| fs::rename(&next, &self.file))
            .unwrap_or_else(|error| panic!("{}: {error}", self.file.display()));
    }
}
