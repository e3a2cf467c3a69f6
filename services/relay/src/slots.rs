//! How many requests a relay handles at once: its capacity.
//!
//! A slot is what a thread is in a server with one thread a request: it is taken for the
//! whole of a request, also while that waits for others. With `k` slots and a service time
//! of `s` no more than `k / s` requests a second can be served.

use chassis::Refusal;
use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use types::{COME_AGAIN, Cause, Problem};

/// The slots, and those who wait for one, first come, first served.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Semaphore,
    /// Room in the queue.
    queue: Semaphore,
    /// How many there are.
    number: usize,
    busy: Busy,
}

/// How long slots were taken, all together. Whoever reads it now and then knows what share of
/// them was in between: what autoscaling goes by, as it does by processor time elsewhere.
#[derive(Debug, Default)]
struct Busy(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    now: u32,
    time: Duration,
    since: Option<Instant>,
}

impl Busy {
    /// What it is now, with the time until now counted.
    fn until_now(&self) -> MutexGuard<'_, Taken> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = taken.since.replace(now).unwrap_or(now);
        let passed = (now - since) * taken.now;
        taken.time += passed;
        taken
    }
}

/// A slot that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot<'s> {
    busy: &'s Busy,
    _permit: SemaphorePermit<'s>,
}

impl<'s> Slot<'s> {
    fn new(permit: SemaphorePermit<'s>, busy: &'s Busy) -> Self {
        busy.until_now().now += 1;
        Self {
            busy,
            _permit: permit,
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut taken = self.busy.until_now();
        taken.now = taken.now.saturating_sub(1);
    }
}

impl Slots {
    pub(crate) fn new(slots: NonZeroUsize, queue: usize) -> Self {
        Self {
            free: Semaphore::new(slots.get().min(Semaphore::MAX_PERMITS)),
            queue: Semaphore::new(queue.min(Semaphore::MAX_PERMITS)),
            number: slots.get().min(Semaphore::MAX_PERMITS),
            busy: Busy::default(),
        }
    }

    /// How many there are.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// How long they were taken so far, all together.
    pub(crate) fn busy(&self) -> Duration {
        self.busy.until_now().time
    }

    /// A slot, held for as long as the permit is kept. Whoever stops waiting leaves the queue.
    pub(crate) async fn take(&self) -> Result<Slot<'_>, Refusal> {
        if let Ok(permit) = self.free.try_acquire() {
            return Ok(Slot::new(permit, &self.busy));
        }
        let _place = self.queue.try_acquire().map_err(|_| full())?;
        let permit = self.free.acquire().await.map_err(|_| full())?;
        Ok(Slot::new(permit, &self.busy))
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

    #[tokio::test(start_paused = true)]
    async fn the_time_of_all_slots_is_counted_also_of_those_that_are_still_taken() {
        let second = Duration::from_secs(1);
        let slots = slots(2, 1);
        assert_eq!((slots.number(), slots.busy()), (2, Duration::ZERO));
        let first = slots.take().await.unwrap();
        tokio::time::sleep(second).await;
        let second_one = slots.take().await.unwrap();
        tokio::time::sleep(second).await;
        assert_eq!(slots.busy(), 3 * second);
        drop(first);
        tokio::time::sleep(second).await;
        drop(second_one);
        tokio::time::sleep(second).await;
        assert_eq!(slots.busy(), 4 * second);
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
