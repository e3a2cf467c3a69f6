//! Drives the load through a running chain: log in, inject, load, settle, count.

use crate::{
    LabError, Progress, Step,
    control::{Control, Metrics},
    cpu::Host,
    load::{self, Target},
    login::{credentials, login},
    member::Member,
    site::Site,
    tokens::Tokens,
};
use chassis::{
    Call, Instruments, Policy, PolicyControl, RequestContext, Upstream, outbound::Outbound,
};
use faults::FaultSet;
use report::results::{Generator, Scaled};
use scenario::{Phase, Plan, Topology};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use telemetry::AnchoredClock;
use telemetry::Telemetry;
use tokio::{
    sync::RwLock,
    time::{Instant, sleep, sleep_until, timeout},
};
use types::{
    auth::{LoginRequest, LoginResponse},
    service,
};

/// How long before the load begins its faults are put in place: they count their time from
/// its begin, so that outages come when the seed says.
const LEAD: Duration = Duration::from_millis(200);
/// Users who ask in turn. Each logs in once before the load begins.
pub(crate) const USERS: u32 = 8;
/// The longest to wait for services to finish what they have begun.
const SETTLE: Duration = Duration::from_secs(10);
/// How often to ask them.
const POLL: Duration = Duration::from_millis(25);

/// A running chain, and what is needed to drive it.
pub(crate) struct Drive<'a> {
    pub plan: &'a Plan,
    pub phase: &'a Phase,
    pub site: &'a RwLock<Site>,
    pub control: Control,
    pub telemetry: &'a Telemetry,
    pub client: reqwest::Client,
    /// What the client does about failures: beside its patience, it may try again.
    pub client_policy: PolicyControl,
    pub progress: &'a dyn Progress,
}

/// What came of the load.
pub(crate) struct Driven {
    pub generator: Generator,
    /// What each service counted meanwhile, the generator among them as the client; none if
    /// they were restarted, and began to count anew, if one was stopped before it had ended what
    /// it had begun, or if they can't be asked.
    pub metrics: Option<BTreeMap<String, Metrics>>,
    pub cpu_s: BTreeMap<String, f64>,
    pub load_s: f64,
    pub host_busy: Option<f64>,
    /// What the ids of the load's requests begin with.
    pub prefix: String,
    /// What services and replicas are called, by their addresses.
    pub replicas: BTreeMap<String, String>,
    /// When each phase began in fact: with the last of its faults in place.
    pub switches: Vec<SystemTime>,
    /// Replicas over time, of the service that was scaled.
    pub scaled: Option<Scaled>,
}

impl Drive<'_> {
    /// Logs users in, and makes sure that a request passes through the whole chain.
    pub(crate) async fn log_in(&self) -> Result<Target, LabError> {
        self.progress.step(Step::LoggingIn);
        let target = self.target().await?;
        let token = target.tokens.get(0);
        let site = self.site.read().await;
        site.look(self.plan, token.as_deref()).await?;
        drop(site);
        Ok(target)
    }

    /// Injects the faults, sends the load to `target`, waits until all is quiet, and counts.
    pub(crate) async fn run(&self, target: Target) -> Result<Driven, LabError> {
        let prefix = target.prefix.clone();
        self.settle().await?;
        let before = self.read_all().await?;
        let begin = self.prepare().await?;
        sleep_until(begin.at).await;
        let (cpu_before, host_before) = (self.site.read().await.cpu_seconds(), Host::now());
        let tokens = target.tokens.clone();
        let load = self.load(target, begin);
        let (generator, switches, restarted, scaled) = tokio::join!(
            load,
            self.go_through_phases(begin),
            self.restart_all(begin),
            self.scale(begin)
        );
        let (switches, restarted, scaled) = (switches?, restarted?, scaled?);
        let load_s = begin.at.elapsed().as_secs_f64();
        let busy = |before: Host| Host::now().map(|now| now.busy_since(before));
        let host_busy = host_before.and_then(busy);
        self.progress.step(Step::Settling);
        self.settle().await?;
        let site = self.site.read().await;
        let cpu_s = difference(&site.cpu_seconds(), &cpu_before);
        let mut counted = self.read_all().await?;
        for (service, gone) in &scaled.gone {
            counted.entry(service.clone()).or_default().add(gone);
        }
        let metrics = since(counted, &before);
        // Without admin listeners nothing is counted; those who restart begin to count anew; and
        // a login during the load is counted by the services, but is no request of the load.
        let is_counted = !restarted
            && scaled.is_counted
            && tokens.logins() == 0
            && site.members().next().is_some();
        Ok(Driven {
            generator,
            metrics: is_counted.then_some(metrics),
            // Processes that were restarted began to count anew.
            cpu_s: if restarted { BTreeMap::new() } else { cpu_s },
            load_s,
            host_busy,
            prefix,
            replicas: site.names_by_address(),
            switches,
            scaled: scaled.scaled,
        })
    }

    /// Sends the load, and renews the users' tokens meanwhile.
    async fn load(&self, target: Target, begin: AnchoredClock) -> Generator {
        let (tokens, edge, patience) =
            (target.tokens.clone(), target.edge.clone(), target.patience);
        let login = async |user: usize, number: u64| {
            let request = credentials(u32::try_from(user).unwrap_or_default() + 1);
            // Faults are drawn by the id: each login has its own.
            let id = format!("login-again-{number}");
            log_in_once(&edge, &request, id, patience).await
        };
        tokio::select! {
            generator = load::generate(target, self.plan, begin, self.progress) => generator,
            never = tokens.keep_fresh(login) => match never {},
        }
    }

    /// The edge as the chain's client sees it.
    async fn edge(&self) -> Result<Upstream, LabError> {
        let name = self.plan.topology().edge();
        let missing = || LabError::Broken(format!("{name} is missing"));
        let urls = self.site.read().await.edge(&name);
        if urls.is_empty() {
            return Err(missing());
        }
        Ok(Upstream::new(&Outbound {
            callee: name,
            replicas: urls.into(),
            tracer: self.telemetry.tracer(),
            instruments: Instruments::new(&self.telemetry.metrics().meter()),
            client: self.client.clone(),
            policy: self.client_policy.clone(),
        }))
    }

    /// What the load asks for: the page of users who have logged in, or the relays' answer.
    async fn target(&self) -> Result<Target, LabError> {
        let edge = self.edge().await?;
        let prefix = format!("r{}-", self.plan.seed());
        let patience = self.phase.load.patience;
        let mut tokens = Vec::new();
        let (call, path) = match self.plan.topology() {
            Topology::Graph { .. } => ("relay.relay", "/v1/relay"),
            Topology::Sequence { .. } => {
                for user in 1..=USERS {
                    tokens.push(log_in(&edge, user, patience).await?);
                }
                ("gateway.me", "/v1/me")
            }
        };
        Ok(Target {
            edge,
            call,
            request: load::get(path),
            tokens: Tokens::new(tokens),
            prefix,
            patience,
            policy: self.client_policy.clone(),
        })
    }

    /// Puts the faults of the first phase in place; the moment at which the load is to begin.
    async fn prepare(&self) -> Result<AnchoredClock, LabError> {
        let mut lead = LEAD + self.takeover();
        loop {
            let begin = AnchoredClock::read().after(lead);
            self.inject(self.phase, begin).await?;
            if Instant::now() < begin.at {
                return Ok(begin);
            }
            // The machine is slow: more time, and once more.
            lead *= 2;
        }
    }

    /// The longest that a standby needs to take over: the first ones have, before the load.
    fn takeover(&self) -> Duration {
        let topology = self.plan.topology();
        let services = self.plan.services();
        let relays = services.iter().filter_map(|name| topology.relay(name));
        relays
            .filter_map(|relay| relay.takeover)
            .max()
            .unwrap_or_default()
    }

    /// Replaces faults and policies at the begin of each phase; the moments at which that was
    /// done.
    async fn go_through_phases(&self, begin: AnchoredClock) -> Result<Vec<SystemTime>, LabError> {
        let mut switches = vec![begin.time];
        for (before, phase) in self.plan.phases().windows(2).filter_map(pair) {
            sleep_until(begin.at + phase.start).await;
            if before.policy != phase.policy {
                self.apply(&phase.policy).await?;
            }
            self.inject(phase, begin).await?;
            switches.push(begin.now());
        }
        Ok(switches)
    }

    /// From now on the services, and the client, do this about failures.
    pub(crate) async fn apply(&self, policy: &scenario::Policy) -> Result<(), LabError> {
        for member in self.site.read().await.members() {
            self.control.set_policy(member, policy).await?;
        }
        self.client_policy.set(of_client(policy));
        Ok(())
    }

    async fn inject(&self, phase: &Phase, begin: AnchoredClock) -> Result<(), LabError> {
        for member in self.site.read().await.members() {
            self.inject_into(member, phase, begin).await?;
        }
        Ok(())
    }

    async fn inject_into(
        &self,
        member: &Member,
        phase: &Phase,
        begin: AnchoredClock,
    ) -> Result<(), LabError> {
        let faults = FaultSet {
            seed: self.plan.seed(),
            begin: Some(begin.time_as_set()),
            faults: phase.faults_of(&member.service, member.replica),
        };
        self.control.set_faults(member, &faults).await
    }

    /// Puts in place what holds now, at a replica that has just started.
    pub(crate) async fn prepare_one(
        &self,
        member: &Member,
        begin: AnchoredClock,
    ) -> Result<(), LabError> {
        let has_come = |phase: &&Phase| begin.at + phase.start <= Instant::now();
        let phase = self.plan.phases().iter().take_while(has_come).last();
        let phase = phase.unwrap_or(self.phase);
        if phase.policy != self.phase.policy {
            self.control.set_policy(member, &phase.policy).await?;
        }
        self.inject_into(member, phase, begin).await
    }

    /// Restarts every replica of every service one after the other, the called before their
    /// callers, if the plan wants that. Whether it does.
    async fn restart_all(&self, begin: AnchoredClock) -> Result<bool, LabError> {
        let Some(at) = self.plan.restart() else {
            return Ok(false);
        };
        sleep_until(begin.at + at).await;
        let places = self.site.read().await.members().count();
        for place in 0..places {
            let mut site = self.site.write().await;
            if let Some(member) = site.restart(place).await? {
                self.inject_into(member, self.phase, begin).await?;
            }
            drop(site);
            // Until its next heartbeat a caller may believe it down: no other may go meanwhile.
            sleep(self.noticed()).await;
        }
        Ok(true)
    }

    /// How long callers take to notice by heartbeats that a replica is up.
    pub(crate) fn noticed(&self) -> Duration {
        let check = self.phase.policy.balance.and_then(|it| it.settings().check);
        let noticed = check.map(|it| it.every.saturating_add(it.timeout) * it.hits);
        noticed.unwrap_or_default()
    }

    /// Waits until no service is handling a request.
    async fn settle(&self) -> Result<(), LabError> {
        let quiet = async {
            while self
                .read_all()
                .await?
                .values()
                .any(|metrics| metrics.active != 0)
            {
                sleep(POLL).await;
            }
            Ok(())
        };
        timeout(SETTLE, quiet).await.unwrap_or_else(|_| {
            tracing::warn!("some requests were still under way when the run ended");
            Ok(())
        })
    }

    async fn read_all(&self) -> Result<BTreeMap<String, Metrics>, LabError> {
        let mut all: BTreeMap<String, Metrics> = BTreeMap::new();
        for member in self.site.read().await.members() {
            let read = self.control.read(member).await?;
            all.entry(member.service.clone()).or_default().add(&read);
        }
        let own = Metrics::parse(&self.telemetry.metrics().render());
        all.insert(service::CLIENT.to_owned(), own);
        Ok(all)
    }
}

/// The client's part of a policy, for its calls.
pub(crate) fn of_client(policy: &scenario::Policy) -> Policy {
    let scenario::Policy {
        deadline,
        retry,
        balance,
        ..
    } = policy.of_client();
    Policy {
        deadline,
        retry,
        balance,
        ..Policy::default()
    }
}

const fn pair(phases: &[Phase]) -> Option<(&Phase, &Phase)> {
    match phases {
        [before, after] => Some((before, after)),
        _ => None,
    }
}

/// Logs a seeded user in, through the edge as everybody does.
async fn log_in(edge: &Upstream, user: u32, patience: Duration) -> Result<String, LabError> {
    let attempt = async |request: &LoginRequest, before: u32| {
        log_in_once(edge, request, format!("login-{user}-{before}"), patience).await
    };
    login(user, attempt).await
}

async fn log_in_once(
    edge: &Upstream,
    request: &LoginRequest,
    id: String,
    patience: Duration,
) -> Result<String, String> {
    let call = Call::post("gateway.login", "/v1/login");
    let call = call.json(request).patience(patience);
    let answer = edge.call(&RequestContext::new(id), call).await;
    let login = answer.and_then(|answer| answer.json::<LoginResponse>());
    login
        .map(|login| login.token)
        .map_err(|error| error.to_string())
}

fn since(
    now: BTreeMap<String, Metrics>,
    before: &BTreeMap<String, Metrics>,
) -> BTreeMap<String, Metrics> {
    let nothing = Metrics::default();
    let since = |(name, now): (String, Metrics)| {
        let since = now.since(before.get(&name).unwrap_or(&nothing));
        (name, since)
    };
    now.into_iter().map(since).collect()
}

fn difference(
    now: &BTreeMap<String, f64>,
    before: &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let since = |(name, now): (&String, &f64)| {
        (
            name.clone(),
            now - before.get(name).copied().unwrap_or_default(),
        )
    };
    now.iter().map(since).collect()
}
