//! Not calling a callee that keeps failing.
//!
//! A callee that is down is called all the same: each call waits until its time-out, holds a
//! connection and a slot at every hop above, and adds to the load that keeps the callee
//! down. A circuit breaker in front of it notices, and refuses calls at once for a while
//! (Nygard, *Release It!*, 2nd edition, chapter 5; Fowler,
//! [Circuit Breaker](https://martinfowler.com/bliki/CircuitBreaker.html), 2014). Its
//! states are named as theirs are, after the electrical part:
//!
//! ```text
//! closed     calls pass      => open       a rule says that too many fail
//! open       calls refused   => half-open  the open time is over, and a call comes
//! half-open  a few probes    => closed     as many probes as needed have succeeded
//!                            => open       one has failed, was slow or was lost
//! ```
//!
//! It does not make the callee more available, and what it refuses has failed, too. What it
//! gives: failures that take microseconds instead of a time-out, a callee that can recover,
//! and other replicas to go to meanwhile. So there should be one breaker for each replica:
//! one before all of them cuts off the healthy with the sick (Brooker, "Will circuit
//! breakers solve my problems?", 2022).
//!
//! # When it opens
//!
//! - **The share of failures** in a window of time ([`BreakerSettings::failure_rate`]) is
//!   the rule to begin with. It does not depend on the load, nor on how long all went well:
//!   after a hundred thousand successes it opens as fast as after a hundred.
//! - **The share of slow calls** ([`BreakerSettings::slow_rate`]) is for callees that drown:
//!   their answers are right and come too late.
//! - **Failures in a row** ([`BreakerSettings::consecutive`]) is quick and easy to predict,
//!   and blind to a callee of which one call in two fails, or of which most calls hang: a
//!   time-out comes late, and one quick success meanwhile makes it old news. At a failure rate of p it opens
//!   by chance every (p⁻ᵏ − 1) / (1 − p) calls: at 20 % and three in a row, every 155.
//!
//! A call says what [`Classify`] makes of its result: by default an answer below 500 is none
//! of the callee's failures, and a call that another breaker or a bulkhead refused says
//! nothing. A call dropped by its caller counts as failed from
//! [`BreakerSettings::cancelled_after`] on, so that an outer time-out is noticed and a hedge
//! that has lost is not. A panic counts as failed.
//!
//! # How it closes
//!
//! A few probes pass, never more than [`BreakerSettings::probes`] of a generation, however
//! many calls come at the same moment. All of them must succeed. The open time doubles when
//! one fails, up to a cap, and begins anew once it has closed: then there is evidence that
//! the outage is over, and what opens it next is another. A part of it is drawn at random,
//! so that a thousand clients do not probe in step.
//!
//! When nothing is heard of a probe within [`BreakerSettings::lease`] after the last one was
//! let pass, it has failed, and the breaker opens again. It can't wedge: with a healthy
//! callee it is closed after lease, open time and as many calls as there are probes.
//!
//! Every transition begins a new *generation*, which all that is counted carries. A call
//! admitted in one changes nothing in any other: a success from before an outage, hours
//! late, closes nothing.
//!
//! # Defaults, beside those of others
//!
//! | | opens at | stays open | probes |
//! |---|---|---|---|
//! | here | 50 % of at least 20 calls in 10 s | 1 s, doubling to 30 s, −20 % at random | 3 |
//! | Resilience4j | 50 % of the last 100 calls | 60 s | 10 |
//! | Polly 8 | 10 % of at least 100 calls in 30 s | 5 s | 1 |
//! | Envoy's outlier detection | 5 in a row | 30 s × ejections, to 300 s | – |
//! | linkerd2-proxy | 7 in a row | 1 s, doubling to 1 min, jitter 0.5 | 1 |
//!
//! Half of the calls, because below it more calls are answered than not, and each of those
//! would be refused; Polly's tenth opens at what two retries repair. Twenty calls, because
//! of twenty calls that fail one time in ten, half fail by chance once in 140,000 looks, of
//! ten once in 600. Ten seconds, because the window bounds how long an outage goes
//! unnoticed. One second open, because most outages of a replica (a restart, a failover)
//! are short, and on average half of the open time is lost after each; doubling takes care
//! of long ones. Three probes, because one can be lucky.
//!
//! # What it costs
//!
//! No lock, no allocation, and the same for every call, whatever the window. A call of a
//! closed breaker costs one look at the clock, one compare-and-swap and a reference count,
//! on cache lines that no other thread writes to as long as there are no more than eight.
//! `cargo bench -p resilience --bench circuit_breaker` measures it beside others.
//!
//! # Example
//!
//! ```
//! # use http::{Request, Response};
//! # use resilience::{CallFailure, Failure};
//! use resilience::circuit_breaker::{BreakerLayer, BreakerPolicy, BreakerSettings, State};
//! # use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! # use types::{Cause, StoppedBy};
//! # #[derive(Debug, PartialEq)]
//! # struct Failed(Cause, StoppedBy);
//! # impl Failure for Failed {
//! #     fn new(cause: Cause, stopped_by: StoppedBy) -> Self { Self(cause, stopped_by) }
//! # }
//! # impl CallFailure for Failed {
//! #     fn cause(&self) -> Cause { self.0 }
//! #     fn stopped_by(&self) -> StoppedBy { self.1 }
//! #     fn stop(&mut self, stopped_by: StoppedBy) { self.1 = stopped_by; }
//! # }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = BreakerPolicy::new(BreakerSettings {
//!     consecutive: Some(2),
//!     ..BreakerSettings::default()
//! })?;
//! let breaker = BreakerLayer::new(policy, 42);
//! let down = service_fn(|_: Request<()>| async {
//!     Err::<Response<()>, _>(Failed(Cause::Refused, StoppedBy::Attempts))
//! });
//! let service = ServiceBuilder::new().layer(breaker.clone()).service(down);
//! for _ in 0..2 {
//!     let failed = service.clone().oneshot(Request::new(())).await;
//!     assert_eq!(failed.unwrap_err(), Failed(Cause::Refused, StoppedBy::Attempts));
//! }
//! assert_eq!(breaker.state(), State::Open);
//! // Nobody is called any more, and the cause is still told.
//! let refused = service.oneshot(Request::new(())).await;
//! assert_eq!(refused.unwrap_err(), Failed(Cause::Refused, StoppedBy::BreakerOpen));
//! # Ok(())
//! # }
//! ```

mod breaker;
mod classify;
mod future;
mod layer;
mod policy;
mod rules;
mod service;
mod shard;
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
pub use transition::{Observe, ObserveCall, Transition, Why};
pub use types::BreakerState as State;
