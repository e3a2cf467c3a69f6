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
//! | [`tokens`](tokens::Tokens) | the users' access tokens, renewed before they expire |
//! | [`up`](up::up) | a chain that is kept running, and where others [find](running::RunningChain) it |
//! | [`remote`](remote::Remote) | the admin listener of a service that somebody else has started |
//! | [`measure`](measure::measure) | load on a service that somebody else runs |
//! | `run` | one run: start, log in, calibrate, inject, load, settle, stop, put together |
//! | `calibrate`, `pace` | what the host carries of a chain, and at which rate the load is sent |
//! | `disturbed` | how the host disturbed a run, which is then discarded and made again |
//! | [`label`](Label) | what tells the spans of one run from those of another |
//! | [`accounting`] | do generator, metrics and spans agree? |
//! | [`fix`](fix::check) | does a hop that never fails give what was promised? |
//! | [`experiment`](experiment::experiment) | a run, its rerun if need be, and the verdict |
//!
//! Whatever is started here is stopped here, on every path: services drain when their
//! standard input ends, so that even a killed lab leaves none behind.

pub mod accounting;
mod bounds;
mod calibrate;
pub mod chain;
pub mod control;
mod cpu;
pub mod deployed;
mod disturbed;
mod drive;
mod duties;
mod error;
pub mod experiment;
pub mod fix;
mod label;
pub mod load;
mod login;
pub mod measure;
pub mod member;
mod pace;
pub mod process;
pub mod progress;
pub mod remote;
mod repeat;
mod run;
pub mod running;
mod scale;
mod site;
mod timeline;
pub mod tokens;
pub mod up;

pub use error::LabError;
pub use experiment::experiment;
pub use label::Label;
pub use progress::{Progress, Silent, Step};
pub use run::Setup;
