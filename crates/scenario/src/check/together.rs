//! `tell` and `agree`: what replicas cost each other.
//!
//! A request of a service with N replicas takes its work, `tell` for each of the N − 1 others,
//! and `agree` for each of the N(N − 1) messages if everybody tells everybody, one after the
//! other. It keeps its slot for all that time. So the throughput of k slots and work w is
//! Nk / (w + tell (N − 1) + agree N(N − 1)): Amdahl's law with σ = tell/w, and the universal
//! one with κ = agree/w ([`availability::scaling`]).

use super::{Check, Checked};
use crate::{raw::RawService, topology::Work};
use std::time::Duration;

const LONGEST: Duration = Duration::from_hours(1);

impl Check<'_> {
    /// The work of one of so many `replicas`, with all that they do together.
    pub(super) fn together(
        &mut self,
        name: &str,
        raw: &RawService,
        work: Option<Work>,
        replicas: u32,
    ) -> Checked<Option<Work>> {
        let tell = self.optional_duration(&["service", name, "tell"], raw.tell.as_ref());
        let agree = self.optional_duration(&["service", name, "agree"], raw.agree.as_ref());
        let (tell, agree) = (tell?.unwrap_or_default(), agree?.unwrap_or_default());
        let stated = raw.tell.as_ref().map(|it| ("tell", it));
        let Some((key, stated)) = stated.or(raw.agree.as_ref().map(|it| ("agree", it))) else {
            return Ok(work);
        };
        let path = ["service", name, key];
        let Some(work) = work else {
            let reason = "there is no work that it adds to; allowed: with `work`".to_owned();
            return self.conflict(&path, stated, reason);
        };
        let others = replicas.saturating_sub(1);
        let added = tell * others + agree * replicas * others;
        if work.time() + added > LONGEST {
            let reason = format!(
                "with {replicas} replicas a request takes longer than an hour; allowed: less time"
            );
            return self.conflict(&path, stated, reason);
        }
        Ok(Some(work.and(added)))
    }
}
