//! Virtual time: it stands still while anything can go on, and then leaps to the next moment
//! at which something is due.

use futures_util::future::{Either, select};
use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::BinaryHeap,
    future::{Future, poll_fn},
    pin::pin,
    task::{Poll, Waker},
    time::Duration,
};

/// A clock that only [`leap`](Self::leap) moves.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Cell<Duration>,
    alarms: RefCell<BinaryHeap<Reverse<Alarm>>>,
    set: Cell<u64>,
}

/// Who is to be woken when. Of those due at the same moment, the first to be set comes first.
#[derive(Debug)]
struct Alarm {
    at: Duration,
    nth: u64,
    waker: Waker,
}

impl Clock {
    /// The time since the begin of the run.
    pub(super) const fn now(&self) -> Duration {
        self.now.get()
    }

    /// Waits for so long.
    pub(super) async fn sleep(&self, pause: Duration) {
        self.sleep_until(self.now().saturating_add(pause)).await;
    }

    /// Waits until `at`.
    pub(super) async fn sleep_until(&self, at: Duration) {
        let mut is_set = false;
        poll_fn(|cx| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            if !is_set {
                self.set(at, cx.waker().clone());
                is_set = true;
            }
            Poll::Pending
        })
        .await;
    }

    /// Does `work`, if it is done by `limit`; without a limit, however long it takes.
    pub(super) async fn by<T>(
        &self,
        limit: Option<Duration>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let Some(at) = limit else {
            return Some(work.await);
        };
        match select(pin!(work), pin!(self.sleep_until(at))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Goes on to the next moment at which somebody is to be woken, and wakes them. Whether
    /// there was one.
    pub(super) fn leap(&self) -> bool {
        self.leap_until(Duration::MAX)
    }

    /// The same, if that moment is not after `end`; otherwise it is `end` now.
    pub(super) fn leap_until(&self, end: Duration) -> bool {
        let mut alarms = self.alarms.borrow_mut();
        let due = alarms.peek().is_some_and(|Reverse(alarm)| alarm.at <= end);
        let next = if due { alarms.pop() } else { None };
        drop(alarms);
        let Some(Reverse(alarm)) = next else {
            if end < Duration::MAX {
                self.now.set(end.max(self.now()));
            }
            return false;
        };
        self.now.set(alarm.at.max(self.now()));
        alarm.waker.wake();
        true
    }

    fn set(&self, at: Duration, waker: Waker) {
        let nth = self.set.get();
        self.set.set(nth + 1);
        let alarm = Alarm { at, nth, waker };
        self.alarms.borrow_mut().push(Reverse(alarm));
    }
}

impl Alarm {
    const fn key(&self) -> (Duration, u64) {
        (self.at, self.nth)
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Alarm {}
