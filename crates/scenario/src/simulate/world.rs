//! The simulated chain: its services, what they know of each other, and one request's way.

use super::{call::Call, clock::Clock, hop::Hop, line::Line, lost::Lost};
use crate::{
    plan::{Phase, Plan, Policy},
    topology::{Name, Order, Topology},
};
use faults::{FaultKind, RequestKey};
use futures_util::future::{LocalBoxFuture, try_join_all};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use resilience::{Failure, balance::Tried, circuit_breaker::Outcome};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use types::{Cause, StoppedBy};

/// How long one exchange takes on one machine when nothing is wrong: the median of the four
/// of the textbook's chain is 0.7 ms.
pub(super) const EXCHANGE: Duration = Duration::from_micros(700);

/// So many users ask for their page in turn, as in a real run.
const USERS: u64 = 8;

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
    /// Who asks: caches keep what each is told apart.
    pub(super) user: u64,
    /// Which attempt of which call this is, from the edge down.
    pub(super) path: String,
    /// Whether that is the first of its call.
    pub(super) is_first: bool,
    /// When the answer must be there, as promised down the chain.
    pub(super) deadline: Option<Duration>,
}

/// One replica of one service, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) hop: usize,
    pub(super) replica: usize,
}

/// All services of a plan in virtual time.
#[derive(Debug)]
pub(super) struct World<'a> {
    plan: &'a Plan,
    pub(super) clock: Clock,
    pub(super) hops: Vec<Hop>,
    lines: RefCell<BTreeMap<(Spot, usize), Rc<Line>>>,
    draws: RefCell<StdRng>,
}

/// The client calls the edge on a line of its own.
const CLIENT: Spot = Spot {
    hop: usize::MAX,
    replica: 0,
};

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

    /// Who asks with the request of that number.
    pub(super) const fn user_of(&self, number: u64) -> u64 {
        match self.plan.topology() {
            Topology::Sequence { .. } => number % USERS,
            Topology::Graph { .. } => 0,
        }
    }

    /// The client's request: answered within its deadline and its patience, or lost.
    pub(super) async fn request(&self, mut ask: Ask) -> Answer {
        let phase = self.phase();
        let policy = phase.policy.of_client();
        let line = self.line((CLIENT, 0), 0, &policy);
        let after = |limit| self.clock.now().saturating_add(limit);
        ask.deadline = policy.deadline.map(after);
        let patience = after(phase.load.patience);
        let call = Call {
            line: &line,
            callee: 0,
            number: 0,
            is_cacheable: false,
            ask: &ask,
            limit: ask.deadline.into_iter().chain([patience]).min(),
            begun: Cell::default(),
            tried: Tried::default(),
        };
        let answer = self.call(&call).await;
        if let Err(lost) = answer {
            self.hops[lost.origin(0)].count(|tally| tally.lost += 1);
        }
        answer
    }

    /// The phase that it is, by its number.
    pub(super) fn place(&self) -> usize {
        let now = self.clock.now();
        let begun = |phase: &&Phase| phase.start <= now;
        let begun = self.plan.phases().iter().take_while(begun).count();
        begun.saturating_sub(1)
    }

    pub(super) fn phase(&self) -> &'a Phase {
        &self.plan.phases()[self.place()]
    }

    /// What `caller` knows of the callee of its `nth` call, under the policy in force.
    pub(super) fn line_of(&self, caller: Spot, nth: usize) -> Rc<Line> {
        let next = self.hops[caller.hop].calls[nth].callee;
        self.line((caller, nth), next, &self.phase().policy)
    }

    fn line(&self, way: (Spot, usize), hop: usize, policy: &Policy) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        let known = lines.get(&way);
        let replicas = self.hops[hop].serving.get();
        let is_same = |line: &&Rc<Line>| line.policy == *policy && line.replicas() == replicas;
        if let Some(line) = known.filter(is_same) {
            return line.clone();
        }
        let seed = self.draws.borrow_mut().random();
        let line = Line::new(policy, replicas, known.map(|line| &**line), seed);
        let line = Rc::new(line);
        lines.insert(way, line.clone());
        line
    }

    pub(super) fn draw(&self) -> f64 {
        self.draws.borrow_mut().random()
    }

    pub(super) fn draw_bits(&self) -> u64 {
        self.draws.borrow_mut().random()
    }

    /// A request at a service: its faults, its work and its calls, until the deadline.
    pub(super) fn serve(&self, at: Spot, mut ask: Ask) -> LocalBoxFuture<'_, Answer> {
        let cap = self.phase().policy.deadline;
        let cap = cap.map(|cap| self.clock.now().saturating_add(cap));
        ask.deadline = ask.deadline.into_iter().chain(cap).min();
        Box::pin(async move {
            let limit = ask.deadline;
            let work = Box::pin(self.arrive(at, &ask));
            let done = self.clock.by(limit, work).await;
            let late = Lost::new(Cause::Timeout, StoppedBy::Deadline);
            done.unwrap_or(Err(late.at(at.hop).passed_on(false)))
        })
    }

    /// A request is taken in, if there are not too many already.
    async fn arrive(&self, at: Spot, ask: &Ask) -> Answer {
        self.clock.sleep(EXCHANGE).await;
        let hop = &self.hops[at.hop];
        let Some(shed) = self.phase().policy.shed else {
            return self.handle(at, ask).await;
        };
        let gate = hop.replicas[at.replica].shed(shed);
        let Some(inside) = gate.enter(&self.clock).await else {
            hop.count(|tally| tally.refused += 1);
            return Err(Lost::full().at(at.hop));
        };
        let answer = self.handle(at, ask).await;
        let outcome = answer.map_or_else(Lost::outcome, |_| Outcome::Success);
        inside.end(self.clock.now(), outcome);
        answer
    }

    async fn handle(&self, at: Spot, ask: &Ask) -> Answer {
        let hop = &self.hops[at.hop];
        let replica = &hop.replicas[at.replica];
        self.suffer(at, ask).await.map_err(|lost| lost.at(at.hop))?;
        if !hop.serves(at.replica, self.phase(), self.clock.now()) {
            return Err(Lost::here(Cause::Error).at(at.hop));
        }
        let _slot = match &replica.slots {
            Some(room) => Some(room.slot(&self.clock).await.map_err(|lost| {
                hop.count(|tally| tally.refused += 1);
                lost.at(at.hop)
            })?),
            None => None,
        };
        hop.count(|tally| tally.first_passed += u64::from(ask.is_first));
        if let Some(work) = hop.work {
            self.clock.sleep(work.time()).await;
        }
        self.call_all(at, ask).await
    }

    /// What goes wrong at a replica.
    async fn suffer(&self, at: Spot, ask: &Ask) -> Result<(), Lost> {
        let key = RequestKey {
            request_id: ask.request.clone(),
            attempt_path: ask.path.as_str().into(),
        };
        let replica = &self.hops[at.hop].replicas[at.replica];
        let decision = replica.decide(self.place(), &key, &self.clock);
        self.clock.sleep(decision.delay()).await;
        match decision.end().map(|firing| firing.kind) {
            Some(FaultKind::Error) => Err(Lost::here(Cause::Error)),
            Some(FaultKind::Reset) => Err(Lost::here(Cause::Reset)),
            Some(FaultKind::Hang) => std::future::pending().await,
            Some(FaultKind::Delay(_)) | None => Ok(()),
        }
    }

    /// The calls of a service, in turn or at once.
    async fn call_all(&self, at: Spot, ask: &Ask) -> Answer {
        let hop = &self.hops[at.hop];
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
    async fn call_nth(&self, at: Spot, nth: usize, ask: &Ask) -> Answer {
        let line = self.line_of(at, nth);
        let called = self.hops[at.hop].calls[nth];
        let call = Call {
            line: &line,
            callee: called.callee,
            number: called.number,
            is_cacheable: called.is_cacheable,
            ask,
            limit: ask.deadline,
            begun: Cell::default(),
            tried: Tried::default(),
        };
        match self.call(&call).await {
            Err(_) if called.is_soft => Ok(Quality::Degraded),
            Err(lost) => Err(lost.passed_on(line.policy.retry.is_some())),
            answer => answer,
        }
    }
}
