//! A service, its replicas, and what each of them can hold.

use super::{clock::Clock, gate::Gate, lost::Lost, tally::Tally};
use crate::{
    place::replica_name,
    plan::{Phase, Plan},
    topology::{Name, Order, Slots, Work},
};
use faults::{Decision, FaultSet, Injector, RequestKey};
use resilience::{balance::Pick, bulkhead::LimitPolicy};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many may wait for a slot of a relay that is told nothing else.
const QUEUE: u32 = 1024;

/// A service.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) name: Name,
    pub(super) calls: Vec<Called>,
    pub(super) order: Order,
    pub(super) work: Option<Work>,
    /// All that there may be, of which the first so many serve.
    pub(super) replicas: Vec<Replica>,
    pub(super) serving: Cell<usize>,
    pub(super) tally: Cell<Tally>,
    /// How long a replica takes to become the active one; none: none of them stands by.
    takeover: Option<Duration>,
}

/// One of the calls of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called {
    pub(super) callee: usize,
    /// How many calls to the same callee stand before it.
    pub(super) number: usize,
    /// Whether there is an answer without it.
    pub(super) is_soft: bool,
    /// Whether its answer may be used again.
    pub(super) is_cacheable: bool,
}

/// One process of a service.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) slots: Option<Room>,
    /// What goes wrong in each phase.
    faults: Vec<Injector>,
    /// How many requests it takes at once.
    shed: RefCell<Option<Rc<Gate>>>,
    /// From when on it serves; none: it stands by.
    serves_from: Cell<Option<Duration>>,
}

/// Slots, and places to wait for one.
#[derive(Debug)]
pub(super) struct Room {
    slots: Semaphore,
    queue: Semaphore,
    number: u32,
    taken: Cell<Taken>,
}

/// How long slots were taken, all together.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    now: u32,
    time: Duration,
    since: Duration,
}

impl Taken {
    fn until(self, now: Duration) -> Self {
        let time = self.time + now.saturating_sub(self.since) * self.now;
        Self {
            time,
            since: now,
            ..self
        }
    }
}

/// A slot that is taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'r> {
    room: &'r Room,
    clock: &'r Clock,
    _permit: SemaphorePermit<'r>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let taken = self.room.taken.get().until(self.clock.now());
        let now = taken.now.saturating_sub(1);
        self.room.taken.set(Taken { now, ..taken });
    }
}

impl Hop {
    pub(super) fn new(plan: &Plan, name: &Name, names: &[Name]) -> Self {
        let topology = plan.topology();
        let relay = topology.relay(name);
        let soft = topology.soft(name);
        let calls: Vec<_> = topology.awaited(name).collect();
        let called = |(nth, callee): (usize, &&Name)| {
            Some(Called {
                // Every callee is a service of the plan.
                callee: names.iter().position(|name| name == *callee)?,
                number: calls[..nth].iter().filter(|other| *other == callee).count(),
                is_soft: soft.contains(callee),
                is_cacheable: topology.is_cacheable(callee),
            })
        };
        let replica = |number| Replica::new(plan, name, number);
        let serving = topology.replicas(name);
        let scale = plan.scale().filter(|scale| scale.service == *name);
        let most = scale.map_or(serving, |scale| scale.max.max(serving));
        Self {
            name: name.clone(),
            calls: calls.iter().enumerate().filter_map(called).collect(),
            order: relay.map(|relay| relay.order).unwrap_or_default(),
            work: relay.and_then(|relay| relay.work),
            replicas: (0..most).map(replica).collect(),
            serving: Cell::new(usize::try_from(serving).unwrap_or(usize::MAX)),
            tally: Cell::default(),
            takeover: relay.and_then(|relay| relay.takeover),
        }
    }

    /// Counts something.
    pub(super) fn count(&self, one: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally.get();
        one(&mut tally);
        self.tally.set(tally);
    }

    /// A replica hears which role it has now: the active one begins to take over, if it has
    /// not yet.
    pub(super) fn tell(&self, replica: usize, is_active: bool, now: Duration) {
        let serves_from = &self.replicas[replica].serves_from;
        let since = serves_from
            .get()
            .unwrap_or(now.saturating_add(self.takeover.unwrap_or_default()));
        serves_from.set(is_active.then_some(since));
    }

    /// Whether a replica serves: unless it is one that stands by, each does.
    pub(super) fn serves(&self, replica: usize, phase: &Phase, now: Duration) -> bool {
        let may_stand_by = self.takeover.is_some();
        let is_first = phase.policy.balancing().pick == Pick::First;
        let serves_from = self.replicas[replica].serves_from.get();
        !(may_stand_by && is_first) || serves_from.is_some_and(|from| from <= now)
    }
}

impl Replica {
    fn new(plan: &Plan, name: &Name, number: u32) -> Self {
        let own = replica_name(name, number);
        let faults = |phase: &Phase| FaultSet {
            seed: plan.seed(),
            begin: None,
            faults: phase.faults_of(name, number),
        };
        let injector = |phase: &Phase| Injector::new(faults(phase), name.clone(), own.clone());
        let relay = plan.topology().relay(name);
        Self {
            slots: relay.and_then(|relay| relay.slots).map(Room::new),
            faults: plan.phases().iter().map(injector).collect(),
            shed: RefCell::default(),
            // The first one has been active for long when the load begins.
            serves_from: Cell::new((number == 0).then_some(Duration::ZERO)),
        }
    }

    /// What happens to the request `key` that comes now, in that phase.
    pub(super) fn decide(&self, phase: usize, key: &RequestKey, clock: &Clock) -> Decision {
        self.faults[phase].decide(key, clock.now())
    }

    /// The limit on requests that come in, under the policy in force.
    pub(super) fn shed(&self, policy: LimitPolicy) -> Rc<Gate> {
        let mut shed = self.shed.borrow_mut();
        let known = shed.take().filter(|gate| *gate.policy() == policy);
        let gate = known.unwrap_or_else(|| Rc::new(Gate::new(policy)));
        shed.insert(gate).clone()
    }
}

impl Room {
    fn new(slots: Slots) -> Self {
        let room = |places: u32| Semaphore::new(usize::try_from(places).unwrap_or(usize::MAX));
        Self {
            slots: room(slots.slots.get()),
            queue: room(slots.queue.unwrap_or(QUEUE)),
            number: slots.slots.get(),
            taken: Cell::default(),
        }
    }

    /// How many slots there are.
    pub(super) fn number(&self) -> f64 {
        self.number.into()
    }

    /// How long they were taken until `now`, all together.
    pub(super) fn busy(&self, now: Duration) -> Duration {
        self.taken.get().until(now).time
    }

    fn taken<'r>(&'r self, permit: SemaphorePermit<'r>, clock: &'r Clock) -> Slot<'r> {
        let taken = self.taken.get().until(clock.now());
        let now = taken.now + 1;
        self.taken.set(Taken { now, ..taken });
        Slot {
            room: self,
            clock,
            _permit: permit,
        }
    }

    pub(super) async fn slot<'r>(&'r self, clock: &'r Clock) -> Result<Slot<'r>, Lost> {
        if let Ok(permit) = self.slots.try_acquire() {
            return Ok(self.taken(permit, clock));
        }
        let full = |_| Lost::full();
        let _place = self.queue.try_acquire().map_err(full)?;
        // It is never closed.
        let permit = self.slots.acquire().await.map_err(|_| Lost::full())?;
        Ok(self.taken(permit, clock))
    }
}
