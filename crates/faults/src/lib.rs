//! Failure models: what can go wrong in a service on purpose.
//!
//! | module | what it is |
//! |---|---|
//! | [`spec`](Fault) | a fault: its kind, its probability, how long one draw holds |
//! | [`when`](When) | when it acts: always, in outages that come and go, or in stated windows |
//! | [`schedule`](schedule()) | these times: a pure function of the seed |
//! | [`decision`](FaultSet::decide) | whether it fires: a pure function of seed, request and time |
//! | [`injector`](Injector) | the same for one replica, quickly |
//! | [`layer`](FaultLayer) | carries a decision out: answers, hangs, delays or resets |
//! | [`control`](FaultControl) | reads and replaces the faults while requests flow |
//! | [`crash`](crash_point) | named points at which a process can be made to die |
//!
//! The injector is honest: every draw is independent, at any probability. An injector that
//! fails every Nth request makes one retry look like a perfect cure; this one does not.

mod control;
mod crash;
mod decision;
mod draw;
mod injector;
mod layer;
mod schedule;
mod spec;
mod when;

pub use control::FaultControl;
pub use crash::{CrashAt, CrashPoint, crash_point};
pub use decision::{Decision, FaultSet, Firing, RequestKey};
pub use injector::Injector;
pub use layer::{FaultLayer, FaultService, ResetConnection};
pub use schedule::{Schedule, schedule};
pub use spec::{Fault, FaultKind, InvalidFault, Scope};
pub use when::{Law, Renewal, When, Window};
