//! Where a plan runs: on processes that the lab starts and stops, or in a chain that somebody
//! else has deployed. Whoever drives the load need not know which.

use crate::{
    LabError, Progress, Step,
    chain::{Chain, Ground},
    deployed::Deployed,
    member::Member,
    process::{Process, Spec},
};
use scenario::Plan;
use std::collections::BTreeMap;
use url::Url;

/// Where a plan runs.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each run")]
pub(crate) enum Site {
    /// Processes of the lab's own.
    Started {
        /// The processes.
        chain: Chain,
        /// What they need beside the plan.
        ground: Ground,
    },
    /// A chain that somebody else has deployed.
    Deployed(Box<Deployed>),
}

impl Site {
    /// No processes yet.
    pub(crate) fn of_processes(ground: Ground) -> Self {
        Self::Started {
            chain: Chain::default(),
            ground,
        }
    }

    /// Starts the chain of `plan`, or makes sure that it is the one deployed. What it has begun
    /// is known to it, so that [`stop`](Self::stop) can end it if this fails or is dropped.
    pub(crate) async fn start(
        &mut self,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<(), LabError> {
        match self {
            Self::Started { chain, ground } => chain.start(plan, ground, progress).await,
            Self::Deployed(deployed) => deployed.start(plan, progress).await,
        }
    }

    /// Looks whether a request of the user whose token this is passes through the whole chain.
    pub(crate) async fn look(&self, plan: &Plan, token: Option<&str>) -> Result<(), LabError> {
        match self {
            Self::Started { .. } => Ok(()),
            Self::Deployed(deployed) => deployed.look(plan, token).await,
        }
    }

    /// What the admin listeners ask for.
    pub(crate) fn admin_token(&self) -> &str {
        match self {
            Self::Started { ground, .. } => &ground.admin_token,
            Self::Deployed(deployed) => deployed.admin_token(),
        }
    }

    /// The services whose admin listeners are known, the called before their callers.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        let (started, deployed) = match self {
            Self::Started { chain, .. } => (chain.processes(), &[][..]),
            Self::Deployed(deployed) => (&[][..], deployed.members()),
        };
        started.iter().map(Process::member).chain(deployed)
    }

    /// Where clients of the chain, whose edge has this name, send their requests.
    pub(crate) fn edge(&self, name: &str) -> Vec<Url> {
        match self {
            Self::Started { chain, .. } => chain.urls(name),
            Self::Deployed(deployed) => vec![deployed.target().clone()],
        }
    }

    /// What services and replicas are called, by their addresses, as far as these are known.
    pub(crate) fn names_by_address(&self) -> BTreeMap<String, String> {
        match self {
            Self::Started { chain, .. } => chain.names_by_address(),
            Self::Deployed(_) => BTreeMap::new(),
        }
    }

    /// What results say of a chain that somebody else has deployed.
    pub(crate) fn told(&self) -> Option<report::results::Deployed> {
        match self {
            Self::Started { .. } => None,
            Self::Deployed(deployed) => Some(deployed.told()),
        }
    }

    /// What processes are started on, where the lab starts them.
    pub(crate) const fn ground(&self) -> Option<&Ground> {
        match self {
            Self::Started { ground, .. } => Some(ground),
            Self::Deployed(_) => None,
        }
    }

    /// How one more replica would be started, where the lab starts them.
    pub(crate) fn spec(&self, place: (&str, u32), plan: &Plan) -> Option<Spec> {
        match self {
            Self::Started { chain, ground } => Some(chain.spec(place, plan, ground)),
            Self::Deployed(_) => None,
        }
    }

    /// One more replica, which has started.
    pub(crate) fn add(&mut self, process: Process) {
        if let Self::Started { chain, .. } = self {
            chain.add(process);
        }
    }

    /// Takes a replica away, to be stopped.
    pub(crate) fn take(&mut self, service: &str, replica: u32) -> Option<Process> {
        match self {
            Self::Started { chain, .. } => chain.take(service, replica),
            Self::Deployed(_) => None,
        }
    }

    /// Where the replicas of `service` listen that the lab has started, by their numbers.
    pub(crate) fn urls(&self, service: &str) -> Vec<(u32, String)> {
        let Self::Started { chain, .. } = self else {
            return Vec::new();
        };
        let processes = chain.processes().iter();
        let processes = processes.filter(|process| process.service() == service);
        let url = |process: &Process| format!("http://{}", process.addresses().public);
        processes.map(|it| (it.replica(), url(it))).collect()
    }

    /// Processor time used so far by each service, in seconds, where that can be known.
    pub(crate) fn cpu_seconds(&self) -> BTreeMap<String, f64> {
        match self {
            Self::Started { chain, .. } => chain.cpu_seconds(),
            Self::Deployed(_) => BTreeMap::new(),
        }
    }

    /// Restarts the member at `place`; it, or none if there is no such place.
    pub(crate) async fn restart(&mut self, place: usize) -> Result<Option<&Member>, LabError> {
        match self {
            Self::Started { chain, ground } => {
                let process = chain.restart(place, ground).await?;
                Ok(process.map(Process::member))
            }
            Self::Deployed(deployed) => deployed.restart(place).await,
        }
    }

    /// What [`stop`](Self::stop) does here.
    pub(crate) const fn last_step(&self) -> Step {
        match self {
            Self::Started { .. } => Step::Stopping,
            Self::Deployed(_) => Step::Restoring,
        }
    }

    /// Stops what was started, and puts back what was there before; what did not go well.
    pub(crate) async fn stop(&mut self) -> Vec<String> {
        match self {
            Self::Started { chain, .. } => {
                let bad = chain.stop().await.into_iter();
                bad.map(|name| format!("{name} did not end well")).collect()
            }
            Self::Deployed(deployed) => deployed.stop().await,
        }
    }
}
