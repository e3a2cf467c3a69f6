//! Resilience patterns, to be taken out and used elsewhere.
//!
//! One folder per pattern: a core without I/O or clock (`now` is an argument), and a thin
//! tower layer around it.
//!
//! | folder | pattern |
//! |---|---|
//! | [`deadline`] | an instant by which the whole request must be done, passed down the chain |
//! | [`attempt_timeout`] | how long one attempt may take |

pub mod attempt_timeout;
pub mod deadline;
mod failure;
mod time_limit;

pub use failure::Failure;
