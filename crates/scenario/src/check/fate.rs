//! `common` and `shared`: faults that strike several replicas together.

use super::{
    Check, Checked,
    faults::{Id, Tables},
};
use crate::{place::Place, plan::PlannedFault, raw::RawFault};
use availability::correlated;
use faults::{Fault, Scope, When};
use std::{collections::BTreeSet, sync::Arc};
use toml::Spanned;
use types::Probability;

impl Check<'_> {
    /// The group that shares the fault, if there is one.
    pub(super) fn shared(
        &mut self,
        tables: Tables,
        id: &Id,
        raw: &RawFault,
    ) -> Checked<Option<Arc<str>>> {
        let Some(group) = &raw.shared else {
            return Ok(None);
        };
        let path = tables.key(id, "shared");
        if let Some(common) = &raw.common {
            let reason = "`shared` is stated as well; allowed: one of the two".to_owned();
            return self.conflict(&tables.key(id, "common"), common, reason);
        }
        let group = self.checked_name(&path, group)?;
        Ok(Some(group.into()))
    }

    /// What becomes of a fault of which a part is common, or which a group shares. Both need
    /// something that lasts for the whole request: no two attempts ever share a draw.
    pub(super) fn fate(
        &mut self,
        tables: Tables,
        id: &Id,
        raw: &RawFault,
        planned: PlannedFault,
    ) -> Checked<Vec<PlannedFault>> {
        let Fault { scope, when, .. } = &planned.fault;
        let (lasts, is_timed) = (*scope == Scope::Request, *when != When::Always);
        if let Some(shared) = raw.shared.as_ref().filter(|_| !lasts && !is_timed) {
            let reason = "each attempt draws anew; allowed: with scope = \"request\", or with \
                          `up` and `down`, or `windows`";
            return self.conflict(&tables.key(id, "shared"), shared, reason.to_owned());
        }
        let Some(stated) = &raw.common else {
            return Ok(vec![planned]);
        };
        let path = tables.key(id, "common");
        if !lasts || is_timed {
            let reason = "it splits the probability that a replica is down for a request; \
                          allowed: with scope = \"request\" and at any time";
            return self.conflict(&path, stated, reason.to_owned());
        }
        match Probability::new(*stated.get_ref()) {
            Ok(common) => Ok(split(planned, common)),
            Err(_) => self.refuse(&path, stated),
        }
    }

    /// Refuses a fault that has the name of another's common part.
    pub(super) fn not_taken(&mut self, tables: Tables, faults: &[(&Id, &RawFault)]) -> Checked<()> {
        let parts = faults.iter().filter(|(_, raw)| raw.common.is_some());
        let parts: Vec<_> = parts.map(|(id, _)| common_id(id.get_ref())).collect();
        let taken = |(id, _): &&(&Id, &RawFault)| parts.contains(id.get_ref());
        let Some((id, _)) = faults.iter().find(taken) else {
            return Ok(());
        };
        let path: &[&str] = match tables {
            Tables::OfRun => &["faults"],
            Tables::OfPhase => &["phase", "faults"],
        };
        let name = Spanned::new(id.span(), ());
        let reason = "the common part of another has that name; allowed: another name".to_owned();
        self.conflict(path, &name, reason)
    }
}

fn common_id(id: &str) -> String {
    format!("{id}-common")
}

/// The part that each replica has for itself, and for each service the one that strikes all
/// of its replicas in the same requests. A replica fails as often as without the split.
fn split(planned: PlannedFault, common: Probability) -> Vec<PlannedFault> {
    if common == Probability::ZERO {
        return vec![planned];
    }
    let PlannedFault { fault, on } = planned;
    let parts = correlated::split(fault.probability, common);
    let services: BTreeSet<_> = on.iter().map(|place| place.service.clone()).collect();
    let together = services.into_iter().map(|service| PlannedFault {
        fault: Fault {
            id: common_id(&fault.id).into(),
            probability: parts.common,
            shared: Some(service.clone()),
            ..fault.clone()
        },
        on: on
            .iter()
            .filter(|place| place.service == service)
            .cloned()
            .collect::<Vec<Place>>(),
    });
    let together: Vec<_> = together.collect();
    let own = Fault {
        probability: parts.own,
        ..fault
    };
    [vec![PlannedFault { fault: own, on }], together].concat()
}
