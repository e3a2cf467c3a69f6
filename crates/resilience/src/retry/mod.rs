//! Trying again, where it is safe and can help.
//!
//! A transient failure (a dropped connection, a replica that restarts) is gone a moment
//! later: with attempts that fail independently with probability p, a call of 1 + m attempts
//! fails with p^(m+1) only. Two retries turn 90 % into 99.9 %. The price is load: as much
//! as is gained in success (Wald: success = (1 − p) × expected attempts), and it comes due
//! just when the callee fails. Hence four rules:
//!
//! - **Only what may be done twice**: methods that are idempotent (RFC 9110, section 9.2.2),
//!   requests with an `Idempotency-Key`, and those marked [`Repeatable`]. An answer may have
//!   been lost after the work was done.
//! - **Only where it failed** (local, the default): a failure that came from further down
//!   was tried again there already. If every layer retried everything, three layers of three
//!   attempts would make 27 of one. [`RetrySettings::propagated`] does so on request.
//! - **Only what can be afforded**: a [`RetryBudget`] bounds the load added, whatever fails.
//! - **Only what can fit**: no retry begins whose pause ends at or after the deadline.
//!
//! The engine is [`tower::retry::Retry`], which knows none of this; [`CallRetry`] is the
//! policy that does. [`RetryPolicy::decide`] is its core, without clock or chance of its own.
//!
//! ```
//! # use http::Request;
//! # use resilience::{CallFailure, Failure, retry::{RetryLayer, RetryPolicy, RetrySettings}};
//! # use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
//! # use tower::{Layer, ServiceExt, service_fn};
//! # use types::{Cause, StoppedBy};
//! # #[derive(Debug)]
//! # struct Failed(Cause, StoppedBy);
//! # impl Failure for Failed {
//! #     fn new(cause: Cause, stopped_by: StoppedBy) -> Self { Self(cause, stopped_by) }
//! # }
//! # impl CallFailure for Failed {
//! #     fn cause(&self) -> Cause { self.0 }
//! #     fn stopped_by(&self) -> StoppedBy { self.1 }
//! #     fn stop(&mut self, stopped_by: StoppedBy) { self.1 = stopped_by; }
//! # }
//! # static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = RetrySettings { retries: 2, ..RetrySettings::default() };
//! let layer = RetryLayer::new(RetryPolicy::new(settings)?);
//! // Fails twice, then answers.
//! let flaky = service_fn(|_: Request<()>| async {
//!     match ATTEMPTS.fetch_add(1, Relaxed) {
//!         0 | 1 => Err(Failed(Cause::Reset, StoppedBy::Attempts)),
//!         _ => Ok("the page"),
//!     }
//! });
//! let answer = layer.layer(flaky).oneshot(Request::new(())).await;
//! assert_eq!(answer.ok(), Some("the page"));
//! # Ok(())
//! # }
//! ```

mod backoff;
mod bucket;
mod budget;
mod decision;
mod layer;
mod policy;

pub use backoff::Backoff;
pub use bucket::Bucket;
pub use budget::RetryBudget;
pub use decision::{Decision, PRICE_OF_OVERLOAD, Situation};
pub(crate) use layer::is_repeatable;
pub use layer::{CallRetry, ObserveRetry, Repeatable, RetryLayer};
pub use policy::{BudgetSettings, RetryPolicy, RetrySettings};
