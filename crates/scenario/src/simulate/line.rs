//! What a caller knows of one callee: where to send calls, and what to do about failures.

use super::{
    clock::Clock,
    gate::{Gate, Inside},
    lost::Lost,
    shelf::Shelf,
};
use crate::plan::Policy;
use resilience::{
    Failure,
    balance::{BalancePolicy, Board, Failover, Heartbeats, Pick, ReplicaState, Tried},
    circuit_breaker::{Breaker, Outcome, Permit},
    hedge::Trigger,
    retry::Bucket,
};
use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};
use types::{Cause, StoppedBy};

/// The state that calls of one caller to one callee share, under one policy.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) policy: Policy,
    pub(super) shelf: Option<Rc<Shelf>>,
    budget: Option<Rc<Bucket>>,
    hedge: Option<Rc<Hedge>>,
    board: Board,
    /// One of each replica, or one before all of them.
    breakers: Vec<Rc<Breaker>>,
    bulkheads: Vec<Rc<Gate>>,
    health: Rc<RefCell<Health>>,
}

/// When a second attempt is made, and what pays for it if retries have no budget.
#[derive(Debug)]
struct Hedge {
    trigger: Trigger,
    budget: Bucket,
}

/// What the heartbeats say.
#[derive(Debug)]
struct Health {
    replicas: Vec<Heartbeats>,
    failover: Failover,
}

impl Line {
    /// The line to so many replicas under `policy`. Parts that are as they were `before` keep
    /// their state.
    pub(super) fn new(policy: &Policy, replicas: usize, before: Option<&Self>, seed: u64) -> Self {
        let same_retry = before.filter(|line| line.policy.retry == policy.retry);
        let same_breaker = before.filter(|line| line.policy.breaker == policy.breaker);
        let same_hedge = before.filter(|line| line.policy.hedge == policy.hedge);
        let same_bulkhead = before.filter(|line| line.policy.bulkhead == policy.bulkhead);
        let same_cache = before.filter(|line| line.policy.cache == policy.cache);
        let budget = policy.retry.and_then(|retry| retry.settings().budget);
        let budget = budget.map(|budget| {
            let kept = same_retry.and_then(|line| line.budget.clone());
            kept.unwrap_or_else(|| Rc::new(Bucket::new(&budget)))
        });
        let hedge = policy.hedge.map(|hedge| {
            let kept = same_hedge.and_then(|line| line.hedge.clone());
            kept.unwrap_or_else(|| Rc::new(Hedge::new(hedge)))
        });
        let shelf = policy.cache.map(|cache| {
            let kept = same_cache.and_then(|line| line.shelf.clone());
            kept.unwrap_or_else(|| Rc::new(Shelf::new(cache)))
        });
        let board = board(policy, replicas, before);
        Self {
            policy: *policy,
            shelf,
            budget,
            hedge,
            health: health(&board, before),
            board,
            breakers: breakers(policy, replicas, same_breaker, seed),
            bulkheads: bulkheads(policy, replicas, same_bulkhead),
        }
    }

    /// How many replicas it knows.
    pub(super) fn replicas(&self) -> usize {
        self.board.replicas().len()
    }

    /// A call begins: it earns its part of a retry.
    pub(super) fn earn(&self) {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
    }

    /// Takes what a retry costs, if there is so much.
    pub(super) fn spend(&self, price: u32, now: Duration) -> bool {
        self.budget
            .as_ref()
            .is_none_or(|budget| budget.withdraw(price, wrapped(now)))
    }

    /// When an attempt that begins now is followed by a second one, if it is not answered; it
    /// earns its part of one.
    pub(super) fn hedge_after(&self) -> Option<Duration> {
        let hedge = self.hedge.as_ref()?;
        if self.budget.is_none() {
            hedge.budget.deposit();
        }
        Some(hedge.trigger.delay())
    }

    /// Takes what a hedge costs, if there is so much: of the budget of retries, if they have
    /// one.
    pub(super) fn spend_on_hedge(&self, now: Duration) -> bool {
        let own = self.hedge.as_ref().map(|hedge| &hedge.budget);
        let budget = self.budget.as_deref().or(own);
        budget.is_some_and(|budget| budget.withdraw(1, wrapped(now)))
    }

    /// An answer took so long; or had not come by then, and is not waited for.
    pub(super) fn took(&self, latency: Duration, answered: bool) {
        if let Some(hedge) = &self.hedge {
            hedge.trigger.took(latency, answered);
        }
    }

    /// Whether a further attempt would go to a replica that was not tried yet.
    pub(super) fn has_untried(&self, tried: &Tried, now: Duration) -> bool {
        self.board.has_untried(tried, now)
    }

    /// The replica that an attempt goes to. There is no `draw` where there is no choice.
    pub(super) fn choose(&self, tried: &Tried, draw: impl FnOnce() -> u64, now: Duration) -> usize {
        let is_alone = self.board.replicas().len() <= 1;
        let draw = if is_alone { 0 } else { draw() };
        let admits = |replica: usize| {
            let breaker = self.breaker(replica);
            let bulkhead = self.bulkheads.get(replica);
            breaker.is_none_or(|breaker| breaker.would_admit(now, |_| ()))
                && bulkhead.is_none_or(|bulkhead| bulkhead.has_room())
        };
        let chosen = self.board.choose(tried, draw, now, admits).unwrap_or(0);
        tried.mark(chosen);
        chosen
    }

    fn breaker(&self, replica: usize) -> Option<&Rc<Breaker>> {
        self.breakers.get(replica).or(self.breakers.first())
    }

    /// Asks breaker and bulkhead of a replica whether an attempt may be made.
    pub(super) async fn admit<'a>(
        &'a self,
        replica: usize,
        clock: &'a Clock,
    ) -> Result<Admitted<'a>, Lost> {
        self.board.began(replica);
        let mut admitted = Admitted {
            line: self,
            replica,
            began: clock.now(),
            permit: None,
            room: None,
            clock,
            is_over: false,
        };
        if let Some(breaker) = self.breaker(replica) {
            match breaker.try_acquire(clock.now(), |_| ()) {
                Ok(permit) => admitted.permit = Some((breaker, permit)),
                Err(refused) => {
                    admitted.end(Outcome::Ignored);
                    return Err(Lost::new(refused.cause, StoppedBy::BreakerOpen));
                }
            }
        }
        if let Some(bulkhead) = self.bulkheads.get(replica) {
            admitted.room = bulkhead.enter(clock).await;
            if admitted.room.is_none() {
                admitted.end(Outcome::Ignored);
                return Err(Lost::new(Cause::Shed, StoppedBy::BulkheadFull));
            }
        }
        Ok(admitted)
    }

    /// A replica was asked whether it is up, and has answered or not. Says which one is active
    /// from now on, if that is news.
    pub(super) fn heard(&self, replica: usize, answered: bool) -> Option<usize> {
        let mut health = self.health.borrow_mut();
        let up = health.replicas.get_mut(replica)?.heard(answered)?;
        self.board.set_up(replica, up);
        let active = health.failover.heard(replica, up)?;
        self.board.set_active(active);
        Some(active)
    }

    /// The one that all calls go to, if only one is active.
    pub(super) fn active(&self) -> Option<usize> {
        let is_first = self.board.policy().settings().pick == Pick::First;
        is_first.then(|| self.board.active())
    }
}

fn board(policy: &Policy, replicas: usize, before: Option<&Line>) -> Board {
    let known = before.map_or(&[][..], |line| line.board.replicas());
    let states: Vec<Arc<ReplicaState>> = grown(known, replicas, |_| ReplicaState::new());
    let board = Board::new(policy.balance.unwrap_or(BalancePolicy::PLAIN), states);
    board.set_active(before.map_or(0, |line| line.board.active()));
    if policy.balancing().check.is_none() {
        // Nobody would ever notice that one is back.
        (0..replicas).for_each(|replica| board.set_up(replica, true));
    }
    board
}

fn breakers(
    policy: &Policy,
    replicas: usize,
    before: Option<&Line>,
    seed: u64,
) -> Vec<Rc<Breaker>> {
    let Some(breaker) = policy.breaker else {
        return Vec::new();
    };
    let is_shared = policy.balancing().shared_breaker;
    let number = if is_shared { 1 } else { replicas };
    let same = before.filter(|line| line.policy.balancing().shared_breaker == is_shared);
    let known = same.map_or(&[][..], |line| &line.breakers);
    grown(known, number, |nth| {
        Rc::new(Breaker::new(breaker, seed.wrapping_add(nth as u64)))
    })
}

fn bulkheads(policy: &Policy, replicas: usize, before: Option<&Line>) -> Vec<Rc<Gate>> {
    let Some(limit) = policy.bulkhead else {
        return Vec::new();
    };
    let known = before.map_or(&[][..], |line| &line.bulkheads);
    grown(known, replicas, |_| Rc::new(Gate::new(limit)))
}

/// The first so many of those that are known, and new ones where there are not so many.
fn grown<T: Clone>(known: &[T], number: usize, new: impl Fn(usize) -> T) -> Vec<T> {
    let known = known.iter().take(number).cloned();
    let missing = (known.len()..number).map(new);
    known.chain(missing).collect()
}

/// What the heartbeats say of the replicas on `board`: they go on from what is known, as far as
/// the same are asked in the same way.
fn health(board: &Board, before: Option<&Line>) -> Rc<RefCell<Health>> {
    let is_same = |line: &&Line| {
        let replicas = line.board.replicas().len();
        line.board.policy() == board.policy() && replicas == board.replicas().len()
    };
    if let Some(line) = before.filter(is_same) {
        return line.health.clone();
    }
    let settings = board.policy().settings().check.unwrap_or_default();
    let up = || board.replicas().iter().map(|replica| replica.is_up());
    let failover = Failover::of(up().collect(), board.active());
    board.set_active(failover.active());
    Rc::new(RefCell::new(Health {
        replicas: up().map(|up| Heartbeats::new(&settings, up)).collect(),
        failover,
    }))
}

/// The bucket's time wraps around.
#[expect(clippy::cast_possible_truncation, reason = "meant to wrap around")]
const fn wrapped(now: Duration) -> u32 {
    now.as_millis() as u32
}

impl Hedge {
    fn new(policy: resilience::hedge::HedgePolicy) -> Self {
        let settings = policy.settings();
        Self {
            trigger: Trigger::new(settings),
            budget: Bucket::new(&settings.budget),
        }
    }
}

/// An attempt that is on its way. If it is given up, board, breaker and bulkhead hear of it.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    line: &'a Line,
    replica: usize,
    began: Duration,
    permit: Option<(&'a Rc<Breaker>, Permit)>,
    room: Option<Inside<'a>>,
    clock: &'a Clock,
    is_over: bool,
}

impl Admitted<'_> {
    /// The attempt has ended so.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.complete(outcome);
    }

    fn complete(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let now = self.clock.now();
        if let Some(room) = self.room.take() {
            room.end(now, outcome);
        }
        if let Some((breaker, permit)) = self.permit.take() {
            breaker.complete(permit, outcome, now, |_| ());
        }
        let latency = now.saturating_sub(self.began);
        let _ = self.line.board.ended(self.replica, outcome, latency, now);
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.complete(Outcome::Cancelled);
    }
}
