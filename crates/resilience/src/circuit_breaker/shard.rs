//! Keeping what every call writes apart, thread by thread.
//!
//! Two processors that write to the same cache line wait for each other: with one copy, a
//! call that took one thread 54 ns took each of two 200 to 210. So counts, and the
//! references that calls hold, come in several copies, each on lines of its own, and each
//! thread uses one of them: 54 and 54 to 57.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many copies there are. Threads beyond so many share. Loom tries every order of every
/// access, and copies would hide those that matter.
pub(super) const SHARDS: usize = if cfg!(loom) { 1 } else { 8 };

/// Which copy this thread uses: threads take turns as they come.
#[inline]
pub(super) fn mine() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Relaxed) % SHARDS;
    }
    MINE.with(|mine| *mine)
}

/// Keeps what is in it apart from its neighbours: two lines, because processors fetch pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);
