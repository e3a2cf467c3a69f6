//! Spreading calls over replicas.
//!
//! A second replica is worth something only if calls find it: two replicas of 90 % each, one
//! of them drawn at random, are 90 % available. Together with a second attempt that goes to the
//! other one they are 99 %, and if a replica that is down is left out, every first attempt
//! finds one that works. So three questions are answered here, for every attempt: who can be
//! asked, who of them should be, and who has been already.
//!
//! # Who can be asked
//!
//! A replica is *usable* unless it is left out for one of two reasons, each of which catches
//! what the other is blind to:
//!
//! - **Ejection** ([`EjectSettings`]): it has failed several calls in a row, so it gets no more
//!   for a while (Envoy's outlier detection). It costs nothing, and needs calls that fail; a
//!   replica that comes back is found by calls, too.
//! - **Heartbeats** ([`CheckSettings`], [`Heartbeats`]): it is asked every so often whether it
//!   is up. This needs no call to fail, and notices a replica that nobody calls; what it asks is
//!   not what callers ask.
//!
//! Both can be wrong, and both are wrong together when what has failed is something that all
//! replicas share. Then leaving out replicas helps nobody, and loads the rest with the calls of
//! all. Hence two limits: never more than a share of them is ejected
//! ([`EjectSettings::max_share`]), and when too few are usable, all are used
//! ([`BalanceSettings::panic_below`], Envoy's panic threshold).
//!
//! **How many may be ejected at once?** Half, rounded down ([`EjectSettings::max_share`]). Envoy
//! ejects a tenth at most, linkerd all.
//!
//! - Problem: with two of three replicas dead, one of the dead stays in.
//! - Decision: it may. [`Pick::LessLoaded`] prefers the replica that answers to the one that
//!   fails, so the one that stays in gets hardly a call. Simulated with room for ten requests at
//!   each replica, two of three dead, at utilisations of 0.1, 0.3, 0.5 and 0.9, answered are
//!   99 %, 95 %, 66 % and 37 % with half, and 100 %, 90 %, 66 % and 37 % with all but one ejected.
//! - All but one is worse when all replicas fail together, as they do when something that they
//!   share fails: when that is back, one replica has the load of all until the ejections are
//!   over. Of five replicas at a utilisation of 0.5, in the half minute after such an outage
//!   100 % are answered with half, and 43 % with all but one ejected. The replica that is left
//!   refuses what it has no room for; such refusals count as failures, and eject others that
//!   come back into the same load.
//! - Consequence: with [`Pick::Random`], which does not notice failures, half of the calls go to
//!   the dead replica that stays in; and with four of five dead, `LessLoaded` draws two dead
//!   replicas for a third of the calls. A larger `max_share` helps there, together with a
//!   `panic_below` of at most the share that is left: below it all replicas are used again, and
//!   the ejections come to nothing.
//!
//! A usable replica whose circuit breaker is open, or whose bulkhead is full, is passed by as
//! long as there is another ([`Admits`]).
//!
//! # Who of them should be
//!
//! - [`Pick::LessLoaded`]: of two drawn at random, the one with less to do. Asking the least
//!   loaded of all would send every caller to the same replica; one drawn at random leaves the
//!   longest queue at log n / log log n calls; the better of two brings it down to log log n
//!   (Mitzenmacher, "The power of two choices in randomized load balancing", 2001). Load is the
//!   number of calls under way times what an answer takes of late, times a penalty: a replica
//!   that fails a share p of its calls counts 100 p times, and never less than once. The penalty
//!   is a multiple, so that it means the same beside answers of a millisecond and of two seconds.
//!   A replica whose last call has failed is never preferred to one that has answered, although
//!   it may have no calls in flight: when its penalty has worn off (the memory is a second),
//!   chance decides, and so it is tried again. Hence a replica that fails at once gets no more
//!   calls than from a random choice. Finagle's peak EWMA, which this follows, jumps to the worst
//!   of late; this one moves by each call's share.
//! - [`Pick::Random`]: any. It is what the textbooks calculate with.
//! - [`Pick::First`]: the active one, which [`Failover`] names. Replicas that must not work at
//!   the same time need this, and pay for it: until a failure is noticed and the next
//!   one has taken over, nobody answers.
//!
//! # Who has been already
//!
//! A request carries in its extensions what it has [`Tried`], so that a retry or a hedge goes to
//! another replica ([`RetryTo::Another`]). A failure that lasts, as that of a replica that is
//! down, fails a second attempt at the same place for sure.
//!
//! # What it costs
//!
//! No lock, no allocation, and a look at each replica. `cargo bench -p resilience --bench
//! balance` measures it beside tower's.

mod admits;
mod average;
mod board;
mod ejections;
mod failover;
mod future;
mod heartbeats;
mod policy;
mod replica;
mod service;
mod tried;

pub use admits::{Admits, AlwaysAdmits};
pub use board::Board;
pub use ejections::Ejection;
pub use failover::Failover;
pub use future::BalanceFuture;
pub use heartbeats::Heartbeats;
pub use policy::{BalancePolicy, BalanceSettings, CheckSettings, EjectSettings, Pick, RetryTo};
pub use replica::ReplicaState;
pub use service::{Balance, Candidate, ObserveBalance};
pub use tried::Tried;
