//! `nines policy`: the policies of a running chain, shown and replaced.

use crate::{
    args::{Policy, PolicyChange},
    exit::{Done, Failure},
    remote, scenarios,
};
use lab::{control::service_policy, remote::Remote};
use serde_json::{Value, json};

/// What the admin listeners call it.
const POLICY: &str = "policy";

/// Shows the policies in force, or replaces them and shows what is in force then.
pub fn policy(args: &Policy) -> Result<Done, Failure> {
    let (services, policy) = match &args.change {
        None => (&[][..], None),
        Some(PolicyChange::Set { scenario, services }) => {
            (&services[..], Some(policy_of(scenario)?))
        }
        Some(PolicyChange::Clear { services }) => (&services[..], Some(json!({}))),
    };
    remote::block_on(async {
        let remotes = remote::named(remote::find(&args.at).await?, services)?;
        let in_force = match &policy {
            None => remote::read(&remotes, POLICY).await?,
            Some(policy) => {
                let replace = async |remote: &Remote| remote.write(POLICY, policy).await;
                remote::change(&remotes, replace).await?
            }
        };
        remote::show(in_force, args.at.json, |policy| {
            let words = remote::words(policy);
            (!words.is_empty()).then_some(words).into_iter().collect()
        });
        Ok(Done::Fine)
    })
}

/// The policy with which the scenario begins.
fn policy_of(scenario: &str) -> Result<Value, Failure> {
    let loaded = scenarios::load(&[scenario.to_owned()])?;
    let phases = loaded.iter().flat_map(|named| named.plan.phases());
    let policy = phases.map(|phase| phase.policy).next();
    // Numbers, texts and flags always serialise.
    let policy = serde_json::to_value(service_policy(&policy.unwrap_or_default()));
    Ok(policy.unwrap_or_default())
}
