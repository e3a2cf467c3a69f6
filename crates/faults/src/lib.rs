//! Failure models: what can go wrong in a service on purpose.
//!
//! | module | what it is |
//! |---|---|
//! | [`spec`](Fault) | a fault: its kind, its probability, how long one draw holds |
//! | [`decision`](FaultSet::decide) | whether it fires: a pure function of seed and request |
//! | [`layer`](FaultLayer) | carries a decision out: answers, hangs, delays or resets |
//! | [`control`](FaultControl) | reads and replaces the faults while requests flow |
//! | [`crash`](crash_point) | named points at which a process can be made to die |
//!
//! The injector is honest: every draw is independent, at any probability. An injector that
//! fails every Nth request makes one retry look like a perfect cure; this one does not.

mod control;
mod crash;
mod decision;
mod layer;
mod spec;

pub use control::FaultControl;
pub use crash::{CrashAt, CrashPoint, crash_point};
pub use decision::{Decision, FaultSet, Firing, RequestKey};
pub use layer::{FaultLayer, FaultService, ResetConnection};
pub use spec::{Fault, FaultKind, InvalidFault, Scope};
