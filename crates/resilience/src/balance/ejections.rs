//! The core: which replicas are left out because they keep failing, and until when.

use super::{EjectSettings, ReplicaState};
use crate::sync::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::{cmp::Reverse, sync::Arc, time::Duration};

/// A replica is left out for a while: it has failed too often in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// Which one.
    pub replica: usize,
    /// How often in succession, this time included.
    pub number: u32,
    /// For how long.
    pub time: Duration,
}

/// The ejected replicas.
///
/// There are as many seats as replicas that may be out at once, and whoever is out sits on
/// one: so the cap holds whatever races. A seat whose time is over is free; nobody need
/// clear it.
#[derive(Debug)]
pub(super) struct Ejections {
    settings: EjectSettings,
    /// Until when (ms), and by which replica, each is taken.
    seats: Box<[AtomicU64]>,
    /// Of each replica: its last seat, [`NONE`], or [`CLAIMED`].
    seat_of: Box<[AtomicUsize]>,
}

/// It was never ejected.
const NONE: usize = usize::MAX;
/// A thread is looking for a seat.
const CLAIMED: usize = usize::MAX - 1;
/// The lower bits of a seat's word say who sits there.
const WHO: u32 = 20;
const LAST: u64 = (1 << WHO) - 1;

impl Ejections {
    /// Those of `replicas` are out that were left out before and are not to be back yet: if there
    /// are not so many seats, those that would be out for longest.
    pub(super) fn new(settings: EjectSettings, replicas: &[Arc<ReplicaState>]) -> Self {
        let out_until = |(replica, state): (usize, &Arc<ReplicaState>)| {
            let (number, until) = state.ejections();
            (number > 0).then_some((until, replica))
        };
        let mut out: Vec<_> = replicas.iter().enumerate().filter_map(out_until).collect();
        out.sort_unstable_by_key(|known| Reverse(*known));
        out.truncate(most(settings.max_share, replicas.len()));
        let seat_of = |replica| out.iter().position(|(_, sits)| *sits == replica);
        let seat = |seat| out.get(seat).map_or(0, |&(until, who)| word(until, who));
        Self {
            seats: (0..most(settings.max_share, replicas.len()))
                .map(|nth| AtomicU64::new(seat(nth)))
                .collect(),
            seat_of: (0..replicas.len())
                .map(|replica| AtomicUsize::new(seat_of(replica).unwrap_or(NONE)))
                .collect(),
            settings,
        }
    }

    pub(super) fn is_ejected(&self, replica: usize, now: Duration) -> bool {
        let Some(seat) = self.seat_of.get(replica) else {
            return false;
        };
        self.sits(replica, seat.load(Acquire), millis(now))
    }

    /// `state` has failed `failures` times in a row: whether that is too often, and there is
    /// a seat.
    pub(super) fn failed(
        &self,
        replica: usize,
        state: &ReplicaState,
        failures: u32,
        now: Duration,
    ) -> Option<Ejection> {
        if self.is_ejected(replica, now) {
            // A call from before: when the replica is back, the count begins anew.
            state.forgive();
            return None;
        }
        if failures < self.settings.consecutive {
            return None;
        }
        let seat_of = self.seat_of.get(replica)?;
        let before = seat_of.load(Acquire);
        if before == CLAIMED {
            return None;
        }
        let claim = seat_of.compare_exchange(before, CLAIMED, AcqRel, Relaxed);
        claim.ok()?;
        let ejection = self.take_seat(replica, state, before, now);
        let (seat, ejection) = ejection.map_or((before, None), |(seat, it)| (seat, Some(it)));
        seat_of.store(seat, Release);
        ejection
    }

    /// Alone with this replica: finds it a seat, unless it has one by now.
    fn take_seat(
        &self,
        replica: usize,
        state: &ReplicaState,
        before: usize,
        now: Duration,
    ) -> Option<(usize, Ejection)> {
        if self.sits(replica, before, millis(now)) {
            return None;
        }
        let ejection = self.next(replica, state, now);
        let until = millis(now.saturating_add(ejection.time));
        let word = word(until, replica);
        let free = |seat: &AtomicU64| {
            let taken = seat.load(Acquire);
            let is_free = taken >> WHO <= millis(now);
            is_free && seat.compare_exchange(taken, word, AcqRel, Relaxed).is_ok()
        };
        let seat = self.seats.iter().position(free)?;
        state.set_ejections(ejection.number, until);
        state.forgive();
        Some((seat, ejection))
    }

    /// For how long it would be this time: twice as long as the last time, unless all went
    /// well for long since.
    fn next(&self, replica: usize, state: &ReplicaState, now: Duration) -> Ejection {
        let EjectSettings { time, max_time, .. } = self.settings;
        let (number, until) = state.ejections();
        let good = millis(now).saturating_sub(until);
        let number = if good > millis(max_time) { 0 } else { number };
        let doubled = 2_u32
            .checked_pow(number)
            .map_or(Duration::MAX, |factor| time.saturating_mul(factor));
        Ejection {
            replica,
            number: number.saturating_add(1),
            time: doubled.min(max_time),
        }
    }

    fn sits(&self, replica: usize, seat: usize, now: u64) -> bool {
        self.seats.get(seat).is_some_and(|seat| {
            let word = seat.load(Acquire);
            word & LAST == replica as u64 & LAST && word >> WHO > now
        })
    }
}

/// The word of a seat that `replica` has until then, in milliseconds.
const fn word(until: u64, replica: usize) -> u64 {
    until << WHO | replica as u64 & LAST
}

/// How many of `replicas` may be out at once: never all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number is no larger than it"
)]
fn most(share: f64, replicas: usize) -> usize {
    // A tenth of ten is one, whatever binary fractions make of it.
    let most = (share * replicas as f64 + 1e-9).floor() as usize;
    most.min(replicas.saturating_sub(1))
}

/// Rounded down: a seat taken until then is free at that very millisecond.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis())
        .unwrap_or(u64::MAX)
        .min(u64::MAX >> WHO)
}
