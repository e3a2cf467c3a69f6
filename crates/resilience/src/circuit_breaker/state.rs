//! The whole state of a breaker in one word, so that a transition, with its times and
//! counts, is one compare-and-swap.

#[cfg(test)]
mod tests;

use super::State;

/// The most probes that the word has room to count.
pub(super) const MOST_PROBES: u8 = 15;
/// After so many doublings the open time grows no more.
const MOST_DOUBLINGS: u8 = 15;

/// A state with all that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Closed,
    /// Open because somebody said so, until somebody says otherwise.
    Forced,
    /// Open until `until`, after `doublings` rounds of probes that failed.
    Open {
        until: Tick,
        doublings: u8,
    },
    /// `issued` probes were let pass and not given back, of which `ok` have succeeded. If
    /// others are still missing at `until`, they have failed.
    HalfOpen {
        until: Tick,
        doublings: u8,
        issued: u8,
        ok: u8,
    },
}

impl Phase {
    pub(super) const fn state(self) -> State {
        match self {
            Self::Closed => State::Closed,
            Self::Forced | Self::Open { .. } => State::Open,
            Self::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

/// A phase, and the generation that it is: each transition begins the next one. What
/// belongs to an earlier generation changes nothing, however late it comes.
///
/// From the upper end: 22 bits of generation, 2 of state, 4 of doublings, 4 of probes
/// issued, 4 of probes that succeeded, 28 of time. Generations begin again after four
/// million transitions: a call would have to last exactly so long to be mistaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const GENERATION: u32 = 42;
const KIND: u32 = 40;
const DOUBLINGS: u32 = 36;
const ISSUED: u32 = 32;
const OK: u32 = 28;
const MOST_GENERATIONS: u32 = 1 << 22;

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const FORCED: u64 = 3;

impl Word {
    /// The first generation: closed.
    pub(super) const FIRST: Self = Self(CLOSED << KIND);

    pub(super) fn new(generation: u32, phase: Phase) -> Self {
        let (kind, until, doublings, issued, ok) = match phase {
            Phase::Closed => (CLOSED, Tick(0), 0, 0, 0),
            Phase::Forced => (FORCED, Tick(0), 0, 0, 0),
            Phase::Open { until, doublings } => (OPEN, until, doublings, 0, 0),
            Phase::HalfOpen {
                until,
                doublings,
                issued,
                ok,
            } => (HALF_OPEN, until, doublings, issued, ok),
        };
        Self(
            u64::from(generation) << GENERATION
                | kind << KIND
                | u64::from(doublings.min(MOST_DOUBLINGS)) << DOUBLINGS
                | u64::from(issued) << ISSUED
                | u64::from(ok) << OK
                | u64::from(until.0),
        )
    }

    /// The next generation, in this phase.
    pub(super) fn next(self, phase: Phase) -> Self {
        Self::new((self.generation() + 1) % MOST_GENERATIONS, phase)
    }

    /// The same generation, in this phase.
    pub(super) fn with(self, phase: Phase) -> Self {
        Self::new(self.generation(), phase)
    }

    #[inline]
    pub(super) const fn generation(self) -> u32 {
        (self.0 >> GENERATION) as u32
    }

    #[inline]
    pub(super) const fn phase(self) -> Phase {
        let until = Tick::lowest(self.0);
        let doublings = self.small(DOUBLINGS);
        match self.0 >> KIND & 3 {
            CLOSED => Phase::Closed,
            OPEN => Phase::Open { until, doublings },
            HALF_OPEN => Phase::HalfOpen {
                until,
                doublings,
                issued: self.small(ISSUED),
                ok: self.small(OK),
            },
            _ => Phase::Forced,
        }
    }

    /// The four bits from `shift` up.
    const fn small(self, shift: u32) -> u8 {
        (self.0 >> shift & 15) as u8
    }
}

/// A time in whole milliseconds, made of one in nanoseconds, of which 28 bits are kept: it wraps around after 3.1 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick(u32);

impl Tick {
    const MASK: u32 = (1 << 28) - 1;

    /// The first tick that is not before a time: what ends then lasts no shorter than it
    /// should.
    pub(super) const fn not_before(nanos: u64) -> Self {
        Self::lowest(nanos.div_ceil(1_000_000))
    }

    /// The last tick that is not after a time.
    const fn not_after(nanos: u64) -> Self {
        Self::lowest(nanos / 1_000_000)
    }

    /// This tick and so many nanoseconds, rounded up.
    pub(super) const fn plus(self, nanos: u64) -> Self {
        Self(self.0.wrapping_add(Self::not_before(nanos).0) & Self::MASK)
    }

    /// Whether it is still to come at `now`.
    ///
    /// No tick is ever set further ahead than `horizon`, so one that seems to be has passed
    /// long ago. That leaves one error: of a breaker that nobody has used for a multiple of
    /// 3.1 days, an old time may seem new, for no longer than `horizon`.
    pub(super) const fn is_ahead_of(self, now: u64, horizon: Self) -> bool {
        let ahead = self.0.wrapping_sub(Self::not_after(now).0) & Self::MASK;
        ahead != 0 && ahead <= horizon.0
    }

    /// The lower bits of `word`.
    #[expect(clippy::cast_possible_truncation, reason = "the lower bits are meant")]
    const fn lowest(word: u64) -> Self {
        Self(word as u32 & Self::MASK)
    }
}
