//! Not calling a callee that keeps failing.

mod breaker;
mod classify;
mod future;
mod layer;
mod policy;
mod rules;
mod service;
mod state;
mod streak;
mod timing;
mod transition;
mod window;

pub use breaker::{Breaker, Permit, Refused};
pub use classify::{ByStatus, Classify, Outcome};
pub use future::BreakerFuture;
pub use layer::BreakerLayer;
pub use policy::{BreakerPolicy, BreakerSettings};
pub use service::BreakerService;
pub use state::State;
pub use transition::{Observe, ObserveCall, Transition, Why};
