//! Who calls whom.

use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use types::service::GATEWAY;

/// The name of a service.
pub type Name = Arc<str>;

/// A relay, and whom it calls in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relay {
    /// Its name.
    pub name: Name,
    /// Whom it calls, in turn; a name may stand here twice.
    pub calls: Vec<Name>,
}

/// The services of a chain, and who calls whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum Topology {
    /// The gateway calls each of the hops in turn. Each step needs the one before.
    Sequence {
        /// The services behind the gateway, in the order of their calls.
        hops: Vec<Name>,
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
            Self::Sequence { hops } => [&[self.edge()], hops.as_slice()].concat(),
            Self::Graph { services, .. } => {
                services.iter().map(|relay| relay.name.clone()).collect()
            }
        };
        order.reverse();
        order
    }

    /// Whom `service` calls, in turn.
    pub fn calls(&self, service: &str) -> &[Name] {
        match self {
            Self::Sequence { hops } if service == GATEWAY => hops,
            Self::Sequence { .. } => &[],
            Self::Graph { services, .. } => {
                let relay = services.iter().find(|relay| &*relay.name == service);
                relay.map_or(&[], |relay| &relay.calls)
            }
        }
    }

    /// All calls of one request in the order in which they start, if nothing fails. A
    /// service that is called twice appears twice.
    pub fn visits(&self) -> Vec<Visit> {
        let mut visits = Vec::new();
        self.visit(&self.edge(), 0, &mut visits);
        visits
    }

    fn visit(&self, service: &Name, depth: usize, visits: &mut Vec<Visit>) {
        let own = visits.len();
        visits.push(Visit {
            service: service.clone(),
            depth,
            size: 1,
        });
        for callee in self.calls(service) {
            self.visit(callee, depth + 1, visits);
        }
        visits[own].size = visits.len() - own;
    }

    /// Whether each service calls at most one other: a nested chain.
    pub fn is_nested_chain(&self) -> bool {
        match self {
            Self::Sequence { hops } => hops.len() <= 1,
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
