//! Runs a plan on real processes and real sockets.
//!
//! | module | what it is |
//! |---|---|
//! | [`member`](member::Member) | one replica of a chain, whoever started it |
//! | [`process`](process::Process) | one service as a process: started, found, stopped |
//! | [`chain`](chain::Chain) | all services of a plan, the called before their callers |
//! | [`deployed`](deployed::Deployment) | a chain that somebody else has deployed |
//! | [`control`] | what the lab says to a service's admin listener |
//! | [`load`] | the load generator |
//! | [`up`](up::up) | a chain that is kept running, and where others [find](running::RunningChain) it |
//! | [`remote`](remote::Remote) | the admin listener of a service that somebody else has started |
//! | [`measure`](measure::measure) | load on a service that somebody else runs |
//! | [`run`](run::run) | one run: start, log in, inject, load, settle, stop, put together |
//! | [`accounting`] | do generator, metrics and spans agree? |
//! | [`fix`](fix::check) | does a hop that never fails give what was promised? |
//! | [`experiment`](experiment::experiment) | a run, its rerun if need be, and the verdict |
//!
//! Whatever is started here is stopped here, on every path: services drain when their
//! standard input ends, so that even a killed lab leaves none behind.

pub mod accounting;
mod bounds;
pub mod chain;
pub mod control;
mod cpu;
pub mod deployed;
mod drive;
mod duties;
mod error;
pub mod experiment;
pub mod fix;
pub mod load;
mod login;
pub mod measure;
pub mod member;
pub mod process;
pub mod progress;
pub mod remote;
mod repeat;
pub mod run;
pub mod running;
mod scale;
mod site;
mod timeline;
pub mod up;

pub use error::LabError;
pub use experiment::experiment;
pub use progress::{Progress, Silent, Step};
pub use run::Setup;
