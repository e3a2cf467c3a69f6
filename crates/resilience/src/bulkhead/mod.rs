//! So many calls at once, and no more.
//!
//! A callee that hangs does not fail: its calls pile up, and with them memory, sockets and
//! whatever else a call holds, until the caller is down as well. A bulkhead is a wall in the ship:
//! one compartment may flood and the others stay dry (Nygard, *Release It!*, 2nd edition,
//! chapter 5). Each replica of each callee has one; in front of a service's own handlers it is
//! what sheds load (Google SRE book, chapter 21): a request refused at once costs next to
//! nothing, and one that is accepted and answered too late costs as much as a good one.
//!
//! By Little's law, calls under way = rate × latency. A limit therefore bounds the latency as well:
//! a service that answers 1000 calls a second and has 100 under way takes a tenth of a second for
//! each, and without a limit, under overload, longer and longer.
//!
//! - **Waiting** ([`LimitSettings::wait`]) evens out bursts: first come, first served, for so
//!   long at most. A queue helps only against what is over soon; none is the default.
//! - **Adaptive** ([`LimitSettings::adaptive`]): the right limit changes with every release and
//!   every neighbour on the machine. It can be found: as long as the callee keeps up, its latency
//!   does not depend on the limit; beyond, it grows with it.
//!
//! Room is taken when a call is made, and not when a service is asked whether it is ready, as
//! [`tower::limit::ConcurrencyLimit`] does: a clone of that which was asked once and is then kept
//! holds a place for ever. A call that is refused says [`types::StoppedBy::BulkheadFull`]: it is
//! the caller's own doing, and no breaker counts it against the callee.
//!
//! ```
//! # use types::{Cause, StoppedBy};
//! # use resilience::{CallFailure, Failure};
//! # #[derive(Debug, Clone, PartialEq)]
//! # struct Failed(Cause, StoppedBy);
//! # impl Failure for Failed {
//! #     fn new(cause: Cause, stopped_by: StoppedBy) -> Self { Self(cause, stopped_by) }
//! # }
//! # impl CallFailure for Failed {
//! #     fn cause(&self) -> Cause { self.0 }
//! #     fn stopped_by(&self) -> StoppedBy { self.1 }
//! #     fn stop(&mut self, stopped_by: StoppedBy) { self.1 = stopped_by; }
//! # }
//! use resilience::bulkhead::{BulkheadLayer, LimitPolicy, LimitSettings};
//! # use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = LimitPolicy::new(LimitSettings { max: 1, ..LimitSettings::default() })?;
//! let bulkhead = BulkheadLayer::new(policy);
//! let service = bulkhead.layer(service_fn(|_: Request<()>| async {
//!     Ok::<_, Failed>(Response::new(()))
//! }));
//! let inside = bulkhead.bulkhead().try_enter();
//! let refused = service.clone().oneshot(Request::new(())).await;
//! assert_eq!(refused.unwrap_err(), Failed(Cause::Shed, StoppedBy::BulkheadFull));
//! drop(inside);
//! assert!(service.oneshot(Request::new(())).await.is_ok());
//! # Ok(())
//! # }
//! ```

#[expect(
    clippy::module_inception,
    reason = "it is what the folder is named after"
)]
mod bulkhead;
mod future;
mod gradient;
mod layer;
mod limiter;
mod policy;

pub use bulkhead::{Bulkhead, Inside};
pub use future::BulkheadFuture;
pub use layer::{BulkheadLayer, BulkheadService};
pub use limiter::{Limiter, Permit};
pub use policy::{LimitPolicy, LimitSettings};
