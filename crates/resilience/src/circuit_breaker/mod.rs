//! Not calling a callee that keeps failing.

mod policy;

pub use policy::{BreakerPolicy, BreakerSettings};
