//! `[service.NAME]`: any graph of relays that has one root and no cycle.

use super::{Check, Checked, Reported};
use crate::{
    raw::{Named, RawService},
    topology::{Name, Relay, Topology, count_visits},
};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use types::{
    names,
    service::{AUDIT, AUTH, CLIENT, DATABASE, GATEWAY, PROFILE},
};

/// Names that traces, reports and readers understand as something else.
const RESERVED: [&str; 6] = [CLIENT, GATEWAY, AUTH, PROFILE, DATABASE, AUDIT];
const MOST_SERVICES: usize = 32;
const MOST_CALLS: u64 = 1_000;

/// A service as it is written.
type Stated<'a> = (&'a Spanned<String>, &'a RawService);
/// Whom each service calls.
type Calls = BTreeMap<Name, Vec<Name>>;

impl Check<'_> {
    pub(super) fn graph(&mut self, services: &Named<RawService>) -> Checked<Topology> {
        let mut services: Vec<_> = services.iter().collect();
        services.sort_by_key(|(name, _)| name.span().start);
        let first = services.first().ok_or(Reported)?.0;
        if services.len() > MOST_SERVICES {
            let many = services.len();
            let reason = format!("one of {many} services; allowed: at most {MOST_SERVICES}");
            return self.conflict(&["service"], first, reason);
        }
        let checked: Vec<_> = services
            .iter()
            .map(|service| self.service(service, &services))
            .collect();
        let relays: Vec<Relay> = checked.into_iter().collect::<Checked<_>>()?;
        match shape(&relays) {
            Ok(topology) => Ok(topology),
            Err((culprit, reason)) => {
                let named = |(name, _): &&Stated<'_>| **name.get_ref() == *culprit;
                let place = services.iter().find(named).map_or(first, |(name, _)| *name);
                self.conflict(&["service"], place, reason)
            }
        }
    }

    /// One service.
    fn service(&mut self, (name, raw): &Stated<'_>, all: &[Stated<'_>]) -> Checked<Relay> {
        self.checked_name(&["service"], name)?;
        if RESERVED.contains(&name.get_ref().as_str()) {
            let taken = names::quoted(RESERVED);
            let reason = format!("the name is taken; allowed: any but {taken}");
            return self.conflict(&["service"], name, reason);
        }
        if let Some(kind) = raw.kind.as_ref().filter(|kind| kind.get_ref() != "relay") {
            return self.refuse(&["service", name.get_ref(), "kind"], kind);
        }
        let callee = |callee: &Spanned<String>| self.callee(name.get_ref(), callee, all);
        let calls: Vec<_> = raw.calls.iter().map(callee).collect();
        let calls = calls.into_iter().collect::<Checked<_>>();
        self.relay(name.get_ref(), raw, calls)
    }

    fn callee(
        &mut self,
        service: &str,
        called: &Spanned<String>,
        all: &[Stated<'_>],
    ) -> Checked<Name> {
        let known = || all.iter().map(|(name, _)| name.get_ref().as_str());
        if known().any(|name| name == called.get_ref()) {
            return Ok(called.get_ref().as_str().into());
        }
        let reason = names::no_such("service in this chain", called.get_ref(), known);
        self.conflict(&["service", service, "calls"], called, reason)
    }

    /// The name of a table, if it can be a name.
    pub(super) fn checked_name<'n>(
        &mut self,
        table: &[&str],
        name: &'n Spanned<String>,
    ) -> Checked<&'n str> {
        let word = name.get_ref().as_str();
        let letters = word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let starts = word.starts_with(|c: char| c.is_ascii_lowercase());
        if letters && starts && word.len() <= 40 {
            return Ok(word);
        }
        let reason = "allowed: a name of 1 to 40 small letters, digits and dashes, a letter first";
        self.conflict(table, name, reason.to_owned())
    }
}

/// The topology of these calls, or the service at which it breaks, and why.
fn shape(relays: &[Relay]) -> Result<Topology, (Name, String)> {
    let each = relays.iter();
    let calls: &Calls = &each
        .map(|relay| (relay.name.clone(), relay.calls.clone()))
        .collect();
    if let Some(cycle) = cycle(calls) {
        let circle = cycle.join(" -> ");
        let reason = format!("calls go in a circle, {circle}; allowed: no way back to a caller");
        return Err((cycle[0].clone(), reason));
    }
    let root = root(calls)?;
    let visits = count_visits(&root, calls);
    if visits > MOST_CALLS {
        let reason = format!("one request makes {visits} calls; allowed: at most {MOST_CALLS}");
        return Err((root, reason));
    }
    let relay = |name: Name| relays.iter().find(|relay| relay.name == name).cloned();
    let services = callers_first(&root, calls)
        .into_iter()
        .filter_map(relay)
        .collect();
    Ok(Topology::Graph { root, services })
}

/// The one service that nobody calls. Without a cycle there is at least one.
fn root(calls: &Calls) -> Result<Name, (Name, String)> {
    let called: BTreeSet<_> = calls.values().flatten().collect();
    let roots: Vec<_> = calls.keys().filter(|name| !called.contains(name)).collect();
    if let [root] = roots[..] {
        return Ok(root.clone());
    }
    let last = roots
        .last()
        .map_or_else(|| Name::from(""), |name| Name::clone(name));
    let roots = names::quoted(roots.into_iter().map(|name| &**name));
    Err((
        last,
        format!("nobody calls {roots}; allowed: one such service, the root"),
    ))
}

/// A way that leads back to its start, if there is one.
fn cycle(calls: &Calls) -> Option<Vec<Name>> {
    let mut done = BTreeSet::new();
    calls
        .keys()
        .find_map(|start| cycle_below(start, calls, &mut Vec::new(), &mut done))
}

/// A cycle that can be reached from `name`; `path` leads to it, and nothing in `done` is on one.
fn cycle_below(
    name: &Name,
    calls: &Calls,
    path: &mut Vec<Name>,
    done: &mut BTreeSet<Name>,
) -> Option<Vec<Name>> {
    if let Some(start) = path.iter().position(|above| above == name) {
        return Some([&path[start..], std::slice::from_ref(name)].concat());
    }
    if done.contains(name) {
        return None;
    }
    path.push(name.clone());
    let found = calls[name]
        .iter()
        .find_map(|callee| cycle_below(callee, calls, path, done));
    path.pop();
    done.insert(name.clone());
    found
}

/// All services, each after everyone who calls it.
fn callers_first(root: &Name, calls: &Calls) -> Vec<Name> {
    fn add(name: &Name, calls: &Calls, order: &mut Vec<Name>) {
        if order.contains(name) {
            return;
        }
        // Backwards, for the whole order is reversed: the first call comes out first.
        for callee in calls[name].iter().rev() {
            add(callee, calls, order);
        }
        order.push(name.clone());
    }
    let mut order = Vec::new();
    add(root, calls, &mut order);
    order.reverse();
    order
}
