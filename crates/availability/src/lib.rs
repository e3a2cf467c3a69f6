//! The mathematics: predictions of availability, interval estimates, nines and verdicts.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock, no randomness.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`series`] | every hop is needed: what is left at the end of the chain? |
//! | [`redundancy`] | some replicas are enough: what do they give together? |
//! | [`retry`] | every call may be tried again: what does it gain, and what does it cost? |
//! | [`call_tree`] | the same for any tree of calls |
//! | [`budget`], [`throttle`] | how much load may retries add, and what is left of their gain? |
//! | [`replicas`] | which replica should a retry go to? |
//! | [`correlated`] | replicas fail together, or share the load: what are they worth then? |
//! | [`failover`] | one serves and others stand by, or all serve: what is lost until it is noticed? |
//! | [`hedge`] | a request is sent twice: which tail does it cut off, at which load? |
//! | [`cache`] | answers without the service: for how long, and how good? |
//! | [`omission`] | an answer was lost: how often is the work done twice? |
//! | [`outage`], [`outages`] | a dependency goes down and comes back: what are retries worth then? |
//! | [`breaker`], [`trips`] | what does a circuit breaker save, and what does it cost? |
//! | [`nines`] | what does a number close to one mean in minutes? |
//! | [`interval`] | successes were counted: which availabilities do they allow? |
//! | [`difference`] | two availabilities were measured: how far apart may they be? |
//! | [`quantile`] | times were measured: which quantiles do they allow? |
//! | [`batches`] | the same where failures cluster in time |
//! | [`sampling`] | all failures and a part of the successes were kept: what was it? |
//! | [`perfect`] | what would be gained if one hop never failed? |
//! | [`scaling`] | a service has N replicas: how much more does it serve than one? |
//! | [`power`] | how many requests tell one availability from another? |
//! | [`verdict`] | does the measurement agree with the prediction? |
//! | [`format`] | how availabilities and rates are written |
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

pub mod batches;
mod binomial;
mod bounds;
pub mod breaker;
pub mod budget;
pub mod cache;
pub mod call_tree;
mod confidence;
pub mod correlated;
mod dependency;
pub mod difference;
mod doubt;
pub mod failover;
pub mod format;
pub mod hedge;
pub mod interval;
mod linear;
pub mod nines;
pub mod omission;
pub mod outage;
pub mod outages;
pub mod perfect;
pub mod power;
mod probability;
pub mod quantile;
pub mod redundancy;
pub mod replicas;
pub mod retry;
pub mod sampling;
pub mod scaling;
pub mod series;
pub mod throttle;
pub mod trips;
pub mod verdict;

pub use bounds::{Bounds, InvalidBounds};
pub use confidence::{Confidence, NotAConfidence};
pub use dependency::Dependency;
pub use doubt::Doubt;
pub use interval::{Interval, InvalidProportion, Method, Proportion};
pub use probability::{NotAProbability, Probability};
pub use verdict::{Judgement, Verdict};
