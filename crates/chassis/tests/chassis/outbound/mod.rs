//! The outbound stack against callees on real sockets.

mod breakers;
mod caches;
mod chain;
mod endings;
mod headers;
mod hedges;
mod policies;
mod replicas;
mod retries;
