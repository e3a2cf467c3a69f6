//! What becomes of a state as time passes and probes end.

use super::{
    BreakerSettings,
    breaker::nanos,
    rules::Signal,
    state::{Phase, Tick, Word},
    transition::Why,
};

/// What follows from the state when a call asks to pass.
pub(super) enum Answer {
    Pass,
    /// It may pass once the state is this.
    PassIf(Word, Option<Why>),
    /// It may ask again once the state is this.
    AskIf(Word, Why),
    Refuse,
}

/// The times, in nanoseconds, and the number of probes, and the rules that they make.
#[derive(Debug)]
pub(super) struct Timing {
    open: u64,
    max_open: u64,
    jitter: f64,
    lease: u64,
    probes: u8,
    seed: u64,
    /// No tick is set further ahead.
    horizon: Tick,
}

/// By how much the clock of one thread may lag behind that of another.
const LAG: u64 = 1_000_000_000;

impl Timing {
    pub(super) fn new(settings: &BreakerSettings, seed: u64) -> Self {
        Self {
            open: nanos(settings.open),
            max_open: nanos(settings.max_open),
            jitter: settings.jitter,
            lease: nanos(settings.lease),
            probes: u8::try_from(settings.probes).unwrap_or(u8::MAX),
            seed,
            horizon: Tick::not_before(nanos(settings.max_open.max(settings.lease)) + LAG),
        }
    }

    /// Closed => pass; open => (refuse | half-open, and pass); half-open => (pass | refuse |
    /// open again, and ask again).
    #[inline]
    pub(super) fn answer(&self, word: Word, now: u64) -> Answer {
        let passed = |until: Tick| !until.is_ahead_of(now, self.horizon);
        match word.phase() {
            Phase::Closed => Answer::Pass,
            Phase::Open { until, doublings } if passed(until) => {
                let first = self.half_open(now, doublings, 1, 0);
                Answer::PassIf(word.next(first), Some(Why::OpenTimeOver))
            }
            Phase::Forced | Phase::Open { .. } => Answer::Refuse,
            Phase::HalfOpen {
                until,
                doublings,
                issued,
                ok,
            } => {
                if issued > ok && passed(until) {
                    // As if somebody had looked when the lease ended.
                    let next = self.open_from(word, until, doublings + 1);
                    Answer::AskIf(next, Why::ProbeLost)
                } else if issued < self.probes {
                    let one_more = self.half_open(now, doublings, issued + 1, ok);
                    Answer::PassIf(word.with(one_more), None)
                } else {
                    Answer::Refuse
                }
            }
        }
    }

    /// What a probe that has ended makes of the half-open state: one success more, closed,
    /// open again, or one permit back.
    pub(super) fn after_probe(&self, word: Word, signal: Signal, now: u64) -> (Word, Option<Why>) {
        let Phase::HalfOpen {
            until,
            doublings,
            issued,
            ok,
        } = word.phase()
        else {
            // Only half-open admits probes, and within a generation that does not change.
            return (word, None);
        };
        let with = |issued, ok| {
            word.with(Phase::HalfOpen {
                until,
                doublings,
                issued,
                ok,
            })
        };
        match signal {
            Signal::Nothing => (with(issued.saturating_sub(1), ok), None),
            Signal::Failed { .. } => (self.open(word, now, doublings + 1), Some(Why::ProbeFailed)),
            Signal::Succeeded { slow: true } => {
                (self.open(word, now, doublings + 1), Some(Why::ProbeSlow))
            }
            Signal::Succeeded { slow: false } if ok + 1 >= self.probes => {
                (word.next(Phase::Closed), Some(Why::ProbesSucceeded))
            }
            Signal::Succeeded { slow: false } => (with(issued, ok + 1), None),
        }
    }

    fn half_open(&self, now: u64, doublings: u8, issued: u8, ok: u8) -> Phase {
        Phase::HalfOpen {
            until: Tick::not_before(now.saturating_add(self.lease)),
            doublings,
            issued,
            ok,
        }
    }

    /// The generation after `word`, open from `now` on.
    pub(super) fn open(&self, word: Word, now: u64, doublings: u8) -> Word {
        self.open_from(word, Tick::not_before(now), doublings)
    }

    fn open_from(&self, word: Word, from: Tick, doublings: u8) -> Word {
        let until = from.plus(self.open_time(word.generation(), doublings));
        word.next(Phase::Open { until, doublings })
    }

    /// How long it stays open: doubled each time, capped, and a part of it drawn at random
    /// then, so that breakers at the cap do not probe in step either.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates"
    )]
    fn open_time(&self, generation: u32, doublings: u8) -> u64 {
        let doubled = self.open.saturating_mul(1 << doublings.min(15));
        let longest = doubled.min(self.max_open);
        (longest as f64 * (1.0 - self.jitter * draw(self.seed, generation))) as u64
    }
}

/// A number drawn evenly from 0 to 1, the same for the same seed and generation
/// (`SplitMix64`: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014).
fn draw(seed: u64, generation: u32) -> f64 {
    let golden = 0x9e37_79b9_7f4a_7c15_u64;
    let mut z = seed.wrapping_add(golden.wrapping_mul(u64::from(generation) + 1));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
