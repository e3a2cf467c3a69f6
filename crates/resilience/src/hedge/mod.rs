//! Sending a request once more when the answer is slow.
//!
//! Now and then a replica is slow for reasons that another one does not share: a pause for
//! garbage, a full queue, a disk that hangs. A second request, sent when the first one is late,
//! answers most of those calls in time (Dean, Barroso, "The tail at scale", CACM 2013): if an
//! answer takes longer than T with probability F(T), then one of two, the second sent after d, does
//! with F(T) × F(T − d). The load it adds is F(d): with a delay at the 95th percentile, 5 %.
//!
//! It is a retry that does not wait for the failure, so the rules of [`retry`](crate::retry) hold:
//! only what may be done twice, at another replica, and within the same
//! [budget](crate::retry::RetryBudget). Without one, a callee that has become slow as a whole
//! would get every request twice just then.
//!
//! **The first success wins**, not the first answer, as with `tower::hedge`: a hedge that is
//! refused at once by a replica that is down must not end a call that is merely slow. Nor does a
//! first request that fails end a hedge that is under way.
//!
//! The delay is fixed, or follows what answers take ([`HedgeSettings::quantile`]), but is never
//! shorter than [`HedgeSettings::delay`].
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
//! # use http::Request;
//! use resilience::hedge::{HedgeLayer, HedgePolicy};
//! # use std::{sync::atomic::{AtomicU32, Ordering::Relaxed}, time::Duration};
//! # use tokio::time::{Instant, sleep};
//! # use tower::{Layer, ServiceExt, service_fn};
//! # static REQUESTS: AtomicU32 = AtomicU32::new(0);
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! // Now and then it takes a second.
//! let callee = service_fn(|_: Request<()>| async {
//!     let slow = REQUESTS.fetch_add(1, Relaxed) == 0;
//!     sleep(Duration::from_millis(if slow { 1000 } else { 5 })).await;
//!     Ok::<_, Failed>("the page")
//! });
//! let begin = Instant::now();
//! let answer = HedgeLayer::new(HedgePolicy::default(), None).layer(callee).oneshot(Request::new(()));
//! assert_eq!(answer.await, Ok("the page"));
//! assert_eq!(begin.elapsed(), Duration::from_millis(50 + 5));
//! # }
//! ```

mod future;
mod layer;
mod policy;
mod trigger;

pub use future::HedgeFuture;
pub use layer::{HedgeLayer, HedgeService, ObserveHedge};
pub use policy::{HedgePolicy, HedgeSettings};
pub use trigger::Trigger;
