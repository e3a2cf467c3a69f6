//! Runs a plan on real processes and real sockets.
//!
//! | module | what it is |
//! |---|---|
//! | [`process`](process::Process) | one service as a process: started, found, stopped |
//! | [`chain`](chain::Chain) | all services of a plan, the called before their callers |
//! | [`control`] | what the lab says to a service's admin listener |
//! | [`load`] | the open-model load generator |
//! | [`run`](run::run) | one run: start, log in, inject, load, settle, stop, put together |
//! | [`accounting`] | do generator, metrics and spans agree? |
//! | [`experiment`](experiment::experiment) | a run, its rerun if need be, and the verdict |
//!
//! Whatever is started here is stopped here, on every path: services drain when their
//! standard input ends, so that even a killed lab leaves none behind.

pub mod accounting;
pub mod chain;
pub mod control;
mod cpu;
mod drive;
mod error;
pub mod experiment;
pub mod load;
pub mod process;
pub mod progress;
pub mod run;
mod timeline;

pub use error::LabError;
pub use experiment::experiment;
pub use progress::{Progress, Silent, Step};
pub use run::Setup;
