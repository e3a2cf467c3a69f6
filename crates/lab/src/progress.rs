//! What is going on, for whoever waits.

/// What a run is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What the run must come to is played in virtual time.
    Predicting,
    /// Services are being started: so many of so many.
    Starting {
        /// Started so far.
        started: usize,
        /// All of them.
        of: usize,
    },
    /// A deployed chain is looked for, and prepared.
    Finding,
    /// Users log in.
    LoggingIn,
    /// A short burst of requests finds out what this machine carries of the chain.
    Calibrating,
    /// Requests are being sent.
    Loading {
        /// Answered or given up so far.
        done: u64,
        /// Sent and not answered yet.
        in_flight: u64,
        /// To be sent in all.
        of: u64,
    },
    /// The last requests end and the last spans come in.
    Settling,
    /// What a deployed chain had before is put back, and its spans are fetched: those of so
    /// many traces of so many are complete.
    Fetching {
        /// Complete so far.
        complete: usize,
        /// All of them.
        of: usize,
    },
    /// Services drain and stop.
    Stopping,
    /// A deployed chain, which goes on, gets back the faults and policies that it had before.
    Restoring,
    /// Spans are put together.
    Analysing,
}

/// Told what is going on.
pub trait Progress: Send + Sync {
    /// A scenario begins: its name, and which run of it this is, from 1.
    fn begin(&self, name: &str, run: usize);
    /// The run does this now.
    fn step(&self, step: Step);
    /// Something went wrong that is no reason to stop.
    fn warn(&self, what: &str);
    /// The run has ended.
    fn end(&self);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: usize) {}
    fn step(&self, _: Step) {}
    fn warn(&self, _: &str) {}
    fn end(&self) {}
}
