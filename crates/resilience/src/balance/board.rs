//! The core: which replica a call goes to.

use super::{BalancePolicy, Ejection, Pick, ReplicaState, RetryTo, Tried, ejections::Ejections};
use crate::{
    circuit_breaker::Outcome,
    sync::{AtomicUsize, Ordering::Relaxed},
};
use std::{sync::Arc, time::Duration};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

/// The replicas of one callee, and what is known of them. Without a clock of its own: `now`
/// is always the time since an origin of the caller's choice.
///
/// Shared by reference: nothing in it locks, waits or allocates.
///
/// ```
/// use resilience::{balance::{BalancePolicy, Board, ReplicaState, Tried}, circuit_breaker::Outcome};
/// # use std::time::Duration;
/// # use types::Cause;
/// let (now, latency) = (Duration::ZERO, Duration::from_millis(5));
/// let board = Board::new(BalancePolicy::default(), vec![ReplicaState::new(), ReplicaState::new()]);
///
/// let tried = Tried::default();
/// let first = board.choose(&tried, 42, now, |_| true).expect("there are replicas");
/// tried.mark(first);
/// board.began(first);
/// board.ended(first, Outcome::Failure(Cause::Reset), latency, now);
///
/// // The second attempt goes elsewhere.
/// assert_eq!(board.choose(&tried, 42, now, |_| true), Some(1 - first));
/// ```
#[derive(Debug)]
pub struct Board {
    policy: BalancePolicy,
    replicas: Box<[Arc<ReplicaState>]>,
    ejections: Option<Ejections>,
    active: AtomicUsize,
}

impl Board {
    /// A board of `replicas`, the first of which is active. Those that were ejected on another
    /// board, in the same time, are out until then: as many as this one lets be out.
    pub fn new(policy: BalancePolicy, replicas: Vec<Arc<ReplicaState>>) -> Self {
        let settings = policy.settings();
        // Where one serves, nothing is left to be left out.
        let eject = settings.eject.filter(|_| settings.pick != Pick::First);
        Self {
            ejections: eject.map(|settings| Ejections::new(settings, &replicas)),
            policy,
            replicas: replicas.into(),
            active: AtomicUsize::new(0),
        }
    }

    /// Its policy.
    pub const fn policy(&self) -> &BalancePolicy {
        &self.policy
    }

    /// What is known of each replica.
    pub fn replicas(&self) -> &[Arc<ReplicaState>] {
        &self.replicas
    }

    /// Where a call goes that has `tried` some, if any `draw` of 64 bits is as likely as any
    /// other. `admits` says whether breaker and bulkhead of a replica would let it pass. None
    /// only if there are no replicas.
    ///
    /// Candidates are, of the usable replicas, those that admit the call and that it has not
    /// tried; if there are none, those that admit it; then any, whose breaker refuses; then
    /// those that are not usable.
    pub fn choose(
        &self,
        tried: &Tried,
        draw: u64,
        now: Duration,
        admits: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if let Some(given) = self.given(tried) {
            return Some(given);
        }
        let all = self.are_too_few_usable(now);
        let retry = self.policy.settings().retry;
        let another = retry == RetryTo::Another;
        // Anywhere means anywhere: the one that has just failed is the one that is loaded.
        let anywhere = retry == RetryTo::Random && tried.first().is_some();
        let usable = |it| all || self.is_usable(it, now);
        let admitted = |it| usable(it) && admits(it);
        let untried = |it| !(another && tried.contains(it)) && admitted(it);
        let draws = Draws(draw);
        let by_load = self.policy.settings().pick == Pick::LessLoaded && !anywhere;
        let now = by_load.then_some(now);
        self.pick(draws, now, untried)
            .or_else(|| self.pick(draws, now, admitted))
            .or_else(|| self.pick(draws, now, usable))
            .or_else(|| self.pick(draws, now, |_| true))
    }

    /// Whether a further attempt would go to a usable replica that was not tried yet.
    pub fn has_untried(&self, tried: &Tried, now: Duration) -> bool {
        let settings = self.policy.settings();
        let goes_on = settings.retry == RetryTo::Another && settings.pick != Pick::First;
        let is_new = |it: &usize| !tried.contains(*it) && self.is_usable(*it, now);
        goes_on && tried.first().is_some() && (0..self.replicas.len()).any(|it| is_new(&it))
    }

    /// Where there is no choice.
    fn given(&self, tried: &Tried) -> Option<usize> {
        let settings = self.policy.settings();
        let given = match (settings.pick, settings.retry) {
            (Pick::First, _) => self.active(),
            (_, RetryTo::Same) => tried.first()?,
            _ => return None,
        };
        (given < self.replicas.len()).then_some(given)
    }

    /// Whether so few are usable that all are used.
    fn are_too_few_usable(&self, now: Duration) -> bool {
        let usable = self.replicas.len() - self.left_out(now);
        let least = self.policy.settings().panic_below * self.replicas.len() as f64;
        (usable as f64) < least
    }

    /// One of the candidates: by the load that each has `now`, or any.
    fn pick(
        &self,
        mut draws: Draws,
        now: Option<Duration>,
        is_candidate: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let (one, other) = self.draw_two(&mut draws, is_candidate)?;
        // Two are drawn as a pair; which one comes first is drawn as well.
        let (one, other) = match draws.below(2) {
            0 => (one, other),
            _ => (other, one),
        };
        let is_better = |now| self.replicas[other].is_less_loaded_than(&self.replicas[one], now);
        Some(if now.is_some_and(is_better) {
            other
        } else {
            one
        })
    }

    /// Two of the candidates, any pair as likely as any other; the only one twice. One look
    /// at each, and no list of them: the k-th replaces one of the two with probability 2/k
    /// (reservoir sampling: Vitter, "Random sampling with a reservoir", 1985).
    fn draw_two(
        &self,
        draws: &mut Draws,
        is_candidate: impl Fn(usize) -> bool,
    ) -> Option<(usize, usize)> {
        let mut candidates = (0..self.replicas.len()).filter(|it| is_candidate(*it));
        let mut one = candidates.next()?;
        let Some(mut other) = candidates.next() else {
            return Some((one, one));
        };
        for (seen, candidate) in (3..).zip(candidates) {
            match draws.below(seen) {
                0 => one = candidate,
                1 => other = candidate,
                _ => {}
            }
        }
        Some((one, other))
    }

    /// A call goes to `replica`.
    pub fn began(&self, replica: usize) {
        if let Some(replica) = self.replicas.get(replica) {
            replica.began();
        }
    }

    /// It has ended, after `latency`. Says so if the replica is ejected for it.
    ///
    /// A call that was given up says that the replica takes at least so long.
    pub fn ended(
        &self,
        replica: usize,
        outcome: Outcome,
        latency: Duration,
        now: Duration,
    ) -> Option<Ejection> {
        let state = self.replicas.get(replica)?;
        state.ended();
        match outcome {
            Outcome::Success => state.succeeded(latency, now),
            Outcome::Cancelled => state.given_up(latency, now),
            Outcome::Ignored => {}
            Outcome::Failure(_) => {
                let failures = state.failed(latency, now);
                let ejections = self.ejections.as_ref()?;
                return ejections.failed(replica, state, failures, now);
            }
        }
        None
    }

    /// Whether `replica` is neither ejected nor down.
    pub fn is_usable(&self, replica: usize, now: Duration) -> bool {
        let state = self.replicas.get(replica);
        state.is_some_and(|state| state.is_up()) && !self.is_ejected(replica, now)
    }

    /// How many replicas are left out at `now`: ejected, or down by their heartbeats.
    pub fn left_out(&self, now: Duration) -> usize {
        let all = 0..self.replicas.len();
        all.filter(|it| !self.is_usable(*it, now)).count()
    }

    /// Whether `replica` is left out at `now` because it kept failing.
    pub fn is_ejected(&self, replica: usize, now: Duration) -> bool {
        let ejections = self.ejections.as_ref();
        ejections.is_some_and(|ejections| ejections.is_ejected(replica, now))
    }

    /// What the heartbeats say of `replica`.
    pub fn set_up(&self, replica: usize, up: bool) {
        if let Some(replica) = self.replicas.get(replica) {
            replica.set_up(up);
        }
    }

    /// From now on, `replica` is the active one.
    pub fn set_active(&self, replica: usize) {
        self.active.store(replica, Relaxed);
    }

    /// The one that all calls go to with [`Pick::First`].
    pub fn active(&self) -> usize {
        self.active.load(Relaxed)
    }
}

/// Numbers drawn one after the other (`SplitMix64`: Steele, Lea, Flood, 2014).
#[derive(Debug, Clone, Copy)]
struct Draws(u64);

impl Draws {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let scaled = u128::from(mixed) * u128::from(end);
        u64::try_from(scaled >> 64).unwrap_or_default()
    }
}
