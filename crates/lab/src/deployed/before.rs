//! What was in force at a service before a run, to be put back after it.

use crate::{LabError, control::Control, member::Member};
use faults::FaultSet;
use scenario::Policy;
use serde_json::Value;

/// The faults and the policy of a service, as its admin listener tells them.
#[derive(Debug)]
pub(super) struct Before {
    faults: Value,
    policy: Value,
}

impl Before {
    pub(super) async fn read(control: &Control, member: &Member) -> Result<Self, LabError> {
        Ok(Self {
            faults: read(control, member, "faults").await?,
            policy: read(control, member, "policy").await?,
        })
    }

    /// Tries both, whatever becomes of the first.
    pub(super) async fn put_back(
        &self,
        control: &Control,
        member: &Member,
    ) -> Result<(), LabError> {
        let faults = control.put(member, "faults", &self.faults).await;
        let policy = control.put(member, "policy", &self.policy).await;
        faults.and(policy)
    }
}

async fn read(control: &Control, member: &Member, what: &str) -> Result<Value, LabError> {
    let text = control.get(member, what).await?;
    types::read::from_str(&text).map_err(|error| LabError::Control {
        service: member.name.clone(),
        why: format!(
            "{}/{what} answers with something else than JSON ({error}); is it an admin listener?",
            member.admin
        ),
    })
}

/// As a service of the lab's own starts: without faults, with the policy of the plan.
pub(super) async fn prepare(
    control: &Control,
    member: &Member,
    policy: &Policy,
) -> Result<(), LabError> {
    control.set_faults(member, &FaultSet::default()).await?;
    control.set_policy(member, policy).await
}
