//! An instant by which the whole request must be done.
//!
//! A time-out per hop does not bound a request: four hops of one second each are four
//! seconds, and the deepest hop works on for a client that has long gone. A deadline is
//! one instant, set at the edge, that every hop passes on as the time that is left
//! (gRPC does the same: <https://grpc.io/docs/guides/deadlines/>). Whoever finds it passed
//! stops, and does not begin work that can't be done in time.
//!
//! It is carried in a request's extensions, so that one deadline bounds all attempts of a
//! call and the pauses between them.

mod instant;
mod layer;

pub use instant::Deadline;
pub use layer::{DeadlineLayer, DeadlineService};
