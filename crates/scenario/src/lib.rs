//! Experiments as TOML: parsed into one validated [`Plan`], with its [`Prediction`].
//!
//! A scenario says which chain stands, what goes wrong in it, what load it gets, and what
//! is expected. [`parse`] turns its text into a plan that can't be wrong, or into all its
//! [`Errors`] at once: each with line, column, key, value and what is allowed. [`predict`]
//! says what must come out before anything is measured, and [`warnings`] what about its
//! limits and settings is probably not meant. Where no formula says it, the plan is simulated
//! ([`simulate`]); where that does not hold either, there is no prediction
//! ([`NotPredicted`]). What a scenario is to be compared with are its
//! [`Variant`]s: whole plans, with some of its tables replaced.
//!
//! ```
//! let plan = scenario::parse("example.toml", scenario::SHAPE)?;
//! let prediction = scenario::predict(&plan);
//! assert!((prediction.availability.get() - 0.99).abs() < 1e-12);
//! # Ok::<(), scenario::Errors>(())
//! ```
//!
//! # The format
//!
//! ```toml
#![doc = include_str!("shape.toml")]
//! ```
//!
//! Durations are written as "250ms", "5s" or "1m 30s", in whole milliseconds.

mod arrivals;
mod builtin;
mod check;
mod error;
mod json_schema;
mod overrides;
mod pace;
mod place;
mod plan;
mod predict;
mod raw;
pub mod scale;
mod schema;
mod setting;
pub mod simulate;
mod size;
mod source;
mod topology;
mod warning;

pub use arrivals::Arrivals;
pub use builtin::{Builtin, NoSuchScenario, builtin, find};
pub use check::{
    DEFAULT_DISTANCE, DEFAULT_PATIENCE, DEFAULT_SEED, parse, parse_policy, parse_with,
};
pub use error::{Error, Errors, Problem};
pub use json_schema::json_schema;
pub use overrides::Overrides;
pub use place::Place;
pub use plan::{
    Bound, Expectation, Expected, Length, Load, Measure, Model, Phase, Plan, PlannedFault, Policy,
    Variant,
};
pub use predict::{
    Class, Depth, HopPrediction, Limit, NotPredicted, OutagePrediction, PhasePrediction,
    Prediction, Wait, predict,
};
pub use setting::{Setting, SettingKind, policy_from, policy_settings};
pub use size::{Asked, Size, sizes};
pub use topology::{Name, Order, Relay, Slots, Topology, Verify, Visit, Work};
pub use warning::{Code, Futile, Inversion, Warning, warnings};

/// A scenario that shows every key, with comments.
pub const SHAPE: &str = include_str!("shape.toml");

/// A short scenario that runs as it is, to start from.
pub const STARTER: &str = include_str!("starter.toml");
