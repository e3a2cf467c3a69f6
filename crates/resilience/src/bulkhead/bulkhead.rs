//! A limit with a clock and a queue.

use super::{LimitPolicy, Limiter};
use crate::circuit_breaker::Outcome;
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout},
};

/// Lets so many in at once; others wait for a while, first come, first served, or not at
/// all. Clones share it.
#[derive(Debug, Clone)]
pub struct Bulkhead(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limiter: Limiter,
    origin: Instant,
    wait: Option<Duration>,
    /// How many wait. As long as anybody does, newcomers go behind.
    waiting: AtomicU32,
    /// Those who wait pass one at a time, in the order in which they came; whoever is first
    /// waits for room.
    turnstile: Semaphore,
    room: Notify,
}

/// That a call is inside. Dropped, it makes room.
#[derive(Debug)]
#[must_use = "dropped, it makes room for another call"]
pub struct Inside {
    bulkhead: Bulkhead,
    since: Duration,
}

impl Bulkhead {
    /// An empty one.
    pub fn new(policy: LimitPolicy) -> Self {
        Self(Arc::new(Shared {
            limiter: Limiter::new(policy),
            origin: Instant::now(),
            wait: policy.settings().wait,
            waiting: AtomicU32::new(0),
            turnstile: Semaphore::new(1),
            room: Notify::new(),
        }))
    }

    /// The limit, to be looked at.
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// Whether a call that came now would get in at once.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.0.waiting.load(SeqCst) == 0 && self.0.limiter.has_room()
    }

    /// Whether a call that finds no room may wait for it.
    pub(super) fn has_queue(&self) -> bool {
        self.0.wait.is_some()
    }

    /// In, if there is room at once.
    #[inline]
    pub fn try_enter(&self) -> Option<Inside> {
        if self.0.waiting.load(SeqCst) > 0 {
            return None;
        }
        self.take_room()
    }

    /// In, as soon as there is room; none if that takes too long.
    pub async fn enter(&self) -> Option<Inside> {
        if let Some(inside) = self.try_enter() {
            return Some(inside);
        }
        timeout(self.0.wait?, self.queue()).await.ok()
    }

    async fn queue(&self) -> Inside {
        let _waiting = Waiting::new(&self.0.waiting);
        // It is never closed, and who is first need not wait for it.
        let _first = self.0.turnstile.acquire().await;
        loop {
            let mut room = pin!(self.0.room.notified());
            // Listens from here on: room made between the look and the wait is not missed.
            room.as_mut().enable();
            if let Some(inside) = self.take_room() {
                return inside;
            }
            room.await;
        }
    }

    #[inline]
    fn take_room(&self) -> Option<Inside> {
        self.0.limiter.enter().then(|| Inside {
            bulkhead: self.clone(),
            since: self.now(),
        })
    }

    /// Reads the clock only if it matters.
    #[inline]
    fn now(&self) -> Duration {
        if self.0.limiter.is_adaptive() {
            self.0.origin.elapsed()
        } else {
            Duration::ZERO
        }
    }
}

impl Inside {
    /// The call has ended with `outcome`, from which an adaptive limit learns.
    #[inline]
    pub fn end(self, outcome: Outcome) {
        let Bulkhead(shared) = &self.bulkhead;
        if shared.limiter.is_adaptive() {
            shared
                .limiter
                .learn(self.since, self.bulkhead.now(), outcome);
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let Bulkhead(shared) = &self.bulkhead;
        // Room first, and then the word.
        shared.limiter.leave();
        if shared.waiting.load(SeqCst) > 0 {
            shared.room.notify_one();
        }
    }
}

/// Somebody waits, until this is dropped.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicU32) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
