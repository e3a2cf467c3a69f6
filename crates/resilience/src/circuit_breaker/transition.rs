//! What a breaker tells of itself.

use super::{State, state::Word};

/// A change of state: the beginning of a generation. Each generation has exactly one.
///
/// Threads that race may report them out of order; the generation tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state that has ended.
    pub from: State,
    /// The state that begins.
    pub to: State,
    /// The generation that begins, counted from 0. After four million, they begin again.
    pub generation: u32,
    /// What led to it.
    pub why: Why,
}

impl Transition {
    /// All that calls and time can cause, as state before, state after and reason. A transition
    /// that is [`Why::Forced`] may lead from any state to any other.
    pub const POSSIBLE: [(State, State, Why); 8] = [
        (State::Closed, State::Open, Why::FailureRate),
        (State::Closed, State::Open, Why::SlowRate),
        (State::Closed, State::Open, Why::Consecutive),
        (State::Open, State::HalfOpen, Why::OpenTimeOver),
        (State::HalfOpen, State::Closed, Why::ProbesSucceeded),
        (State::HalfOpen, State::Open, Why::ProbeFailed),
        (State::HalfOpen, State::Open, Why::ProbeSlow),
        (State::HalfOpen, State::Open, Why::ProbeLost),
    ];

    pub(super) const fn new(from: Word, to: Word, why: Why) -> Self {
        Self {
            from: from.phase().state(),
            to: to.phase().state(),
            generation: to.generation(),
            why,
        }
    }
}

/// What led to a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Too large a share of the window's calls has failed.
    FailureRate,
    /// Too large a share of the window's calls was slow.
    SlowRate,
    /// Too many calls in a row have failed.
    Consecutive,
    /// The open time is over.
    OpenTimeOver,
    /// As many probes as needed have succeeded.
    ProbesSucceeded,
    /// A probe has failed.
    ProbeFailed,
    /// A probe has succeeded, slowly.
    ProbeSlow,
    /// Nothing was heard of a probe within its lease.
    ProbeLost,
    /// Somebody said so.
    Forced,
}

impl Why {
    /// The word used in spans and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureRate => "failure_rate",
            Self::SlowRate => "slow_rate",
            Self::Consecutive => "consecutive",
            Self::OpenTimeOver => "open_time_over",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::ProbeFailed => "probe_failed",
            Self::ProbeSlow => "probe_slow",
            Self::ProbeLost => "probe_lost",
            Self::Forced => "forced",
        }
    }
}

/// Hears of transitions. The unit type listens to nothing.
pub trait Observe {
    /// A generation has begun. Called outside of any lock, on the thread that caused it.
    fn transition(&self, transition: &Transition) {
        let _ = transition;
    }
}

/// Sees each request that is admitted, before it goes on.
pub trait ObserveCall<R>: Observe {
    /// `request` was admitted in `state`: closed, or half-open if it is a probe.
    fn admitted(&self, request: &mut R, state: State) {
        let _ = (request, state);
    }
}

impl Observe for () {}
impl<R> ObserveCall<R> for () {}
