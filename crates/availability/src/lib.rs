//! The mathematics: predictions of availability, interval estimates, nines and verdicts.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock, no randomness.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`series`] | every hop is needed: what is left at the end of the chain? |
//! | [`redundancy`] | some replicas are enough: what do they give together? |
//! | [`retry`] | every call may be tried again: what does it gain, and what does it cost? |
//! | [`nines`] | what does a number close to one mean in minutes? |
//! | [`interval`] | successes were counted: which availabilities do they allow? |
//! | [`power`] | how many requests tell one availability from another? |
//! | [`verdict`] | does the measurement agree with the prediction? |
//!
//! ```
//! use availability::{Confidence, Probability, Proportion, series};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let predicted = series::availability([Probability::new(0.99)?; 4]);
//! let measured = Proportion::new(19_190, 20_000)?;
//! assert!(measured.clopper_pearson(Confidence::P99).contains(predicted));
//! # Ok(())
//! # }
//! ```
//!
//! Failures of different hops, and of different requests, are taken as independent unless a
//! function says otherwise.

mod binomial;
mod bounds;
mod confidence;
mod doubt;
pub mod interval;
pub mod nines;
pub mod power;
mod probability;
pub mod redundancy;
pub mod retry;
pub mod series;
pub mod verdict;

pub use bounds::{Bounds, InvalidBounds};
pub use confidence::{Confidence, NotAConfidence};
pub use doubt::Doubt;
pub use interval::{Interval, InvalidProportion, Method, Proportion};
pub use probability::{NotAProbability, Probability};
pub use verdict::{Judgement, Verdict};
