//! What services say to each other: wire types, identifiers, header names,
//! span attributes and problems.
//!
//! Services never depend on each other's code; they meet here, on the wire.
//! The crate knows serde and the schemas that OpenAPI documents are made of, so that every
//! other crate can afford it.

pub mod attribute;
pub mod audit;
pub mod auth;
mod content;
pub mod database;
pub mod gateway;
pub mod header;
mod message;
mod name;
pub mod names;
pub mod otlp;
mod outcome;
mod probability;
mod problem;
pub mod profile;
pub mod read;
pub mod relay;
mod retry_after;
mod secret;
pub mod service;

pub use content::Content;
pub use message::{not_valid, with_sources};
pub use name::{NAME_ALLOWED, NAME_PATTERN, is_name};
pub use outcome::{BreakerState, Cause, Outcome, StoppedBy, UnknownWord};
pub use probability::{NotAProbability, Probability};
pub use problem::{COME_AGAIN, CONTENT_TYPE as PROBLEM_CONTENT_TYPE, Problem};
pub use retry_after::retry_after;
