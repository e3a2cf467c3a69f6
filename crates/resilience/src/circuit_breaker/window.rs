//! How many calls of the last seconds succeeded, failed and were slow.

#[cfg(all(test, not(loom)))]
mod tests;

use super::{
    breaker::nanos,
    shard::{self, Padded, SHARDS},
};
use crate::sync::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};
use std::time::Duration;

/// Into how many buckets the window is divided. Loom tries every order of every access, so
/// it gets as few as still move on.
const BUCKETS: usize = if cfg!(loom) { 2 } else { 10 };

/// The number of calls in each of the last ten tenths of the window: what is counted is the
/// calls of at least nine tenths of it, and of no more than all of it.
///
/// Nothing is swept when time passes. Each count carries the generation and the lap (which
/// turn of the ring) that it belongs to, and one of another generation or lap counts as
/// zero. So a call costs one compare-and-swap, however many went before, and a look at the
/// whole costs thirty loads.
#[derive(Debug)]
pub(super) struct Window {
    /// How long a bucket is, in nanoseconds.
    width: u64,
    shards: Box<[Padded<Ring>]>,
}

type Ring = [Bucket; BUCKETS];

#[derive(Debug)]
struct Bucket {
    succeeded: Count,
    failed: Count,
    slow: Count,
}

/// What is known of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// What is known of the window's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    /// Those that were slow, whether they succeeded or failed.
    pub(super) slow: u64,
}

impl Counts {
    pub(super) const fn calls(self) -> u64 {
        self.succeeded + self.failed
    }
}

impl Window {
    pub(super) fn new(window: Duration) -> Self {
        let bucket = || Bucket {
            succeeded: Count::new(),
            failed: Count::new(),
            slow: Count::new(),
        };
        Self {
            width: nanos(window) / BUCKETS as u64,
            shards: (0..SHARDS)
                .map(|_| Padded(std::array::from_fn(|_| bucket())))
                .collect(),
        }
    }

    /// Counts a call that ended at `now`. `is_current` tells whether `generation` still is
    /// the breaker's.
    #[inline]
    pub(super) fn record(
        &self,
        record: Record,
        generation: u32,
        now: u64,
        is_current: impl Fn() -> bool,
    ) {
        let (place, tag) = place(self.number(now), generation);
        let bucket = &self.shards[shard::mine()].0[place];
        let count = if record.failed {
            &bucket.failed
        } else {
            &bucket.succeeded
        };
        count.add(tag, &is_current);
        if record.slow {
            bucket.slow.add(tag, &is_current);
        }
    }

    /// What is in the window that ends at `now`.
    pub(super) fn counts(&self, generation: u32, now: u64) -> Counts {
        let last = self.number(now);
        let first = (last + 1).saturating_sub(BUCKETS as u64);
        let mut counts = Counts::default();
        for number in first..=last {
            let (place, tag) = place(number, generation);
            for Padded(ring) in &self.shards {
                let bucket = &ring[place];
                counts.succeeded += bucket.succeeded.get(tag);
                counts.failed += bucket.failed.get(tag);
                counts.slow += bucket.slow.get(tag);
            }
        }
        counts
    }

    /// The number of the bucket that `time` falls into, counted from the origin of time.
    fn number(&self, time: u64) -> u64 {
        time / self.width
    }
}

/// Where a bucket is in the ring, and how its counts are tagged.
#[expect(clippy::cast_possible_truncation, reason = "lower bits are meant")]
fn place(number: u64, generation: u32) -> (usize, Tag) {
    let (lap, place) = (number / BUCKETS as u64, number % BUCKETS as u64);
    (place as usize, Tag::new(generation, lap as u32))
}

/// To which generation and lap a count belongs: the lower 12 and 20 bits of them. The same
/// tag comes back after a million laps within one generation, all of them without a call
/// that ended in this bucket: with a window of ten seconds, after 121 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag(u32);

const LAP: u32 = 20;
const LAPS: u32 = 1 << LAP;
/// By how many laps the clock of one thread may lag behind that of another.
const LAG: u32 = 2;

impl Tag {
    const fn new(generation: u32, lap: u32) -> Self {
        Self((generation << LAP) | (lap % LAPS))
    }

    /// Whether it is of a later lap of the same generation.
    const fn is_newer_than(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0) % LAPS;
        self.0 >> LAP == other.0 >> LAP && ahead != 0 && ahead <= LAG
    }
}

/// A tag, and below it a count of 32 bits.
#[derive(Debug)]
struct Count(AtomicU64);

impl Count {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn get(&self, tag: Tag) -> u64 {
        let (found, count) = unpack(self.0.load(Acquire));
        if found == tag { count.into() } else { 0 }
    }

    /// One more. A count of another generation or of an earlier lap is begun anew; to one of
    /// a later lap, the call is too old to matter.
    #[inline]
    fn add(&self, tag: Tag, is_current: impl Fn() -> bool) {
        let mut word = self.0.load(Acquire);
        loop {
            let (found, count) = unpack(word);
            let more = if found == tag {
                count.saturating_add(1)
            } else if (count > 0 && found.is_newer_than(tag)) || !is_current() {
                // Whoever has left a tag of a later generation had seen that generation
                // before, and so does `is_current` then: a later count is never touched.
                return;
            } else {
                1
            };
            let next = pack(tag, more);
            match self.0.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }
}

fn pack(tag: Tag, count: u32) -> u64 {
    u64::from(tag.0) << 32 | u64::from(count)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
const fn unpack(word: u64) -> (Tag, u32) {
    (Tag((word >> 32) as u32), word as u32)
}
