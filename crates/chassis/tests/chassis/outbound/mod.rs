//! The outbound stack against callees on real sockets.

mod breakers;
mod chain;
mod endings;
mod headers;
mod policies;
mod retries;
