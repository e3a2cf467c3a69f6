//! Is the deployed chain the one of the plan? What differs is said before anything is changed.

use super::identity::{Identity, identify};
use crate::{LabError, control::Control, member::Member};
use faults::When;
use scenario::{Phase, Plan};
use std::time::{Duration, SystemTime};

/// How far the clock of a service may be from this machine's. It tells times to the second.
const CLOCKS: Duration = Duration::from_secs(2);

/// Every service of the plan has as many admin listeners as it has replicas, and there are no
/// others; what is `allowed` of a service that there should be so many of.
pub(super) fn check_replicas(
    members: &[Member],
    plan: &Plan,
    allowed: impl Fn(&str, u32) -> String,
) -> Result<(), LabError> {
    let topology = plan.topology();
    for service in plan.services() {
        let known = members.iter().filter(|it| *it.service == *service).count();
        let wanted = topology.replicas(&service);
        if u32::try_from(known) != Ok(wanted) {
            return Err(differs(format!(
                "{known} admin listeners of {service} are known, and the scenario's chain has \
                 {wanted} of it; allowed: {}",
                allowed(&service, wanted),
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

/// The listener of `member` is that of the service it is said to be; and where faults come and
/// go at times that its name decides, its clock agrees, and it has the name that is planned.
pub(super) async fn check(control: &Control, member: &Member, plan: &Plan) -> Result<(), LabError> {
    let Identity {
        service,
        replica,
        time,
    } = identify(control, member).await?;
    if service != member.service {
        return Err(differs(format!(
            "{}: the admin listener at {} is that of {service}",
            member.name, member.admin
        )));
    }
    if !plan.phases().iter().any(comes_and_goes) {
        return Ok(());
    }
    let apart = time.map(apart).unwrap_or_default();
    if apart > CLOCKS {
        return Err(differs(format!(
            "the clock of {} is {:.1} s from this machine's; allowed: {:.1} s, \
             for the scenario's outages come by the clock",
            member.name,
            apart.as_secs_f64(),
            CLOCKS.as_secs_f64()
        )));
    }
    let names = plan.replica_names(&member.service);
    let planned = names.get(member.replica as usize);
    match planned.filter(|planned| ***planned != *replica) {
        None => Ok(()),
        Some(planned) => Err(differs(format!(
            "a replica of {service} is called {replica}, and the scenario's outages come at times \
             that are drawn by its name; allowed: --replica {planned}"
        ))),
    }
}

fn comes_and_goes(phase: &Phase) -> bool {
    let mut faults = phase.faults.iter();
    faults.any(|planned| planned.fault.when != When::Always)
}

fn apart(time: SystemTime) -> Duration {
    match SystemTime::now().duration_since(time) {
        Ok(behind) => behind,
        Err(ahead) => ahead.duration(),
    }
}

pub(super) fn differs(what: String) -> LabError {
    LabError::Differs(what)
}
