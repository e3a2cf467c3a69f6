//! Helpers for tests: programs run to their end, and what they leave behind.

#![allow(
    clippy::missing_panics_doc,
    reason = "in a test, a panic is how anything is told that goes wrong"
)]

pub mod chain;
#[cfg(feature = "clock")]
mod clock;
mod engines;
pub mod jaeger;
pub mod postgres;
pub mod repeat;
mod service;
mod skip;
mod time_of_day;

#[cfg(feature = "clock")]
pub use clock::HeldClock;
pub use engines::Database;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

pub use service::Service;
pub use time_of_day::TimeOfDay;

/// The longest a program may run in a test before it is killed.
const LONGEST: Duration = Duration::from_mins(2);
/// How often to look whether something has happened.
const POLL: Duration = Duration::from_millis(5);

/// A place of its own for one run of a program: what runs here is found again by it.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Sandbox {
    /// A new, empty place.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            folder: tempfile::Builder::new().prefix("nines-test-").tempdir()?,
        })
    }

    /// Its folder for results.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its folder for temporary files of the program.
    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// The program, to be given arguments. It keeps its temporary files in here.
    pub fn command(&self, program: &str) -> std::io::Result<Command> {
        fs::create_dir_all(self.temporary())?;
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env("TMPDIR", self.temporary());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    }

    /// Processes started from here, by this program or by those it started, that still run.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("TMPDIR={}", self.temporary().display());
        let is_ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == mark.as_bytes())
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_ours).collect()
    }

    /// Temporary files that were left behind.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary())
            .into_iter()
            .flatten()
            .flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

/// Compares `text` with the file at `path`, which is kept beside the code. With
/// `UPDATE_GOLDEN=1` in the environment the file is written anew instead.
///
/// # Panics
///
/// If they differ.
pub fn golden(path: impl AsRef<Path>, text: &str) {
    let path = path.as_ref();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "{} is not up to date; look at the change and run the test with UPDATE_GOLDEN=1:\n{text}",
        path.display()
    );
}

/// Runs a program to its end; one that runs for two minutes is killed, and that shows.
pub fn run(command: &mut Command) -> std::io::Result<Ended> {
    finish(command.spawn()?)
}

/// Waits for a program to end, reading what it says.
pub fn finish(mut child: Child) -> std::io::Result<Ended> {
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    if !wait_until(LONGEST, || {
        child.try_wait().is_ok_and(|status| status.is_some())
    }) {
        child.kill()?;
    }
    let code = child.wait()?.code();
    let text = |reader: std::thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Ended {
        code,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Waits until `condition` holds, for at most `limit`. Whether it came to hold.
#[allow(
    clippy::disallowed_methods,
    reason = "waits for real processes, in a thread of the test"
)]
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begin = SystemTime::now();
    while !condition() {
        if begin.elapsed().unwrap_or_default() > limit {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}
