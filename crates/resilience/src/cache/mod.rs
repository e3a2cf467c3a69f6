//! Using an answer again.
//!
//! An answer that is still good need not be asked for: the call can't fail, takes no time, and
//! is no load for anybody. And an answer that is a little too old is better than none: most pages
//! can be shown as they were a minute ago, marked so, while the callee is down (RFC 5861,
//! `stale-if-error`; RFC 8767 does it for the DNS). So an answer has two ages:
//!
//! ```text
//! fresh  used, and nobody is asked         => stale   after `fresh`
//! stale  the callee is asked; if it fails,
//!        this is used, and marked          => gone    after `stale` more
//! gone   as if it had never been
//! ```
//!
//! What it must not do:
//!
//! - **Keep what others must not see, or what is no longer true.** Only requests with a
//!   [`CacheKey`] are looked up, and [`Storable`] says which answers are kept, and which of them
//!   say that the one kept is over: a page that is gone, a token that is revoked.
//! - **Ask a hundred times at once.** When an answer that everybody wants has become too old, one
//!   request is sent and all wait for it (otherwise each would ask: a stampede, just after an
//!   outage). It is sent by a task of its own: whoever came first may leave. It lasts no
//!   longer than whoever came first has time; whoever has more then sends another.
//! - **Make a failure last.** Failures are not kept.
//!
//! A callee that hangs has not failed before its time-out: for a stale answer to stand in, the
//! attempt time-out, with all retries, must be shorter than the deadline.
//!
//! What is kept lies in [`moka`], which drops what is seldom asked for when there is no more room
//! (`TinyLFU`: Einziger, Friedman, Manes, 2017).

mod flights;
mod freshness;
mod layer;
mod policy;

pub use flights::Load;
pub use freshness::{Entry, Freshness};
pub use layer::{CacheKey, CacheLayer, CacheService, Storable};
pub use policy::{CachePolicy, CacheSettings};
