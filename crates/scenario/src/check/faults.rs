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
pub(super) type Id = Spanned<String>;

/// The tables that hold faults.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tables {
    /// `[faults.NAME]`, for the whole run.
    OfRun,
    /// `[phase.faults.NAME]`.
    OfPhase,
}

impl Tables {
    const fn path(self) -> &'static [&'static str] {
        match self {
            Self::OfRun => &["faults"],
            Self::OfPhase => &["phase", "faults"],
        }
    }

    /// The path of a key of one fault.
    pub(super) fn key<'a>(self, id: &'a Id, key: &'a str) -> Vec<&'a str> {
        [self.path(), &[id.get_ref(), key]].concat()
    }
}

impl Check<'_> {
    /// The faults in the order of the file, which is the order in which they are drawn.
    pub(super) fn faults(
        &mut self,
        tables: Tables,
        faults: &Named<RawFault>,
        topology: Option<&Topology>,
    ) -> Checked<Vec<PlannedFault>> {
        let mut faults: Vec<_> = faults.iter().collect();
        faults.sort_by_key(|(id, _)| id.span().start);
        let checked: Vec<_> = faults
            .iter()
            .map(|(id, fault)| self.planned_fault(tables, id, fault, topology))
            .collect();
        checked.into_iter().collect()
    }

    fn planned_fault(
        &mut self,
        tables: Tables,
        id: &Id,
        raw: &RawFault,
        topology: Option<&Topology>,
    ) -> Checked<PlannedFault> {
        self.checked_name(tables.path(), id)?;
        let kind = self.kind(tables, id, raw);
        let when = self.when(tables, id, raw);
        let probability = self.probability(tables, id, raw);
        let scope = self.scope(tables, id, raw);
        let on = self.places(tables, id, raw, topology);
        let id = id.get_ref().as_str().into();
        let fault = Fault {
            id,
            kind: kind?,
            probability: probability?,
            scope: scope?,
            when: when?,
        };
        Ok(PlannedFault { fault, on: on? })
    }

    fn kind(&mut self, tables: Tables, id: &Id, raw: &RawFault) -> Checked<FaultKind> {
        let path = |key| tables.key(id, key);
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

    fn probability(&mut self, tables: Tables, id: &Id, raw: &RawFault) -> Checked<Probability> {
        let path = tables.key(id, "probability");
        let Some(value) = &raw.probability else {
            let is_timed = [&raw.up, &raw.down].into_iter().any(Option::is_some);
            if is_timed || raw.windows.is_some() {
                return Ok(Probability::ONE);
            }
            return self.missing(&path, id.span());
        };
        Probability::new(*value.get_ref()).or_else(|_| self.refuse(&path, value))
    }

    fn scope(&mut self, tables: Tables, id: &Id, raw: &RawFault) -> Checked<Scope> {
        let Some(word) = &raw.scope else {
            return Ok(Scope::default());
        };
        match word.get_ref().as_str() {
            "attempt" => Ok(Scope::Attempt),
            "request" => Ok(Scope::Request),
            _ => self.refuse(&tables.key(id, "scope"), word),
        }
    }

    /// The services that have the fault: those stated, or all of them, the edge first.
    fn places(
        &mut self,
        tables: Tables,
        id: &Id,
        raw: &RawFault,
        topology: Option<&Topology>,
    ) -> Checked<Vec<Name>> {
        let path = tables.key(id, "on");
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
