//! When calls say that a breaker must open.

use super::{
    BreakerSettings, Outcome,
    breaker::nanos,
    streak::Streak,
    transition::Why,
    window::{Counts, Record, Window},
};
use types::Cause;

/// What an outcome says about the callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Succeeded { slow: bool },
    Failed { cause: Cause, slow: bool },
    Nothing,
}

impl Signal {
    pub(super) const fn cause(self) -> Option<Cause> {
        match self {
            Self::Failed { cause, .. } => Some(cause),
            Self::Succeeded { slow: true } => Some(Cause::Timeout),
            _ => None,
        }
    }
}

/// The rules in force, and what they have counted. Times are in nanoseconds.
#[derive(Debug)]
pub(super) struct Rules {
    failure_rate: Option<f64>,
    slow: Option<Slow>,
    consecutive: Option<u64>,
    min_calls: u64,
    cancelled_after: u64,
    /// Unless only failures in a row matter.
    window: Option<Window>,
    streak: Streak,
}

#[derive(Debug)]
struct Slow {
    rate: f64,
    call: u64,
}

impl Rules {
    pub(super) fn new(settings: &BreakerSettings) -> Self {
        let BreakerSettings {
            failure_rate,
            slow_rate,
            slow_call,
            consecutive,
            window,
            min_calls,
            cancelled_after,
            ..
        } = *settings;
        let slow = slow_rate.zip(slow_call);
        let shares = failure_rate.is_some() || slow.is_some();
        Self {
            failure_rate,
            slow: slow.map(|(rate, call)| Slow {
                rate,
                call: nanos(call),
            }),
            consecutive: consecutive.map(u64::from),
            min_calls: min_calls.into(),
            cancelled_after: nanos(cancelled_after),
            window: shares.then(|| Window::new(window)),
            streak: Streak::new(),
        }
    }

    pub(super) const fn times_successes(&self) -> bool {
        self.slow.is_some()
    }

    /// What the outcome of a call sent at `started` says at `now`. A call that its caller
    /// gave up after a while has failed (an outer time-out, a client that has left for want of
    /// an answer); after a shorter while, it says nothing (a hedge that has lost).
    #[inline]
    pub(super) fn signal(&self, outcome: Outcome, started: u64, now: u64) -> Signal {
        let age = now.saturating_sub(started);
        let slow = self.slow.as_ref().is_some_and(|slow| age >= slow.call);
        match outcome {
            Outcome::Success => Signal::Succeeded { slow },
            Outcome::Failure(cause) => Signal::Failed { cause, slow },
            Outcome::Cancelled if age >= self.cancelled_after => Signal::Failed {
                cause: Cause::Timeout,
                slow,
            },
            Outcome::Cancelled | Outcome::Ignored => Signal::Nothing,
        }
    }

    /// Counts a call that was admitted while closed; why the breaker must open now, if it
    /// must. Only a call that failed or was slow can say so.
    #[inline]
    pub(super) fn record(
        &self,
        signal: Signal,
        generation: u32,
        started: u64,
        now: u64,
        is_current: impl Fn() -> bool + Copy,
    ) -> Option<Why> {
        let record = match signal {
            Signal::Succeeded { slow } => Record {
                failed: false,
                slow,
            },
            Signal::Failed { slow, .. } => Record { failed: true, slow },
            Signal::Nothing => return None,
        };
        if let Some(window) = &self.window {
            window.record(record, generation, now, is_current);
        }
        let in_a_row = self.in_a_row(record, generation, started, now, is_current);
        if in_a_row {
            return Some(Why::Consecutive);
        }
        let news = record.failed || record.slow;
        let window = self.window.as_ref().filter(|_| news)?;
        self.too_many(window.counts(generation, now))
    }

    #[inline]
    fn in_a_row(
        &self,
        record: Record,
        generation: u32,
        started: u64,
        now: u64,
        is_current: impl Fn() -> bool,
    ) -> bool {
        let Some(most) = self.consecutive else {
            return false;
        };
        if record.failed {
            let failures = self.streak.failure(generation, started, is_current);
            return failures.is_some_and(|failures| failures >= most);
        }
        self.streak.success(generation, now, is_current);
        false
    }

    fn too_many(&self, counts: Counts) -> Option<Why> {
        let calls = counts.calls();
        if calls < self.min_calls {
            return None;
        }
        let reached = |part: u64, rate: f64| part as f64 >= rate * calls as f64;
        if self
            .failure_rate
            .is_some_and(|rate| reached(counts.failed, rate))
        {
            return Some(Why::FailureRate);
        }
        let slow = self.slow.as_ref()?;
        reached(counts.slow, slow.rate).then_some(Why::SlowRate)
    }
}
