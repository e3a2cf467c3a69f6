//! A chain that somebody else has deployed: in a cluster, by compose, or by `nines up`.
//!
//! The load comes from here. The faults and policies of a plan go to the services' admin
//! listeners, and what was in force there before is put back at the end, however the run ends.
//! The services' spans are fetched from Jaeger afterwards ([`fetch`]).

mod before;
mod clocks;
mod differences;
pub(crate) mod fetch;
mod identity;
mod kubectl;
mod look;
mod pods;

use crate::{
    LabError, Progress, Step,
    control::{self, Control},
    member::Member,
};
use before::Before;
use differences::Found;
use futures_util::future::join_all;
use kubectl::Kubectl;
use scenario::{Plan, Policy};
use std::{collections::BTreeMap, fmt, mem, time::Duration};
use traces::Jaeger;
use types::with_sources;
use url::Url;

/// A chain that somebody else has deployed, and how to reach it.
#[derive(Clone)]
pub struct Deployment {
    /// Where clients send their requests.
    pub target: Url,
    /// The Jaeger that its services' spans come to.
    pub traces: Url,
    /// The admin listeners of services, in the order of their replicas.
    pub admin: BTreeMap<String, Vec<Url>>,
    /// What they ask for; empty if nothing.
    pub admin_token: String,
    /// The namespace of a cluster in which its pods are: their admin listeners are reached
    /// through `kubectl`, and they can be restarted.
    pub namespace: Option<String>,
}

/// The token is nobody's business.
impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment")
            .field("target", &self.target.as_str())
            .field("traces", &self.traces.as_str())
            .field("admin", &self.admin)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Deployment {
    /// Why `plan` can't be run there, if it can't: what it has, and what is missing for it.
    pub fn refuses(&self, plan: &Plan) -> Option<String> {
        let has_faults = plan.phases().iter().any(|phase| !phase.faults.is_empty());
        let has_policy = plan
            .phases()
            .iter()
            .any(|phase| phase.policy != Policy::default());
        let what = match (has_faults, has_policy) {
            _ if self.can_be_changed() => None,
            (true, _) => Some("has faults"),
            (_, true) => Some("has a policy"),
            _ => None,
        };
        if let Some(what) = what {
            return Some(format!(
                "{what}, which are set through admin listeners; allowed: together with \
                 --admin SERVICE=URL for each service, or --namespace NAMESPACE"
            ));
        }
        if plan.swept().is_some() {
            return Some(
                "tries several numbers of replicas ([sweep]), which where it is deployed somebody \
                 else decides; allowed: scenarios without [sweep]"
                    .to_owned(),
            );
        }
        if plan.scale().is_some() {
            return Some(
                "scales a service ([scale]), which where it is deployed somebody else does; \
                 allowed: scenarios without [scale]"
                    .to_owned(),
            );
        }
        let cannot_restart = plan.restart().is_some() && self.namespace.is_none();
        cannot_restart.then(|| {
            "restarts services ([restart]), which are pods then; allowed: together with \
             --namespace NAMESPACE"
                .to_owned()
        })
    }

    /// Whether faults and policies can be set.
    pub fn can_be_changed(&self) -> bool {
        !self.admin.is_empty() || self.namespace.is_some()
    }
}

/// A deployed chain, as far as a run has got hold of it.
#[derive(Debug)]
pub(crate) struct Deployed {
    deployment: Deployment,
    jaeger: Jaeger,
    control: Control,
    kubectl: Option<Kubectl>,
    members: Vec<Member>,
    /// What was in force at each of the members.
    before: Vec<Before>,
    /// What a member that is restarted is to have.
    policy: Policy,
    /// How far the clock of a member is from this machine's, where that matters.
    clocks_apart: Option<Duration>,
}

impl Deployed {
    /// Nothing is touched yet.
    pub(crate) fn new(deployment: Deployment) -> Result<Self, LabError> {
        let token = deployment.admin_token.clone();
        Ok(Self {
            jaeger: Jaeger::at(&deployment.traces)?,
            control: Control::new(control::client()?, token),
            kubectl: deployment.namespace.clone().map(Kubectl::of),
            deployment,
            members: Vec::new(),
            before: Vec::new(),
            policy: Policy::default(),
            clocks_apart: None,
        })
    }

    /// Finds the members, refuses a chain that is not the plan's, remembers what is in force,
    /// and replaces it by no faults and the policy of the plan.
    pub(crate) async fn start(
        &mut self,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<(), LabError> {
        progress.step(Step::Finding);
        // Whether it is a Jaeger at all is better known now than after the load.
        self.jaeger.services().await?;
        if let Some(phase) = plan.phases().first() {
            self.policy = phase.policy;
        }
        self.find(plan).await?;
        for member in &self.members {
            differences::check(&self.control, member, plan).await?;
        }
        differences::check_callees(&self.control, &self.members, &self.found()).await?;
        self.clocks_apart = clocks::check(&self.control, &self.members, plan).await?;
        for member in &self.members {
            self.before.push(Before::read(&self.control, member).await?);
        }
        for member in &self.members {
            before::prepare(&self.control, member, &self.policy).await?;
        }
        Ok(())
    }

    async fn find(&mut self, plan: &Plan) -> Result<(), LabError> {
        self.members = listed(&self.deployment.admin);
        if let Some(kubectl) = &mut self.kubectl {
            let found = kubectl.find(&self.control, plan).await?;
            self.members.extend(found);
        }
        if self.deployment.can_be_changed() {
            differences::check_replicas(&self.members, plan, &self.found())?;
        }
        Ok(())
    }

    /// How the members were found.
    fn found(&self) -> Found<'_> {
        self.kubectl.as_ref().map_or(Found::Listed, Found::Pods)
    }

    /// What results say of it.
    pub(crate) fn told(&self) -> report::results::Deployed {
        report::results::Deployed {
            target: self.deployment.target.to_string(),
            traces: self.deployment.traces.to_string(),
            clocks_apart_s: self.clocks_apart.map(|apart| apart.as_secs_f64()),
        }
    }

    /// Looks whether a request passes through the whole chain, by its trace.
    pub(crate) async fn look(&self, plan: &Plan, token: Option<&str>) -> Result<(), LabError> {
        look::through(&self.deployment.target, &self.jaeger, plan, token).await
    }

    pub(crate) fn admin_token(&self) -> &str {
        &self.deployment.admin_token
    }

    pub(crate) fn target(&self) -> &Url {
        &self.deployment.target
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Deletes the pod of the member at `place`, and waits for the one that takes its place,
    /// which gets the policy of the plan.
    pub(crate) async fn restart(&mut self, place: usize) -> Result<Option<&Member>, LabError> {
        let (Some(member), Some(kubectl)) = (self.members.get_mut(place), &mut self.kubectl) else {
            return Ok(None);
        };
        kubectl.replace(&self.control, member, place).await?;
        before::prepare(&self.control, member, &self.policy).await?;
        Ok(Some(member))
    }

    /// Puts back what was in force before; at whom that failed, and why.
    pub(crate) async fn stop(&mut self) -> Vec<String> {
        let before = mem::take(&mut self.before);
        let places = before.iter().zip(&self.members).enumerate();
        let all = places.map(|(place, (before, member))| self.put_back(place, before, member));
        let complaints = join_all(all).await.into_iter().flatten().collect();
        if let Some(kubectl) = &mut self.kubectl {
            kubectl.stop().await;
        }
        complaints
    }

    /// What a member had, once more through a new way if the old one is broken; what to say if
    /// that failed as well.
    async fn put_back(&self, place: usize, before: &Before, member: &Member) -> Option<String> {
        let Err(mut error) = before.put_back(&self.control, member).await else {
            return None;
        };
        let Some(kubectl) = &self.kubectl else {
            let admin = &member.admin;
            return Some(left_behind(&error, "", admin));
        };
        match kubectl.anew(place).await {
            Ok((_way, admin)) => {
                let member = Member {
                    admin,
                    ..member.clone()
                };
                match before.put_back(&self.control, &member).await {
                    Ok(()) => return None,
                    Err(again) => error = again,
                }
            }
            Err(no_way) => error = no_way,
        }
        let way = format!("{} &, ", kubectl.way_to(place));
        Some(left_behind(&error, &way, "http://127.0.0.1:PORT"))
    }
}

/// What somebody has to do by hand.
fn left_behind(error: &LabError, way: &str, admin: &str) -> String {
    format!(
        "{}; its faults and policy are still those of the scenario: \
         {way}nines fault clear --admin {admin}, nines policy clear --admin {admin}",
        with_sources(error)
    )
}

/// The members that are listed, in the order of services and replicas.
fn listed(admin: &BTreeMap<String, Vec<Url>>) -> Vec<Member> {
    let of_service = |(service, urls): (&String, &Vec<Url>)| {
        let several = urls.len() > 1;
        let numbered = (0..).zip(urls.clone());
        let service = service.clone();
        numbered.map(move |(replica, url)| Member {
            name: name_of(&service, replica, several),
            service: service.clone(),
            replica,
            admin: url.as_str().trim_end_matches('/').to_owned(),
        })
    };
    admin.iter().flat_map(of_service).collect()
}

/// What people call a replica: the only one of a service has its name.
fn name_of(service: &str, replica: u32, several: bool) -> String {
    if several {
        format!("{service}-{replica}")
    } else {
        service.to_owned()
    }
}
