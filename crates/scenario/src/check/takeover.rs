//! `takeover` goes with standby replicas, and so with `pick = "first"`.

use super::{Check, Checked};
use crate::{
    plan::Phase,
    raw::{Named, RawService},
};
use resilience::balance::Pick;

impl Check<'_> {
    /// Refuses a time to take over where nobody ever does.
    pub(super) fn takeovers(
        &mut self,
        services: &Named<RawService>,
        phases: &[Phase],
    ) -> Checked<()> {
        let is_first = |phase: &Phase| phase.policy.balancing().pick == Pick::First;
        let has_standbys = phases.iter().any(is_first);
        let mut all = Ok(());
        for (name, raw) in services {
            let Some(takeover) = &raw.takeover else {
                continue;
            };
            let replicas = raw.replicas.as_ref().map(|replicas| *replicas.get_ref());
            let reason = if !has_standbys {
                "no replica stands by; allowed: with policy.balance.pick = \"first\""
            } else if replicas.unwrap_or(1) < 2 {
                "there is one replica, and none to take over from; allowed: with `replicas`"
            } else {
                continue;
            };
            let path = ["service", name.get_ref(), "takeover"];
            all = self.conflict(&path, takeover, reason.to_owned());
        }
        all
    }
}
