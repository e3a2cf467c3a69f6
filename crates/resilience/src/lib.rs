//! Resilience patterns, to be taken out and used elsewhere.
//!
//! One folder per pattern: a core without I/O or clock (`now` is an argument), and a thin
//! tower layer around it.
//!
//! | folder | pattern |
//! |---|---|
//! | [`deadline`] | an instant by which the whole request must be done, passed down the chain |
//! | [`attempt_timeout`] | how long one attempt may take |
//! | [`retry`] | trying again, where it is safe and can help |
//! | [`circuit_breaker`] | not calling a callee that keeps failing |

pub mod attempt_timeout;
pub mod circuit_breaker;
pub mod deadline;
mod failure;
mod policy;
pub mod retry;
mod sync;
#[cfg(test)]
mod testing;
mod time_limit;

pub use failure::{CallFailure, Failure};
pub use policy::InvalidPolicy;
