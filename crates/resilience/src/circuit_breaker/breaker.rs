//! The core: admits calls, hears how they end, and changes its state accordingly.

use super::{
    BreakerPolicy, Outcome, State,
    rules::{Rules, Signal},
    shard::Padded,
    state::{Phase, Word},
    timing::{Answer, Timing},
    transition::{Transition, Why},
};
use crate::sync::{
    AtomicU8, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;
use types::Cause;

/// A circuit breaker without a clock of its own: `now` is always the time since an origin of
/// the caller's choice.
///
/// Shared by reference: nothing in it locks, waits or allocates. A call in the closed state
/// costs one load when it begins, and a compare-and-swap per rule when it ends.
///
/// ```
/// # use resilience::circuit_breaker::{Breaker, BreakerPolicy, BreakerSettings, Outcome, State};
/// # use std::time::Duration;
/// # use types::Cause;
/// let policy = BreakerPolicy::new(BreakerSettings {
///     consecutive: Some(1),
///     probes: 1,
///     ..BreakerSettings::default()
/// })?;
/// let breaker = Breaker::new(policy, 42);
/// let second = Duration::from_secs(1);
///
/// let permit = breaker.try_acquire(0 * second, |_| ()).unwrap();
/// breaker.complete(permit, Outcome::Failure(Cause::Reset), second, |_| ());
/// assert!(breaker.try_acquire(second, |_| ()).is_err());
///
/// // A second later one call may try.
/// let probe = breaker.try_acquire(2 * second, |_| ()).unwrap();
/// assert!(breaker.try_acquire(2 * second, |_| ()).is_err());
/// breaker.complete(probe, Outcome::Success, 2 * second, |_| ());
/// assert_eq!(breaker.state(), State::Closed);
/// # Ok::<(), resilience::InvalidPolicy>(())
/// ```
#[derive(Debug)]
pub struct Breaker {
    /// Read by every call, and written at transitions and by probes only: on a cache line
    /// that nothing else writes to.
    word: Padded<AtomicU64>,
    rules: Rules,
    timing: Timing,
    cause: AtomicU8,
}

/// That a call may pass. To be handed back with its outcome, once.
#[derive(Debug)]
#[must_use = "a permit that is not handed back is missed until its lease is over"]
pub struct Permit {
    /// In nanoseconds: permits are moved about, and small ones move faster.
    started: u64,
    generation: u32,
    state: State,
}

impl Permit {
    /// The state in which the call was admitted: closed, or half-open if it is a probe.
    pub const fn state(&self) -> State {
        self.state
    }

    /// When the call was admitted.
    pub const fn started(&self) -> Duration {
        Duration::from_nanos(self.started)
    }
}

/// That a call must not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The last failure that the breaker has counted.
    pub cause: Cause,
}

impl Breaker {
    /// A closed breaker. What is drawn at random is drawn from `seed`: breakers with
    /// different seeds probe at different times.
    pub fn new(policy: BreakerPolicy, seed: u64) -> Self {
        let settings = policy.settings();
        Self {
            word: Padded(AtomicU64::new(Word::FIRST.0)),
            rules: Rules::new(settings),
            timing: Timing::new(settings, seed),
            cause: AtomicU8::new(Cause::Refused as u8),
        }
    }

    /// The state that the last call has left behind.
    #[inline]
    pub fn state(&self) -> State {
        self.load().phase().state()
    }

    /// The state in which a call at `now` would find it: times that are over by then count as
    /// over, although no call has come since. Changes nothing.
    pub fn state_at(&self, now: Duration) -> State {
        let now = nanos(now);
        let mut word = self.load();
        loop {
            match self.timing.answer(word, now) {
                Answer::Pass | Answer::Refuse => return word.phase().state(),
                Answer::PassIf(next, _) => return next.phase().state(),
                Answer::AskIf(next, _) => word = next,
            }
        }
    }

    /// Whether a call would be admitted at `now`, so that one can look for another callee.
    /// Takes no permit. `on` hears of the transition that was due by then, if there was one:
    /// the lease of a lost probe may be over.
    pub fn would_admit(&self, now: Duration, mut on: impl FnMut(&Transition)) -> bool {
        let now = nanos(now);
        let mut word = self.load();
        loop {
            let (next, why) = match self.timing.answer(word, now) {
                Answer::Pass | Answer::PassIf(..) => return true,
                Answer::Refuse => return false,
                Answer::AskIf(next, why) => (next, why),
            };
            match self.replace(word, next) {
                Ok(()) => {
                    on(&Transition::new(word, next, why));
                    word = next;
                }
                Err(found) => word = found,
            }
        }
    }

    /// Admits a call at `now`, or refuses it. `on` hears of each transition that this causes:
    /// one, or two if the leases of lost probes and the open time after them are both over.
    #[inline]
    pub fn try_acquire(
        &self,
        now: Duration,
        mut on: impl FnMut(&Transition),
    ) -> Result<Permit, Refused> {
        let now = nanos(now);
        let mut word = self.load();
        loop {
            let (next, why, passes) = match self.timing.answer(word, now) {
                Answer::Pass => return Ok(permit(word, now)),
                Answer::Refuse => return Err(self.refused()),
                Answer::PassIf(next, why) => (next, why, true),
                Answer::AskIf(next, why) => (next, Some(why), false),
            };
            match self.replace(word, next) {
                Ok(()) => {
                    if let Some(why) = why {
                        on(&Transition::new(word, next, why));
                    }
                    if passes {
                        return Ok(permit(next, now));
                    }
                    word = next;
                }
                Err(found) => word = found,
            }
        }
    }

    /// The call admitted with `permit` has ended at `now` with `outcome`. `on` hears of the
    /// transition that this causes, if it does. A permit of an earlier generation does
    /// nothing.
    #[inline]
    pub fn complete(
        &self,
        permit: Permit,
        outcome: Outcome,
        now: Duration,
        on: impl FnMut(&Transition),
    ) {
        self.end(permit, outcome, nanos(now), on);
    }

    /// The call has succeeded as soon as it was sent: spares a look at the clock.
    #[inline]
    pub fn complete_at_once(&self, permit: Permit, on: impl FnMut(&Transition)) {
        let now = permit.started;
        self.end(permit, Outcome::Success, now, on);
    }

    /// Opens it until [`force_close`](Self::force_close): calls are refused, and none probes.
    pub fn force_open(&self, on: impl FnMut(&Transition)) {
        self.force(Phase::Forced, on);
    }

    /// Closes it, whatever its state, and forgets all that it has counted.
    pub fn force_close(&self, on: impl FnMut(&Transition)) {
        self.force(Phase::Closed, on);
    }

    /// The refusal that a call would get now.
    pub fn refused(&self) -> Refused {
        let index = usize::from(self.cause.load(Relaxed));
        let cause = Cause::ALL.get(index).copied().unwrap_or(Cause::Refused);
        Refused { cause }
    }

    /// Whether the time that a success took makes a difference.
    pub const fn times_successes(&self) -> bool {
        self.rules.times_successes()
    }

    #[inline]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a permit that was handed back is gone"
    )]
    fn end(&self, permit: Permit, outcome: Outcome, now: u64, on: impl FnMut(&Transition)) {
        let Permit {
            started,
            generation,
            state,
        } = permit;
        let word = self.load();
        if word.generation() != generation {
            return;
        }
        let signal = self.rules.signal(outcome, started, now);
        if let Some(cause) = signal.cause() {
            self.remember(cause);
        }
        match state {
            State::HalfOpen => self.end_probe(word, signal, now, on),
            _ => self.end_call(word, signal, started, now, on),
        }
    }

    #[inline]
    fn end_call(
        &self,
        word: Word,
        signal: Signal,
        started: u64,
        now: u64,
        mut on: impl FnMut(&Transition),
    ) {
        let generation = word.generation();
        let is_current = || self.load().generation() == generation;
        let tripped = self
            .rules
            .record(signal, generation, started, now, is_current);
        let Some(why) = tripped else { return };
        let next = self.timing.open(word, now, 0);
        // While it is closed, the word changes at a transition only: one of the threads
        // that find so gets there first, and the others find that it is done.
        if self.replace(word, next).is_ok() {
            on(&Transition::new(word, next, why));
        }
    }

    fn end_probe(&self, mut word: Word, signal: Signal, now: u64, mut on: impl FnMut(&Transition)) {
        let generation = word.generation();
        while word.generation() == generation {
            let (next, why) = self.timing.after_probe(word, signal, now);
            match self.replace(word, next) {
                Ok(()) => {
                    if let Some(why) = why {
                        on(&Transition::new(word, next, why));
                    }
                    return;
                }
                Err(found) => word = found,
            }
        }
    }

    fn force(&self, phase: Phase, mut on: impl FnMut(&Transition)) {
        let mut word = self.load();
        loop {
            let next = word.next(phase);
            match self.replace(word, next) {
                Ok(()) => return on(&Transition::new(word, next, Why::Forced)),
                Err(found) => word = found,
            }
        }
    }

    #[inline]
    fn load(&self) -> Word {
        Word(self.word.0.load(Acquire))
    }

    fn replace(&self, word: Word, next: Word) -> Result<(), Word> {
        let replaced = self
            .word
            .0
            .compare_exchange(word.0, next.0, AcqRel, Acquire);
        replaced.map(drop).map_err(Word)
    }

    /// Writes only news, so that threads that fail alike do not fight for the line.
    fn remember(&self, cause: Cause) {
        let cause = cause as u8;
        if self.cause.load(Relaxed) != cause {
            self.cause.store(cause, Relaxed);
        }
    }
}

/// Nanoseconds, up to 584 years.
#[inline]
pub(super) fn nanos(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(time.subsec_nanos().into())
}

#[inline]
fn permit(word: Word, now: u64) -> Permit {
    Permit {
        generation: word.generation(),
        started: now,
        state: word.phase().state(),
    }
}
