//! How long one attempt may take.
//!
//! Without it a callee that never answers (a crashed host, a stopped process, a black-holed
//! packet) holds its caller for as long as the caller lives: such a callee can't be told
//! from a slow one, and waiting for it costs a connection and a slot at every hop above.
//! The time-out turns a hang into a failure that something can be done about.
//!
//! It lies inside the deadline and inside the attempt's span: the deadline bounds all
//! attempts together, and an attempt that timed out keeps its cause in the trace.

mod layer;

pub use layer::{AttemptTimeoutLayer, AttemptTimeoutService};
