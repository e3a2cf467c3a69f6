//! `[faults.NAME]`.

use super::{Check, Checked};
use crate::{
    plan::PlannedFault,
    raw::{Named, RawFault},
    topology::Topology,
};
use faults::{Fault, FaultKind, InvalidFault, Scope};
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
        let planned: Vec<_> = checked.into_iter().collect::<Checked<_>>()?;
        self.not_taken(tables, &faults)?;
        Ok(planned.into_iter().flatten().collect())
    }

    /// The fault that is written: more than one if a part of it is common.
    fn planned_fault(
        &mut self,
        tables: Tables,
        id: &Id,
        raw: &RawFault,
        topology: Option<&Topology>,
    ) -> Checked<Vec<PlannedFault>> {
        self.checked_name(tables.path(), id)?;
        let kind = self.kind(tables, id, raw);
        let when = self.when(tables, id, raw);
        let probability = self.probability(tables, id, raw);
        let scope = self.scope(tables, id, raw);
        let on = self.places(tables, id, raw, topology);
        let shared = self.shared(tables, id, raw);
        let fault = Fault {
            id: id.get_ref().as_str().into(),
            kind: kind?,
            probability: probability?,
            scope: scope?,
            when: when?,
            shared: shared?,
        };
        let planned = PlannedFault { fault, on: on? };
        self.fate(tables, id, raw, planned)
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
}

/// The reason without the key, which the error names already.
fn needless(error: &InvalidFault) -> String {
    let text = error.to_string();
    text.strip_prefix("delay_ms: ").unwrap_or(&text).to_owned()
}
