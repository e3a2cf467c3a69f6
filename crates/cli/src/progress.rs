//! What is going on: a bar on a terminal, plain lines otherwise.

use crate::say;
use indicatif::{ProgressBar, ProgressStyle};
use lab::{Progress, Step};
use std::{
    collections::BTreeSet,
    io::{IsTerminal, stderr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Plain lines tell of the load, and of spans that are fetched, at every fourth part of it.
const PARTS: u64 = 4;

/// How often the bar is drawn again.
const TICK: Duration = Duration::from_millis(100);

/// Shows progress on standard error.
pub struct Bar {
    shown: ProgressBar,
    plain: bool,
    scenarios: usize,
    begun: AtomicUsize,
    heading: Mutex<String>,
    last: Mutex<String>,
    /// What was warned of already: variants have the same warnings.
    warned: Mutex<BTreeSet<String>>,
}

impl Bar {
    /// For so many scenarios.
    pub fn new(scenarios: usize) -> Self {
        let plain = !stderr().is_terminal();
        let shown = if plain {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        shown.set_style(style());
        shown.enable_steady_tick(TICK);
        let (begun, heading, last, warned) = Default::default();
        Self {
            shown,
            plain,
            scenarios,
            begun,
            heading,
            last,
            warned,
        }
    }

    /// Prints a result above the bar.
    pub fn print(&self, text: &str) {
        self.shown.suspend(|| say::out(text));
    }

    /// Takes the bar away until the next step: nothing is going on that anybody waits for.
    pub fn rest(&self) {
        self.shown.disable_steady_tick();
        self.shown.finish_and_clear();
    }

    /// Shows the bar again after a rest.
    fn wake(&self) {
        if self.shown.is_finished() {
            self.shown.reset();
            self.shown.enable_steady_tick(TICK);
        }
    }

    /// A plain line, unless it was the last one already.
    fn line(&self, text: String) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.plain && *last != text {
            say::err(format!(
                "{}: {text}",
                self.heading.lock().unwrap_or_else(PoisonError::into_inner)
            ));
        }
        *last = text;
    }
}

/// So many of so many, down to the fourth part.
fn percent(done: u64, of: u64) -> u64 {
    done * PARTS / of.max(1) * 100 / PARTS
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.shown.finish_and_clear();
    }
}

impl Progress for Bar {
    fn begin(&self, name: &str, run: usize) {
        if run == 1 {
            self.begun.fetch_add(1, Relaxed);
        }
        let begun = self.begun.load(Relaxed).min(self.scenarios);
        let which = (run > 1).then(|| format!(", run {run}"));
        let which = which.unwrap_or_default();
        let heading = format!("[{begun}/{}] {name}{which}", self.scenarios);
        self.shown.set_prefix(heading.clone());
        *self.heading.lock().unwrap_or_else(PoisonError::into_inner) = heading;
    }

    fn step(&self, step: Step) {
        self.wake();
        let text = match step {
            Step::Starting { started, of } => format!("starting services, {started} of {of}"),
            Step::Predicting => "playing it in virtual time".to_owned(),
            Step::Finding => "looking for the deployed chain".to_owned(),
            Step::Fetching { complete, of } => {
                self.shown.set_message(format!(
                    "fetching spans, {complete} of {of} traces are complete"
                ));
                let percent = percent(complete as u64, of as u64);
                self.line(format!(
                    "fetching spans, {percent} % of the traces are complete"
                ));
                return;
            }
            Step::LoggingIn => "users log in".to_owned(),
            Step::Calibrating => "measuring what this machine carries".to_owned(),
            Step::Loading {
                done,
                in_flight,
                of,
            } => {
                self.shown.set_length(of);
                self.shown.set_position(done);
                self.shown
                    .set_message(format!("{done} of {of} requests, {in_flight} under way"));
                self.line(format!("load, {} % done", percent(done, of)));
                return;
            }
            Step::Settling => "the last requests end".to_owned(),
            Step::Stopping => "services drain and stop".to_owned(),
            Step::Restoring => "restoring the faults and policies of the deployed chain".to_owned(),
            Step::Analysing => "putting spans together".to_owned(),
        };
        self.shown.set_message(text.clone());
        self.line(text);
    }

    fn warn(&self, what: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(what.to_owned()) {
            self.shown.suspend(|| say::err(format!("warning: {what}")));
        }
    }

    fn end(&self) {
        self.shown.set_position(0);
    }
}

fn style() -> ProgressStyle {
    let template = "{spinner} {prefix} {wide_bar:.cyan} {msg} {elapsed}";
    // The template is a constant; a wrong one would show in every run.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
