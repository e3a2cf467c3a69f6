//! Who calls whom, and how many replicas of each there are.

use crate::place::replica_name;
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc, time::Duration};
use types::service::{AUDIT, AUTH, GATEWAY};

/// The name of a service.
pub type Name = Arc<str>;

/// A relay: whom it calls, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relay {
    /// Its name.
    pub name: Name,
    /// Whom it calls; a name may stand here twice.
    pub calls: Vec<Name>,
    /// In which order.
    #[serde(skip_serializing_if = "is_default")]
    pub order: Order,
    /// Those of them without which it answers too, marked as degraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub soft: Vec<Name>,
    /// What a request costs before the calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// How many requests it handles at once; none: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<Slots>,
    /// How many replicas of it there are: one or more.
    #[serde(skip_serializing_if = "is_one")]
    pub replicas: u32,
    /// How long a standby replica needs before it serves, once it is told that it is the
    /// active one; none: no time.
    #[serde(
        rename = "takeover_ms",
        serialize_with = "crate::plan::optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub takeover: Option<Duration>,
}

impl Relay {
    /// A relay that does nothing but call others, one after the other.
    pub const fn new(name: Name, calls: Vec<Name>) -> Self {
        Self {
            name,
            calls,
            order: Order::Sequence,
            soft: Vec::new(),
            work: None,
            slots: None,
            replicas: 1,
            takeover: None,
        }
    }
}

/// In which order a relay makes its calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One after the other; the first failure ends it.
    #[default]
    Sequence,
    /// All at the same time, whatever becomes of the others.
    Parallel,
}

/// What a request costs a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// So much time on a core.
    Cpu(Duration),
    /// So much time that passes.
    Wait(Duration),
}

impl Work {
    /// The same, and so much more.
    pub(crate) fn and(self, more: Duration) -> Self {
        match self {
            Self::Cpu(time) => Self::Cpu(time + more),
            Self::Wait(time) => Self::Wait(time + more),
        }
    }

    /// How long it takes at least.
    pub const fn time(self) -> Duration {
        match self {
            Self::Cpu(time) | Self::Wait(time) => time,
        }
    }
}

/// As relays are told, and as it is written in scenarios: `cpu:2ms`.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Cpu(_) => "cpu",
            Self::Wait(_) => "wait",
        };
        // In one word: a relay is told on its command line.
        write!(f, "{kind}:{}ms", self.time().as_millis())
    }
}

impl Serialize for Work {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How many requests a relay handles at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Slots {
    /// So many, from their work to their answer.
    pub slots: NonZeroU32,
    /// So many may wait for a slot, and more are refused; none: as the relay has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde calls"
)]
const fn is_one(replicas: &u32) -> bool {
    *replicas == 1
}

/// How the gateway finds out who is asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// It asks auth, which knows of every revocation.
    #[default]
    Auth,
    /// It checks the token's signature itself: auth is not on the way of a page.
    Local,
}

/// The services of a chain, and who calls whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum Topology {
    /// The gateway calls each of the hops in turn. Each step needs the one before.
    Sequence {
        /// The services behind the gateway, in the order of their calls.
        hops: Vec<Name>,
        /// Those of them without which the gateway answers too, degraded.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        soft: Vec<Name>,
        /// Those that are told later, so that no request waits for them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        queued: Vec<Name>,
        /// How the gateway finds out who is asking.
        #[serde(skip_serializing_if = "is_default")]
        verify: Verify,
        /// How many replicas there are of those that have more than one.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        replicas: BTreeMap<Name, u32>,
    },
    /// Relays that call each other, without a cycle.
    Graph {
        /// The relay that the client calls.
        root: Name,
        /// All relays, callers before the called; the root comes first.
        services: Vec<Relay>,
    },
}

/// One call of a service on the way of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The service.
    pub service: Name,
    /// How many callers stand above it; 0 at the edge.
    pub depth: usize,
    /// Whether its caller answers without it too.
    pub is_soft: bool,
    /// How many visits follow from it, itself included: they come right after it.
    pub size: usize,
}

impl Topology {
    /// The service that the client calls.
    pub fn edge(&self) -> Name {
        match self {
            Self::Sequence { .. } => GATEWAY.into(),
            Self::Graph { root, .. } => root.clone(),
        }
    }

    /// All services, each once, in dependency order: whoever is called comes before its
    /// callers, so that services started in this order find what they need.
    pub fn services(&self) -> Vec<Name> {
        let mut order: Vec<Name> = match self {
            Self::Sequence { hops, .. } => [&[self.edge()], hops.as_slice()].concat(),
            Self::Graph { services, .. } => {
                services.iter().map(|relay| relay.name.clone()).collect()
            }
        };
        order.reverse();
        order
    }

    /// Whom `service` is told of, in turn.
    pub fn calls(&self, service: &str) -> &[Name] {
        match self {
            Self::Sequence { hops, .. } if service == GATEWAY => hops,
            _ => self.relay(service).map_or(&[], |relay| &relay.calls),
        }
    }

    /// Whom `service` calls on the way of a request: all of them, but those that are told
    /// later, and auth where tokens are verified without it.
    pub fn awaited(&self, service: &str) -> impl Iterator<Item = &Name> {
        let is_awaited = |callee: &&Name| match self {
            Self::Sequence { queued, verify, .. } => {
                let is_replaced = *verify == Verify::Local && &***callee == AUTH;
                !is_replaced && !queued.contains(callee)
            }
            Self::Graph { .. } => true,
        };
        self.calls(service).iter().filter(is_awaited)
    }

    /// Those of them without which it answers too.
    pub fn soft(&self, service: &str) -> &[Name] {
        match self {
            Self::Sequence { soft, .. } if service == GATEWAY => soft,
            _ => self.relay(service).map_or(&[], |relay| &relay.soft),
        }
    }

    /// Whether answers of `service` may be used again: those that only say what is, and
    /// never who is allowed to know it.
    pub(crate) fn is_cacheable(&self, service: &str) -> bool {
        match self {
            Self::Sequence { .. } => ![AUTH, AUDIT].contains(&service),
            Self::Graph { .. } => true,
        }
    }

    /// How many replicas of `service` there are.
    pub fn replicas(&self, service: &str) -> u32 {
        match self {
            Self::Sequence { replicas, .. } => replicas.get(service).copied().unwrap_or(1),
            Self::Graph { .. } => self.relay(service).map_or(1, |relay| relay.replicas),
        }
    }

    /// The names of all replicas of `service`, in the order of their numbers.
    pub fn replica_names(&self, service: &str) -> Vec<Name> {
        let name = |replica| replica_name(service, replica);
        (0..self.replicas(service)).map(name).collect()
    }

    /// Whether any service has more than one.
    pub fn is_replicated(&self) -> bool {
        let mut services = self.services().into_iter();
        services.any(|service| self.replicas(&service) > 1)
    }

    /// The relay of that name, if there is one.
    pub fn relay(&self, service: &str) -> Option<&Relay> {
        match self {
            Self::Sequence { .. } => None,
            Self::Graph { services, .. } => services.iter().find(|relay| &*relay.name == service),
        }
    }

    /// All calls of one request in the order in which they start, if nothing fails. A
    /// service that is called twice appears twice.
    pub fn visits(&self) -> Vec<Visit> {
        let mut visits = Vec::new();
        self.visit(&self.edge(), 0, false, &mut visits);
        visits
    }

    fn visit(&self, service: &Name, depth: usize, is_soft: bool, visits: &mut Vec<Visit>) {
        let own = visits.len();
        visits.push(Visit {
            service: service.clone(),
            depth,
            is_soft,
            size: 1,
        });
        let soft = self.soft(service);
        for callee in self.awaited(service) {
            self.visit(callee, depth + 1, soft.contains(callee), visits);
        }
        visits[own].size = visits.len() - own;
    }

    /// Whether each service calls at most one other: a nested chain.
    pub fn is_nested_chain(&self) -> bool {
        match self {
            Self::Sequence { hops, .. } => hops.len() <= 1,
            Self::Graph { services, .. } => services.iter().all(|relay| relay.calls.len() <= 1),
        }
    }
}

/// How many calls one request makes in all, if nothing fails; the graph has no cycle.
pub(crate) fn count_visits(root: &str, calls: &BTreeMap<Name, Vec<Name>>) -> u64 {
    fn count(
        name: &str,
        calls: &BTreeMap<Name, Vec<Name>>,
        known: &mut BTreeMap<Name, u64>,
    ) -> u64 {
        if let Some(visits) = known.get(name) {
            return *visits;
        }
        let callees = calls.get(name).map_or(&[][..], Vec::as_slice);
        let visits = callees.iter().fold(1_u64, |sum, callee| {
            sum.saturating_add(count(callee, calls, known))
        });
        known.insert(name.into(), visits);
        visits
    }
    count(root, calls, &mut BTreeMap::new())
}
