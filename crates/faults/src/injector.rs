//! One replica's faults, ready to be asked for every request.
//!
//! Time goes forward, give or take the microseconds by which one request overtakes another.
//! So each schedule is followed by a cursor that remembers the latest windows and skips what
//! nobody asked about, and a question costs the same after a day as at first. Whoever asks about the distant past gets the same
//! answer, only later.

use crate::{Decision, Fault, FaultSet, RequestKey, Schedule, When, Window, schedule};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How many windows a cursor remembers.
const REMEMBERED: usize = 64;

/// Decides for one replica of one service, as [`FaultSet::decide`] does, and quickly.
#[derive(Debug)]
pub struct Injector {
    faults: Arc<FaultSet>,
    service: Arc<str>,
    replica: Arc<str>,
    /// Of each fault, in the order of the set; none where no cursor is needed.
    cursors: Vec<Option<Mutex<Cursor>>>,
}

impl Injector {
    /// Injects `faults` at `replica` of `service`.
    pub fn new(
        faults: impl Into<Arc<FaultSet>>,
        service: impl Into<Arc<str>>,
        replica: impl Into<Arc<str>>,
    ) -> Self {
        let (faults, service, replica) = (faults.into(), service.into(), replica.into());
        let cursor = |fault: &Fault| {
            let start = || schedule(faults.seed, &service, &replica, fault);
            matches!(fault.when, When::Renewal(_)).then(|| Mutex::new(Cursor::new(start())))
        };
        Self {
            cursors: faults.faults.iter().map(cursor).collect(),
            faults,
            service,
            replica,
        }
    }

    /// Its faults.
    pub const fn faults(&self) -> &Arc<FaultSet> {
        &self.faults
    }

    /// What happens to the request `key`, so long after time zero.
    pub fn decide(&self, key: &RequestKey, elapsed: Duration) -> Decision {
        let acts = |place: usize| self.acts(place, elapsed);
        self.faults
            .decide_if(&self.service, &self.replica, key, acts)
    }

    fn acts(&self, place: usize, elapsed: Duration) -> bool {
        let fault = &self.faults.faults[place];
        match (&fault.when, &self.cursors[place]) {
            (When::Windows(windows), _) => {
                let begun = windows.partition_point(|window| window.at <= elapsed);
                let last = begun.checked_sub(1).map(|place| windows[place]);
                last.is_some_and(|window| window.holds(elapsed))
            }
            (When::Renewal(_), Some(cursor)) => {
                let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
                let known = cursor.holds(elapsed);
                drop(cursor);
                known.unwrap_or_else(|| {
                    let again = schedule(self.faults.seed, &self.service, &self.replica, fault);
                    Cursor::new(again).holds(elapsed) == Some(true)
                })
            }
            _ => true,
        }
    }
}

/// A place in a schedule, and the windows right before it.
#[derive(Debug)]
struct Cursor {
    schedule: Schedule,
    latest: VecDeque<Window>,
    /// The moment from which on no window was forgotten.
    from: Duration,
}

impl Cursor {
    const fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            latest: VecDeque::new(),
            from: Duration::ZERO,
        }
    }

    /// Whether `instant` lies in a window; nothing if that was forgotten.
    fn holds(&mut self, instant: Duration) -> Option<bool> {
        while self.latest.back().is_none_or(|last| last.end() <= instant) {
            if let Some(from) = self.schedule.skip_to(instant) {
                self.latest.clear();
                self.from = from;
            }
            let Some(next) = self.schedule.next() else {
                break;
            };
            self.push(next);
        }
        let begun = |window: &&Window| window.at <= instant;
        match self.latest.iter().rev().find(begun) {
            Some(window) => Some(window.holds(instant)),
            None => (instant >= self.from).then_some(false),
        }
    }

    fn push(&mut self, window: Window) {
        if self.latest.len() == REMEMBERED {
            let forgotten = self.latest.pop_front();
            self.from = forgotten.map_or(self.from, |window| window.end());
        }
        self.latest.push_back(window);
    }
}

#[cfg(test)]
mod tests;
