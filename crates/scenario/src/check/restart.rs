//! `[restart]`: every replica of every service, one after the other.

use super::{Check, Checked};
use crate::{raw::RawRestart, topology::Topology};
use std::time::Duration;
use toml::Spanned;

const TABLE: &[&str] = &["restart"];
const AT: &[&str] = &["restart", "at"];
const LONGEST: Duration = Duration::from_hours(1);

impl Check<'_> {
    /// When it begins. What it costs where there is nobody else to ask is not predicted.
    pub(super) fn restart(
        &mut self,
        restart: &Spanned<RawRestart>,
        topology: Option<&Topology>,
        has_phases: bool,
    ) -> Checked<Duration> {
        let Some(at) = &restart.get_ref().at else {
            return self.missing(AT, restart.span());
        };
        if has_phases {
            let reason = "a process that comes back has the policy of the start; \
                 allowed: in a scenario without [[phase]]";
            return self.conflict(TABLE, restart, reason.to_owned());
        }
        let at = self.duration(AT, at, LONGEST)?;
        let alone = topology.and_then(|topology| {
            let mut services = topology.services().into_iter();
            services.find(|service| topology.replicas(service) < 2)
        });
        match alone {
            None => Ok(at),
            Some(service) => {
                let reason = format!(
                    "there is nobody else to ask while `{service}` is restarted; \
                     allowed: where every service has two replicas or more"
                );
                self.conflict(TABLE, restart, reason)
            }
        }
    }
}
