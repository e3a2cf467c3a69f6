//! `nines fault`: the faults of a running chain, shown and changed.

use crate::{
    args::{Fault, FaultChange, FaultSet, Scope},
    exit::{Done, Failure},
    remote,
};
use lab::remote::{Remote, RemoteError};
use serde_json::{Value, json};
use std::{slice, time::Duration};

/// What the admin listeners call it.
const FAULTS: &str = "faults";

/// Shows the faults in force, or changes them and shows what is in force then.
pub fn fault(args: &Fault) -> Result<Done, Failure> {
    remote::block_on(async {
        let remotes = remote::find(&args.at).await?;
        let in_force = match &args.change {
            None => remote::read(&remotes, FAULTS).await?,
            Some(FaultChange::Set(fault)) => set(remotes, fault).await?,
            Some(FaultChange::Clear { services }) => clear(remotes, services).await?,
        };
        remote::show(in_force, args.at.json.then_some("fault"), |set| {
            let faults = set[FAULTS].as_array().into_iter().flatten();
            faults.map(remote::words).collect()
        });
        Ok(Done::Fine)
    })
}

async fn set(remotes: Vec<Remote>, fault: &FaultSet) -> Result<Vec<(String, Value)>, Failure> {
    let remotes = remote::named(remotes, slice::from_ref(&fault.service))?;
    let add = async |remote: &Remote| {
        let set = with(remote.read(FAULTS).await?, as_json(fault));
        let strange = |why| RemoteError::Strange {
            service: remote.name().to_owned(),
            why,
        };
        remote.write(FAULTS, &set.map_err(strange)?).await
    };
    remote::change(&remotes, add).await
}

async fn clear(remotes: Vec<Remote>, services: &[String]) -> Result<Vec<(String, Value)>, Failure> {
    let remotes = remote::named(remotes, services)?;
    let empty = async |remote: &Remote| {
        let seed = &remote.read(FAULTS).await?["seed"];
        let none = json!({ "seed": seed, FAULTS: [] });
        remote.write(FAULTS, &none).await
    };
    remote::change(&remotes, empty).await
}

/// The set with `fault`, in place of the one of its name if there is one.
fn with(mut set: Value, fault: Value) -> Result<Value, String> {
    let faults = set.get_mut(FAULTS).and_then(Value::as_array_mut);
    let faults = faults.ok_or("what it says of its faults is no object with a list `faults`")?;
    faults.retain(|other| other["id"] != fault["id"]);
    faults.push(fault);
    Ok(set)
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
        assert_eq!(set, Ok(expected));
    }

    #[test]
    fn an_answer_that_is_no_set_of_faults_is_an_error() {
        for wrong in [
            json!([1]),
            json!(7),
            json!("faults"),
            json!(null),
            json!({}),
            json!({ "faults": {} }),
        ] {
            let error = with(wrong.clone(), json!({ "id": "a" })).unwrap_err();
            assert!(error.contains("a list `faults`"), "{wrong}: {error}");
        }
    }
}
