//! How many requests a relay handles at once: its capacity.
//!
//! A slot is what a thread is in a server with one thread a request: it is taken for the
//! whole of a request, also while that waits for others. With `k` slots and a service time
//! of `s` no more than `k / s` requests a second can be served.

use chassis::Refusal;
use std::num::NonZeroUsize;
use tokio::sync::{Semaphore, SemaphorePermit};
use types::{COME_AGAIN, Cause, Problem};

/// The slots, and those who wait for one, first come, first served.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Semaphore,
    /// Room in the queue.
    queue: Semaphore,
}

impl Slots {
    pub(crate) fn new(slots: NonZeroUsize, queue: usize) -> Self {
        Self {
            free: Semaphore::new(slots.get().min(Semaphore::MAX_PERMITS)),
            queue: Semaphore::new(queue.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// A slot, held for as long as the permit is kept. Whoever stops waiting leaves the queue.
    pub(crate) async fn take(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        if let Ok(slot) = self.free.try_acquire() {
            return Ok(slot);
        }
        let _place = self.queue.try_acquire().map_err(|_| full())?;
        self.free.acquire().await.map_err(|_| full())
    }
}

fn full() -> Refusal {
    Problem::new(503, "too-busy", "The service is too busy")
        .detail("all slots are taken, and so is the queue before them")
        .cause(Cause::Shed)
        .retry_after(COME_AGAIN)
        .retryable(true)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, poll};

    fn slots(slots: usize, queue: usize) -> Slots {
        Slots::new(NonZeroUsize::new(slots).unwrap(), queue)
    }

    #[tokio::test]
    async fn whoever_finds_neither_a_slot_nor_a_place_in_the_queue_is_refused() {
        let slots = slots(2, 1);
        let (_one, _two) = (slots.take().await.unwrap(), slots.take().await.unwrap());
        let mut third = Box::pin(slots.take());
        assert!(poll!(&mut third).is_pending());
        let Refusal(problem) = slots.take().await.unwrap_err();
        assert_eq!((problem.status, problem.cause), (503, Some(Cause::Shed)));
        assert_eq!(problem.retry_after, Some(1));
    }

    #[tokio::test]
    async fn a_slot_that_is_given_back_goes_to_the_first_who_waits() {
        let slots = slots(1, 2);
        let first = slots.take().await.unwrap();
        let (mut second, mut third) = (Box::pin(slots.take()), Box::pin(slots.take()));
        assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
        drop(first);
        assert!(poll!(&mut third).is_pending());
        assert!(second.now_or_never().is_some());
        assert!(third.now_or_never().is_some());
    }

    #[tokio::test]
    async fn whoever_stops_waiting_makes_room_in_the_queue() {
        let slots = slots(1, 1);
        let first = slots.take().await.unwrap();
        let mut given_up = Box::pin(slots.take());
        assert!(poll!(&mut given_up).is_pending());
        drop(given_up);
        let mut next = Box::pin(slots.take());
        assert!(poll!(&mut next).is_pending());
        drop(first);
        assert!(next.now_or_never().unwrap().is_ok());
    }
}
