//! `[faults.NAME]`.

use super::{Check, Checked, Reported};
use crate::{
    names,
    plan::PlannedFault,
    raw::{Named, RawFault},
    topology::{Name, Topology},
};
use faults::{Fault, FaultKind, InvalidFault, Scope};
use std::collections::BTreeSet;
use toml::Spanned;
use types::Probability;

/// The key of one fault: its table's name, and where that stands.
type Id = Spanned<String>;

impl Check<'_> {
    /// The faults in the order of the file, which is the order in which they are drawn.
    pub(super) fn faults(
        &mut self,
        faults: Named<RawFault>,
        topology: Option<&Topology>,
    ) -> Checked<Vec<PlannedFault>> {
        let mut faults: Vec<_> = faults.into_iter().collect();
        faults.sort_by_key(|(id, _)| id.span().start);
        let checked: Vec<_> = faults
            .iter()
            .map(|(id, fault)| self.planned_fault(id, fault, topology))
            .collect();
        checked.into_iter().collect()
    }

    fn planned_fault(
        &mut self,
        id: &Id,
        raw: &RawFault,
        topology: Option<&Topology>,
    ) -> Checked<PlannedFault> {
        self.checked_name("faults", id)?;
        let kind = self.kind(id, raw);
        let probability = self.probability(id, raw);
        let scope = self.scope(id, raw);
        let on = self.places(id, raw, topology);
        let id = id.get_ref().as_str().into();
        let fault = Fault {
            id,
            kind: kind?,
            probability: probability?,
            scope: scope?,
        };
        Ok(PlannedFault { fault, on: on? })
    }

    fn kind(&mut self, id: &Id, raw: &RawFault) -> Checked<FaultKind> {
        let path = |key| ["faults", id.get_ref(), key];
        let Some(word) = &raw.kind else {
            return self.missing(&path("kind"), id.span());
        };
        let delay = self.optional_duration(&path("delay"), raw.delay.as_ref())?;
        match FaultKind::parse(word.get_ref(), delay) {
            Ok(kind) => Ok(kind),
            Err(InvalidFault::MissingDelay) => self.missing(&path("delay"), id.span()),
            Err(InvalidFault::UnknownKind(_)) => self.refuse(&path("kind"), word),
            Err(error) => match &raw.delay {
                Some(delay) => self.conflict(&path("delay"), delay, needless(&error)),
                None => self.refuse(&path("kind"), word),
            },
        }
    }

    fn probability(&mut self, id: &Id, raw: &RawFault) -> Checked<Probability> {
        let path = ["faults", id.get_ref(), "probability"];
        let Some(value) = &raw.probability else {
            return self.missing(&path, id.span());
        };
        Probability::new(*value.get_ref()).or_else(|_| self.refuse(&path, value))
    }

    fn scope(&mut self, id: &Id, raw: &RawFault) -> Checked<Scope> {
        let Some(word) = &raw.scope else {
            return Ok(Scope::default());
        };
        match word.get_ref().as_str() {
            "attempt" => Ok(Scope::Attempt),
            "request" => Ok(Scope::Request),
            _ => self.refuse(&["faults", id.get_ref(), "scope"], word),
        }
    }

    /// The services that have the fault: those stated, or all of them, the edge first.
    fn places(
        &mut self,
        id: &Id,
        raw: &RawFault,
        topology: Option<&Topology>,
    ) -> Checked<Vec<Name>> {
        let path = ["faults", id.get_ref(), "on"];
        // Without a chain nothing can be said; that it is missing has been.
        let known: Vec<_> = topology
            .ok_or(Reported)?
            .services()
            .into_iter()
            .rev()
            .collect();
        let Some(on) = &raw.on else {
            return Ok(known);
        };
        let distinct: BTreeSet<_> = on.get_ref().iter().map(Spanned::get_ref).collect();
        if on.get_ref().is_empty() || distinct.len() < on.get_ref().len() {
            return self.refuse(&path, on);
        }
        let places: Vec<_> = on
            .get_ref()
            .iter()
            .map(|name| self.service_of(&path, name, &known))
            .collect();
        places.into_iter().collect()
    }

    /// The service `name`, if it is one of the chain's.
    fn service_of(
        &mut self,
        path: &[&str],
        name: &Spanned<String>,
        known: &[Name],
    ) -> Checked<Name> {
        if let Some(service) = known.iter().find(|service| ***service == **name.get_ref()) {
            return Ok(service.clone());
        }
        let services = || known.iter().map(|service| &**service);
        self.conflict(
            path,
            name,
            names::no_such("service in this chain", name.get_ref(), services),
        )
    }
}

/// The reason without the key, which the error names already.
fn needless(error: &InvalidFault) -> String {
    let text = error.to_string();
    text.strip_prefix("delay: ").unwrap_or(&text).to_owned()
}
