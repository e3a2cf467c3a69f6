//! Is the deployed chain the one of the plan? What differs is said before anything is changed.

use super::{
    identity::{Identity, identify},
    kubectl::Kubectl,
};
use crate::{LabError, control::Control, member::Member};
use faults::When;
use scenario::{Phase, Plan};
use std::collections::BTreeMap;
use types::with_sources;
use url::Url;

/// How the members were found: what is missing is looked for there.
pub(super) enum Found<'a> {
    /// By `--admin`.
    Listed,
    /// Among the pods of a namespace.
    Pods(&'a Kubectl),
}

impl Found<'_> {
    /// So many of `service`.
    fn known(&self, service: &str, number: usize) -> String {
        let (plural, verb) = if number == 1 {
            ("", "is")
        } else {
            ("s", "are")
        };
        match self {
            Self::Listed => format!("{number} admin listener{plural} of {service} {verb} known"),
            Self::Pods(_) => format!("{number} pod{plural} of {service} {verb} ready"),
        }
    }

    /// What to do so that it is `wanted`.
    fn allowed(&self, service: &str, wanted: usize) -> String {
        match self {
            Self::Listed => format!("--admin {service}={}", vec!["URL"; wanted].join("|")),
            Self::Pods(kubectl) => {
                format!("{wanted} that can be reached{}", kubectl.unreached())
            }
        }
    }

    /// What to do where callers know another number, so that it is the same.
    fn same(&self, service: &str, (known, called): (usize, usize)) -> String {
        match self {
            Self::Listed => format!(
                "{known} of it, or a scenario that has {called} and {}",
                self.allowed(service, called)
            ),
            Self::Pods(_) => "the same number; after a change, callers know it when they have \
                              looked the name up again, within some 30 s"
                .to_owned(),
        }
    }
}

/// Every service of the plan has as many members as it has replicas, and there are no others.
pub(super) fn check_replicas(
    members: &[Member],
    plan: &Plan,
    found: &Found<'_>,
) -> Result<(), LabError> {
    let topology = plan.topology();
    for service in plan.services() {
        let known = members_of(members, &service);
        let wanted = topology.replicas(&service) as usize;
        if known != wanted {
            return Err(differs(format!(
                "{}, and the scenario's chain has {wanted} of it; allowed: {}",
                found.known(&service, known),
                found.allowed(&service, wanted),
            )));
        }
    }
    let services = plan.services();
    let is_strange = |member: &&Member| !services.iter().any(|it| **it == *member.service);
    match members.iter().find(is_strange) {
        None => Ok(()),
        Some(member) => {
            let names: Vec<_> = services.iter().rev().map(|name| &**name).collect();
            Err(differs(format!(
                "--admin {}: the scenario's chain has no such service; allowed: {}",
                member.service,
                names.join(", ")
            )))
        }
    }
}

/// Callers call as many replicas of each service as there are members of it: the others would
/// get requests, and neither faults nor policies.
pub(super) async fn check_callees(
    control: &Control,
    members: &[Member],
    found: &Found<'_>,
) -> Result<(), LabError> {
    for caller in members {
        for (service, urls) in called_by(control, caller).await? {
            let (known, called) = (members_of(members, &service), urls.len());
            // One that the scenario does not have is found by its spans, if it is asked at all.
            if known == 0 || known == called || !urls.iter().all(|url| is_address(url)) {
                continue;
            }
            let consequence = if called > known {
                "the others would get neither faults nor policy"
            } else {
                "not all of them would get requests"
            };
            return Err(differs(format!(
                "{} calls {called} of {service}, and {}: {consequence}; allowed: {}",
                caller.name,
                found.known(&service, known),
                found.same(&service, (known, called)),
            )));
        }
    }
    Ok(())
}

/// Where a service calls the replicas of others; nowhere, if it can't say.
async fn called_by(
    control: &Control,
    caller: &Member,
) -> Result<BTreeMap<String, Vec<String>>, LabError> {
    let Some(answer) = control.find(caller, "replicas").await? else {
        return Ok(BTreeMap::new());
    };
    let replicas = answer.json().await;
    replicas.map_err(|error| LabError::Control {
        service: caller.name.clone(),
        why: format!(
            "{}/replicas does not say whom it calls: {}",
            caller.admin,
            with_sources(&error)
        ),
    })
}

/// Whether this is one replica. A name that has not been looked up yet may be several.
fn is_address(url: &str) -> bool {
    let name = url
        .parse()
        .ok()
        .and_then(|url: Url| url.domain().map(str::to_owned));
    name.is_none_or(|name| name == "localhost")
}

fn members_of(members: &[Member], service: &str) -> usize {
    members.iter().filter(|it| *it.service == *service).count()
}

/// The listener of `member` is that of the service it is said to be; and where faults come and
/// go at times that its name decides, it has the name that is planned.
pub(super) async fn check(control: &Control, member: &Member, plan: &Plan) -> Result<(), LabError> {
    let Identity { service, replica } = identify(control, member).await?;
    if service != member.service {
        return Err(differs(format!(
            "{}: the admin listener at {} is that of {service}",
            member.name, member.admin
        )));
    }
    if !plan.phases().iter().any(comes_and_goes) {
        return Ok(());
    }
    let names = plan.replica_names(&member.service);
    let planned = names.get(member.replica as usize);
    match planned.filter(|planned| ***planned != *replica) {
        None => Ok(()),
        Some(planned) => Err(differs(format!(
            "a replica of {service} is called {replica}, and the scenario's outages come at times \
             that are drawn by its name; allowed: --replica {planned} (in a cluster a pod of a StatefulSet \
             has such a name, one of a Deployment never)"
        ))),
    }
}

fn comes_and_goes(phase: &Phase) -> bool {
    let mut faults = phase.faults.iter();
    faults.any(|planned| planned.fault.when != When::Always)
}

pub(super) fn differs(what: String) -> LabError {
    LabError::Differs(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_in_admin_listeners_or_in_pods() {
        let pods = Kubectl::of("nines".to_owned());
        let pods = Found::Pods(&pods);
        let listed = Found::Listed;
        assert_eq!(listed.known("a", 1), "1 admin listener of a is known");
        assert_eq!(listed.allowed("a", 2), "--admin a=URL|URL");
        assert_eq!(pods.known("a", 3), "3 pods of a are ready");
        assert_eq!(pods.allowed("a", 2), "2 that can be reached");
    }

    #[test]
    fn a_name_may_stand_for_several_replicas_and_an_address_does_not() {
        for one in [
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://localhost:1/",
        ] {
            assert!(is_address(one), "{one}");
        }
        assert!(!is_address("http://database:8080/"));
    }
}
