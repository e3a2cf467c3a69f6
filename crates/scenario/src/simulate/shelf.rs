//! What a caller keeps of the answers of one callee.

use super::world::{Answer, Quality};
use resilience::cache::{CachePolicy, Freshness};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};
use tokio::sync::Notify;

/// The answers that are kept, each under the number of the user who asked.
#[derive(Debug)]
pub(super) struct Shelf {
    policy: CachePolicy,
    entries: RefCell<BTreeMap<u64, Rc<Entry>>>,
}

/// One answer, or the place for it. One load at a time fetches it; who comes meanwhile waits
/// for what it brings.
#[derive(Debug, Default)]
pub(super) struct Entry {
    kept: Cell<Option<(Duration, Quality)>>,
    is_loading: Cell<bool>,
    loads: Cell<u64>,
    last: Cell<Option<Answer>>,
    ended: Notify,
}

impl Shelf {
    pub(super) fn new(policy: CachePolicy) -> Self {
        Self {
            policy,
            entries: RefCell::default(),
        }
    }

    pub(super) fn entry(&self, user: u64) -> Rc<Entry> {
        self.entries.borrow_mut().entry(user).or_default().clone()
    }

    /// An answer that is as good as a new one.
    pub(super) fn fresh(&self, entry: &Entry, now: Duration) -> Option<Quality> {
        let (at, quality) = entry.kept.get()?;
        (self.policy.freshness(at, now) == Freshness::Fresh).then_some(quality)
    }

    /// What a failure comes to: an old answer in its place, if there is one.
    pub(super) fn instead(&self, entry: &Entry, answer: Answer, now: Duration) -> Answer {
        let (Err(_), Some((at, quality))) = (answer, entry.kept.get()) else {
            return answer;
        };
        match self.policy.freshness(at, now) {
            Freshness::Fresh => Ok(quality),
            Freshness::Stale(_) => Ok(Quality::Degraded),
            Freshness::Gone => answer,
        }
    }
}

impl Entry {
    /// Takes on the load; none if somebody else has.
    pub(super) fn load(&self) -> Option<Load<'_>> {
        (!self.is_loading.replace(true)).then_some(Load(self))
    }

    /// Waits for the load that is under way; none if it was given up.
    pub(super) async fn wait(&self) -> Option<Answer> {
        let loads = self.loads.get();
        self.ended.notified().await;
        self.last.get().filter(|_| self.loads.get() > loads)
    }
}

/// A load under way. Given up, it makes place for another.
#[derive(Debug)]
pub(super) struct Load<'a>(&'a Entry);

impl Load<'_> {
    pub(super) fn end(self, answer: Answer, now: Duration) {
        if let Ok(quality) = answer {
            self.0.kept.set(Some((now, quality)));
        }
        self.0.last.set(Some(answer));
        self.0.loads.set(self.0.loads.get() + 1);
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.is_loading.set(false);
        self.0.ended.notify_waiters();
    }
}
