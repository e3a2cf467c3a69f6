//! `nines fault`: the faults of a running chain, shown and changed.

use crate::{
    args::{Fault, FaultChange, FaultSet, Scope},
    exit::{Done, Failure},
    remote,
};
use lab::remote::Remote;
use serde_json::{Value, json};
use std::{slice, time::Duration};

/// What the admin listeners call it.
const FAULTS: &str = "faults";

/// Shows the faults in force, or changes them and shows what is in force then.
pub fn fault(args: &Fault) -> Result<Done, Failure> {
    remote::block_on(async {
        let remotes = remote::find(&args.at).await?;
        let in_force = match &args.change {
            None => read(&remotes).await?,
            Some(FaultChange::Set(fault)) => set(remotes, fault).await?,
            Some(FaultChange::Clear { services }) => clear(remotes, services).await?,
        };
        remote::show(in_force, args.at.json, |set| {
            let faults = set[FAULTS].as_array().into_iter().flatten();
            faults.map(remote::words).collect()
        });
        Ok(Done::Fine)
    })
}

async fn read(remotes: &[Remote]) -> Result<Vec<(String, Value)>, Failure> {
    let mut in_force = Vec::new();
    for remote in remotes {
        in_force.push((remote.name().to_owned(), remote.read(FAULTS).await?));
    }
    Ok(in_force)
}

async fn set(remotes: Vec<Remote>, fault: &FaultSet) -> Result<Vec<(String, Value)>, Failure> {
    let mut in_force = Vec::new();
    for remote in remote::named(remotes, slice::from_ref(&fault.service))? {
        let set = with(remote.read(FAULTS).await?, as_json(fault));
        let now = remote.write(FAULTS, &set).await?;
        in_force.push((remote.name().to_owned(), now));
    }
    Ok(in_force)
}

async fn clear(remotes: Vec<Remote>, services: &[String]) -> Result<Vec<(String, Value)>, Failure> {
    let mut in_force = Vec::new();
    for remote in remote::named(remotes, services)? {
        let seed = &remote.read(FAULTS).await?["seed"];
        let none = json!({ "seed": seed, FAULTS: [] });
        in_force.push((remote.name().to_owned(), remote.write(FAULTS, &none).await?));
    }
    Ok(in_force)
}

/// The set with `fault`, in place of the one of its name if there is one.
fn with(mut set: Value, fault: Value) -> Value {
    if let Some(faults) = set[FAULTS].as_array_mut() {
        faults.retain(|other| other["id"] != fault["id"]);
        faults.push(fault);
    }
    set
}

/// The fault as services take it; they say what is wrong with it.
fn as_json(fault: &FaultSet) -> Value {
    let mut json = json!({
        "id": fault.name.as_ref().unwrap_or(&fault.kind),
        "kind": fault.kind,
        "probability": fault.probability,
        "scope": match fault.scope {
            Scope::Attempt => "attempt",
            Scope::Request => "request",
        },
    });
    let times = [
        ("delay_ms", fault.delay),
        ("up_ms", fault.up),
        ("down_ms", fault.down),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            json[key] = millis(time);
        }
    }
    json
}

fn millis(time: Duration) -> Value {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_replaces_the_one_of_its_name_and_leaves_the_others() {
        let fault = |id: &str, probability: f64| json!({ "id": id, "probability": probability });
        let set = json!({ "seed": 7, "faults": [fault("a", 0.1), fault("b", 0.2)] });
        let set = with(set, fault("a", 0.3));
        let expected = json!({ "seed": 7, "faults": [fault("b", 0.2), fault("a", 0.3)] });
        assert_eq!(set, expected);
    }
}
