//! Repeats of a run that says itself that it was disturbed.
//!
//! There is one level of them, and this is it: what is repeated here is repeated nowhere above
//! or below. A failure is never repeated. Each repeat is shown, and written to the file that
//! `NINES_REPEATS` names, one line each, so that a whole build can count them and fail above a
//! limit.

use crate::Ended;
use std::{
    cell::Cell,
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How often a disturbed run is repeated before the test fails.
pub const LIMIT: u32 = 2;

/// The exit code of a run of `nines` that could not tell, because the machine was too busy.
const INCONCLUSIVE: i32 = 4;

/// Why a run says nothing: what disturbed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disturbed(pub String);

/// The first result of `run` that was not disturbed.
///
/// # Panics
///
/// If it is still disturbed after [`LIMIT`] repeats, or is itself part of a run that may be
/// repeated.
pub fn undisturbed<T>(run: impl FnMut() -> Result<T, Disturbed>) -> T {
    let file = std::env::var_os("NINES_REPEATS").map(PathBuf::from);
    let thread = std::thread::current();
    repeat(thread.name().unwrap_or("a test"), file.as_deref(), run)
}

/// What a run of `nines` comes to: repeated while its exit code says that it is inconclusive.
///
/// # Panics
///
/// As [`undisturbed`].
pub fn to_a_verdict<T>(mut run: impl FnMut() -> (Ended, T)) -> (Ended, T) {
    undisturbed(|| {
        let (ended, result) = run();
        if ended.code == Some(INCONCLUSIVE) {
            return Err(Disturbed(why(&ended)));
        }
        Ok((ended, result))
    })
}

/// What the run says of it itself.
fn why(ended: &Ended) -> String {
    let mut lines = ended.stdout.lines();
    let verdict = lines.find(|line| line.contains("inconclusive"));
    verdict.unwrap_or("exit code 4").trim().to_owned()
}

fn repeat<T>(name: &str, file: Option<&Path>, mut run: impl FnMut() -> Result<T, Disturbed>) -> T {
    let _only_level = OnlyLevel::enter();
    let mut number = 0;
    loop {
        let Disturbed(why) = match run() {
            Ok(result) => return result,
            Err(disturbed) => disturbed,
        };
        assert!(
            number < LIMIT,
            "{name}: disturbed again after {LIMIT} repeats: {why}"
        );
        number += 1;
        note(file, &line(name, number, &why));
    }
}

/// One line, whatever `why` is.
fn line(name: &str, number: u32, why: &str) -> String {
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("repeated: {name} {number} of {LIMIT}: {why}\n")
}

/// Straight to standard error: the test harness keeps what a test that passes prints.
fn note(file: Option<&Path>, line: &str) {
    // Where standard error is closed, the file still has it.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(file) = file {
        let opened = OpenOptions::new().append(true).create(true).open(file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("NINES_REPEATS={}: {error}", file.display()));
    }
}

thread_local! {
    static REPEATING: Cell<bool> = const { Cell::new(false) };
}

/// Held while something may be repeated.
struct OnlyLevel;

impl OnlyLevel {
    fn enter() -> Self {
        let within = REPEATING.replace(true);
        assert!(!within, "repeats within repeats multiply: keep one of them");
        Self
    }
}

impl Drop for OnlyLevel {
    fn drop(&mut self) {
        REPEATING.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs that are disturbed `times` in a row, and then have a result.
    fn disturbed(times: u32) -> impl FnMut() -> Result<u32, Disturbed> {
        let mut runs = 0;
        move || {
            runs += 1;
            if runs > times {
                Ok(runs)
            } else {
                Err(Disturbed(format!("too\nbusy in run {runs}")))
            }
        }
    }

    #[test]
    fn a_disturbed_run_is_repeated_and_each_repeat_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("repeats");
        assert_eq!(repeat("calm", Some(&file), disturbed(0)), 1);
        assert!(!file.exists());
        assert_eq!(repeat("one", Some(&file), disturbed(1)), 2);
        assert_eq!(repeat("two", Some(&file), disturbed(LIMIT)), 3);
        let lines = std::fs::read_to_string(file).unwrap();
        let expected = [
            "repeated: one 1 of 2: too busy in run 1",
            "repeated: two 1 of 2: too busy in run 1",
            "repeated: two 2 of 2: too busy in run 2",
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    #[should_panic(expected = "busy: disturbed again after 2 repeats")]
    fn a_run_that_stays_disturbed_fails() {
        repeat("busy", None, disturbed(LIMIT + 1));
    }

    #[test]
    #[should_panic(expected = "repeats within repeats")]
    fn there_is_one_level_of_repeats() {
        repeat("outer", None, || Ok(repeat("inner", None, disturbed(0))));
    }

    #[test]
    fn a_run_that_fails_is_not_repeated() {
        let ended = |code| Ended {
            code: Some(code),
            stdout: String::new(),
            stderr: String::new(),
        };
        for code in [0, 1, 2, 3, 130] {
            let mut runs = 0;
            to_a_verdict(|| {
                runs += 1;
                (ended(code), ())
            });
            assert_eq!(runs, 1, "{code}");
        }
    }
}
