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
//! | [`hedge`] | sending a request once more when the answer is slow |
//! | [`balance`] | spreading calls over replicas, and leaving out those that fail |
//! | [`circuit_breaker`] | not calling a callee that keeps failing |
//! | [`bulkhead`] | so many calls at once, and no more |
//! | [`cache`] | using an answer again, and an old one when there is no other |

pub mod attempt_timeout;
pub mod balance;
pub mod bulkhead;
pub mod cache;
pub mod circuit_breaker;
pub mod deadline;
mod failure;
pub mod hedge;
mod policy;
pub mod retry;
mod sync;
#[cfg(test)]
mod testing;
mod time_limit;

pub use failure::{CallFailure, Failure};
pub use policy::InvalidPolicy;
