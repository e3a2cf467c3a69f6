//! The simulated chain: its services, what they know of each other, and one request's way.

use super::{clock::Clock, line::Line, lost::Lost};
use crate::{
    plan::{Phase, Plan, Policy},
    topology::{Name, Order, Slots, Work},
};
use faults::{FaultKind, FaultSet, Injector, RequestKey};
use futures_util::future::{LocalBoxFuture, try_join_all};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use resilience::{
    CallFailure, Failure,
    circuit_breaker::Outcome,
    retry::{Decision, Situation},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use types::{Cause, StoppedBy};

/// How long one exchange takes on one machine when nothing is wrong: the median of the four
/// of the textbook's chain is 0.7 ms.
const EXCHANGE: Duration = Duration::from_micros(700);

/// How many may wait for a slot of a relay that is told nothing else.
const QUEUE: u32 = 1024;

/// How well a request was answered; the worse, the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quality {
    Full,
    Degraded,
}

pub(super) type Answer = Result<Quality, Lost>;

/// A request, and the limits of its time.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) request: Arc<str>,
    /// Which attempt of which call this is, from the edge down.
    pub(super) path: String,
    /// When the answer must be there, as promised down the chain.
    pub(super) deadline: Option<Duration>,
}

/// A service.
#[derive(Debug)]
struct Hop {
    name: Name,
    calls: Vec<Called>,
    order: Order,
    work: Option<Work>,
    slots: Option<Room>,
    /// What goes wrong in each phase.
    faults: Vec<Injector>,
    attempts: Cell<u64>,
}

/// One of the calls of a service.
#[derive(Debug, Clone, Copy)]
struct Called {
    callee: usize,
    /// How many calls to the same callee stand before it.
    number: usize,
    /// Whether there is an answer without it.
    is_soft: bool,
}

/// Slots, and places to wait for one.
#[derive(Debug)]
struct Room {
    slots: Semaphore,
    queue: Semaphore,
}

/// All services of a plan in virtual time.
#[derive(Debug)]
pub(super) struct World<'a> {
    plan: &'a Plan,
    pub(super) clock: Clock,
    hops: Vec<Hop>,
    lines: RefCell<BTreeMap<(usize, usize), Rc<Line>>>,
    draws: RefCell<StdRng>,
}

/// The client calls the edge on a line of its own.
const CLIENT: usize = usize::MAX;

impl<'a> World<'a> {
    pub(super) fn new(plan: &'a Plan, draws: u64) -> Self {
        // Callers first: the edge stands at 0.
        let names: Vec<Name> = plan.services().into_iter().rev().collect();
        let hops = names.iter().map(|name| Hop::new(plan, name, &names));
        Self {
            hops: hops.collect(),
            plan,
            clock: Clock::default(),
            lines: RefCell::default(),
            draws: RefCell::new(StdRng::seed_from_u64(draws)),
        }
    }

    pub(super) const fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The client's request: answered within its patience, or lost.
    pub(super) async fn request(&self, ask: Ask) -> Answer {
        let phase = self.phase();
        let policy = Policy {
            retry: phase.policy.retry.filter(|_| phase.policy.client_retries),
            ..Policy::default()
        };
        let line = self.line(CLIENT, 0, &policy);
        let patience = Some(self.clock.now().saturating_add(phase.load.patience));
        self.call(&line, 0, 0, &ask, patience).await
    }

    /// How many attempts reached each service.
    pub(super) fn attempts(&self) -> BTreeMap<Name, u64> {
        let each = self.hops.iter();
        each.map(|hop| (hop.name.clone(), hop.attempts.get()))
            .collect()
    }

    fn place(&self) -> usize {
        let now = self.clock.now();
        let begun = |phase: &&Phase| phase.start <= now;
        let begun = self.plan.phases().iter().take_while(begun).count();
        begun.saturating_sub(1)
    }

    fn phase(&self) -> &'a Phase {
        &self.plan.phases()[self.place()]
    }

    /// What `caller` knows of the callee of its `nth` call, under the policy in force.
    fn line(&self, caller: usize, nth: usize, policy: &Policy) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        let known = lines.get(&(caller, nth));
        if let Some(line) = known.filter(|line| line.policy == *policy) {
            return line.clone();
        }
        let seed = self.draws.borrow_mut().random();
        let line = Rc::new(Line::new(policy, known.map(|line| &**line), seed));
        lines.insert((caller, nth), line.clone());
        line
    }

    fn draw(&self) -> f64 {
        self.draws.borrow_mut().random()
    }

    /// One call, with as many attempts as the policy allows until `limit`. It is call number
    /// `number` to this callee.
    async fn call(
        &self,
        line: &Line,
        callee: usize,
        number: usize,
        ask: &Ask,
        limit: Option<Duration>,
    ) -> Answer {
        let attempts = self.attempts_of(line, callee, number, ask, limit);
        let answer = self.clock.by(limit, attempts).await;
        answer.unwrap_or_else(|| Err(Lost::new(Cause::Timeout, StoppedBy::Deadline)))
    }

    async fn attempts_of(
        &self,
        line: &Line,
        callee: usize,
        number: usize,
        ask: &Ask,
        limit: Option<Duration>,
    ) -> Answer {
        line.earn();
        let mut retries = 0;
        loop {
            let path = child_path(&ask.path, &self.hops[callee].name, number, retries);
            let ask = Ask {
                path,
                ..ask.clone()
            };
            let mut lost = match self.attempt(line, callee, ask).await {
                Ok(quality) => return Ok(quality),
                Err(lost) => lost,
            };
            let Some(retry) = line.policy.retry else {
                return Err(lost);
            };
            let situation = Situation {
                retries,
                repeatable: true,
                remaining: limit.map(|limit| limit.saturating_sub(self.clock.now())),
                draw: self.draw(),
            };
            match retry.decide(&lost, &situation) {
                Decision::Retry { pause, price } if line.spend(price, self.clock.now()) => {
                    self.clock.sleep(pause).await;
                    retries += 1;
                }
                Decision::Retry { .. } => lost.stop(StoppedBy::Budget),
                Decision::Stop(by) => lost.stop(by),
            }
            if lost.stopped_by() != StoppedBy::Attempts || retries == situation.retries {
                return Err(lost);
            }
        }
    }

    /// One attempt, if the breaker admits it.
    async fn attempt(&self, line: &Line, callee: usize, ask: Ask) -> Answer {
        let refused = |refused: resilience::circuit_breaker::Refused| {
            Lost::new(refused.cause, StoppedBy::BreakerOpen)
        };
        let admitted = line.admit(&self.clock).map_err(refused)?;
        let hop = &self.hops[callee];
        hop.attempts.set(hop.attempts.get() + 1);
        let timeout = line.policy.attempt_timeout;
        let limit = timeout.map(|timeout| self.clock.now().saturating_add(timeout));
        let answer = self.clock.by(limit, self.serve(callee, ask)).await;
        let answer = answer.unwrap_or_else(|| Err(Lost::here(Cause::Timeout)));
        let outcome = answer.map_or_else(Lost::outcome, |_| Outcome::Success);
        admitted.end(outcome);
        answer
    }

    /// A request at a service: its faults, its work and its calls, until the deadline.
    fn serve(&self, at: usize, mut ask: Ask) -> LocalBoxFuture<'_, Answer> {
        let cap = self.phase().policy.deadline;
        let cap = cap.map(|cap| self.clock.now().saturating_add(cap));
        ask.deadline = ask.deadline.into_iter().chain(cap).min();
        Box::pin(async move {
            let limit = ask.deadline;
            let done = self.clock.by(limit, self.handle(at, &ask)).await;
            let late = Lost::new(Cause::Timeout, StoppedBy::Deadline).passed_on(false);
            done.unwrap_or(Err(late))
        })
    }

    async fn handle(&self, at: usize, ask: &Ask) -> Answer {
        let hop = &self.hops[at];
        self.clock.sleep(EXCHANGE).await;
        let key = RequestKey {
            request_id: ask.request.clone(),
            attempt_path: ask.path.as_str().into(),
        };
        let decision = hop.faults[self.place()].decide(&key, self.clock.now());
        self.clock.sleep(decision.delay()).await;
        match decision.end().map(|firing| firing.kind) {
            Some(FaultKind::Error) => return Err(Lost::here(Cause::Error)),
            Some(FaultKind::Reset) => return Err(Lost::here(Cause::Reset)),
            Some(FaultKind::Hang) => std::future::pending().await,
            Some(FaultKind::Delay(_)) | None => {}
        }
        let _slot = match &hop.slots {
            Some(room) => Some(room.slot().await?),
            None => None,
        };
        if let Some(work) = hop.work {
            self.clock.sleep(work.time()).await;
        }
        self.call_all(at, ask).await
    }

    /// The calls of a service, in turn or at once.
    async fn call_all(&self, at: usize, ask: &Ask) -> Answer {
        let hop = &self.hops[at];
        let calls = (0..hop.calls.len()).map(|nth| self.call_nth(at, nth, ask));
        let answers = match hop.order {
            Order::Parallel => try_join_all(calls).await?,
            Order::Sequence => {
                let mut answers = Vec::with_capacity(hop.calls.len());
                for call in calls {
                    answers.push(call.await?);
                }
                answers
            }
        };
        let worst = answers.into_iter().max();
        Ok(worst.unwrap_or(Quality::Full))
    }

    /// The `nth` call of a service; without the answer of a soft one it can do.
    async fn call_nth(&self, at: usize, nth: usize, ask: &Ask) -> Answer {
        let policy = &self.phase().policy;
        let line = self.line(at, nth, policy);
        let called = self.hops[at].calls[nth];
        let call = self.call(&line, called.callee, called.number, ask, ask.deadline);
        match call.await {
            Err(_) if called.is_soft => Ok(Quality::Degraded),
            Err(lost) => Err(lost.passed_on(policy.retry.is_some())),
            answer => answer,
        }
    }
}

impl Room {
    fn new(slots: Slots) -> Self {
        let room = |places: u32| Semaphore::new(usize::try_from(places).unwrap_or(usize::MAX));
        Self {
            slots: room(slots.slots.get()),
            queue: room(slots.queue.unwrap_or(QUEUE)),
        }
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>, Lost> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        let full = |_| Lost::here(Cause::Shed);
        let _place = self.queue.try_acquire().map_err(full)?;
        // It is never closed.
        self.slots
            .acquire()
            .await
            .map_err(|_| Lost::here(Cause::Shed))
    }
}

impl Hop {
    fn new(plan: &Plan, name: &Name, names: &[Name]) -> Self {
        let relay = plan.topology().relay(name);
        let calls = plan.topology().calls(name);
        let called = |(nth, callee): (usize, &Name)| {
            Some(Called {
                // Every callee is a service of the plan.
                callee: names.iter().position(|name| name == callee)?,
                number: calls[..nth].iter().filter(|other| *other == callee).count(),
                is_soft: relay.is_some_and(|relay| relay.soft.contains(callee)),
            })
        };
        let replica = format!("{name}-0");
        let faults = |phase: &Phase| FaultSet {
            seed: plan.seed(),
            begin: None,
            faults: phase.faults_of(name),
        };
        let injector = |phase: &Phase| Injector::new(faults(phase), name.clone(), replica.as_str());
        Self {
            name: name.clone(),
            calls: calls.iter().enumerate().filter_map(called).collect(),
            order: relay.map(|relay| relay.order).unwrap_or_default(),
            work: relay.and_then(|relay| relay.work),
            slots: relay.and_then(|relay| relay.slots).map(Room::new),
            faults: plan.phases().iter().map(injector).collect(),
            attempts: Cell::default(),
        }
    }
}

/// The path of an attempt, as real services name it.
fn child_path(parent: &str, callee: &str, call: usize, attempt: u32) -> String {
    let separator = if parent.is_empty() { "" } else { "/" };
    match call {
        0 => format!("{parent}{separator}{callee}:{attempt}"),
        _ => format!("{parent}{separator}{callee}.{call}:{attempt}"),
    }
}
