//! A chain that is kept running for whoever wants to call it.

use crate::{
    LabError, Progress, Step,
    chain::{Chain, Ground},
    control::Control,
    drive::USERS,
    label,
    login::{credentials, login},
    process::Process,
    running::RunningChain,
    tokens::Tokens,
};
use chassis::Addresses;
use faults::FaultSet;
use scenario::{Plan, Topology};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use types::auth::{LoginRequest, LoginResponse};
use url::Url;

/// The longest that a login may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The user who logs in.
const USER: u32 = 1;

/// How a chain is kept.
#[derive(Debug, Clone)]
pub struct Keep {
    /// The program that is every service: `nines`.
    pub program: PathBuf,
    /// Where the edge listens; none: the system chooses the port.
    pub listen: Option<SocketAddr>,
    /// The collector that services send their spans to; none: they send none.
    pub otlp: Option<Url>,
    /// How long the users' tokens are good.
    pub token_lifetime: Duration,
    /// Ends the chain when cancelled.
    pub stop: CancellationToken,
}

/// Starts the chain of `plan` with the faults and the policy of its first phase, tells
/// `ready`, and keeps it until it is told to stop, or one of its services ends. Then all
/// services drain.
///
/// Before the user's token expires, the user logs in again, and `renewed` gets the chain with
/// the new token.
pub async fn up(
    plan: &Plan,
    keep: &Keep,
    progress: &dyn Progress,
    ready: impl FnOnce(&RunningChain, &Path) -> Result<(), LabError>,
    renewed: impl Fn(&RunningChain),
) -> Result<(), LabError> {
    let folder = tempfile::Builder::new()
        .prefix("nines-")
        .tempdir()
        .map_err(LabError::Temporary)?;
    let mut chain = Chain::with_edge_at(keep.listen);
    let started = tokio::select! {
        started = start(plan, keep, folder.path(), &mut chain, progress) => started,
        () = keep.stop.cancelled() => Err(LabError::Interrupted),
    };
    let serving = started.and_then(|started| {
        ready(&started.running, folder.path())?;
        Ok(started)
    });
    let served = match serving {
        Ok(started) => tokio::select! {
            () = keep.stop.cancelled() => Ok(()),
            (service, how) = chain.first_to_end() => Err(LabError::Ended { service, how }),
            never = started.keep_fresh(renewed) => match never {},
        },
        Err(error) => Err(error),
    };
    progress.step(Step::Stopping);
    for service in chain.stop().await {
        tracing::warn!(service, "did not end well");
    }
    served
}

/// A chain that was started, and what renews its user's token.
struct Started {
    running: RunningChain,
    client: reqwest::Client,
    edge: Url,
}

impl Started {
    async fn keep_fresh(&self, renewed: impl Fn(&RunningChain)) -> Infallible {
        let tokens = Tokens::new(self.running.user_token.iter().cloned().collect());
        let login = async |_: usize, _: u64| {
            let token = token(&self.client, &self.edge, &credentials(USER)).await;
            let token = token.map_err(|error| error.to_string())?;
            renewed(&RunningChain {
                user_token: Some(token.clone()),
                ..self.running.clone()
            });
            Ok(token)
        };
        tokens.keep_fresh(login).await
    }
}

async fn start(
    plan: &Plan,
    keep: &Keep,
    folder: &Path,
    chain: &mut Chain,
    progress: &dyn Progress,
) -> Result<Started, LabError> {
    let ground = Ground {
        program: keep.program.clone(),
        folder: folder.to_owned(),
        otlp: keep.otlp.as_ref().map(ToString::to_string),
        admin_token: format!("{:032x}", rand::random::<u128>()),
        users: USERS,
        token_lifetime: keep.token_lifetime,
        resource: label::namespace(),
    };
    chain.start(plan, &ground, progress).await?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let client = client.build()?;
    let running = RunningChain {
        edge: edge(plan, chain.processes()),
        services: addresses(chain.processes()),
        user_token: user_token(plan, chain, &client, progress).await?,
        admin_token: ground.admin_token.clone(),
    };
    let control = Control::new(client.clone(), ground.admin_token);
    inject(plan, chain, &control).await?;
    Ok(Started {
        running,
        client,
        edge: edge_url(plan, chain)?,
    })
}

/// Where the chain's clients call it.
fn edge_url(plan: &Plan, chain: &Chain) -> Result<Url, LabError> {
    let url = chain.urls(&plan.topology().edge()).into_iter().next();
    url.ok_or_else(|| LabError::Broken("the edge is missing".to_owned()))
}

/// The name of the process that clients call: the first replica of the edge.
fn edge(plan: &Plan, processes: &[Process]) -> String {
    let service = plan.topology().edge();
    let is_edge = |process: &&Process| *process.service() == *service;
    let first = processes.iter().find(is_edge).map(Process::name);
    first.unwrap_or(&service).to_owned()
}

fn addresses(processes: &[Process]) -> BTreeMap<String, Addresses> {
    let address = |process: &Process| (process.name().to_owned(), process.addresses());
    processes.iter().map(address).collect()
}

/// Logs a user in, before there are faults; chains of relays have no users.
async fn user_token(
    plan: &Plan,
    chain: &Chain,
    client: &reqwest::Client,
    progress: &dyn Progress,
) -> Result<Option<String>, LabError> {
    let Topology::Sequence { .. } = plan.topology() else {
        return Ok(None);
    };
    progress.step(Step::LoggingIn);
    let edge = edge_url(plan, chain)?;
    let attempt = async |request: &LoginRequest, _: u32| {
        let token = token(client, &edge, request).await;
        token.map_err(|error| error.to_string())
    };
    login(USER, attempt).await.map(Some)
}

async fn token(
    client: &reqwest::Client,
    edge: &Url,
    request: &LoginRequest,
) -> reqwest::Result<String> {
    let answer = client.post(format!("{edge}v1/login")).json(request).send();
    let login: LoginResponse = answer.await?.error_for_status()?.json().await?;
    Ok(login.token)
}

/// The faults of the first phase; the policy has been there from the start.
async fn inject(plan: &Plan, chain: &Chain, control: &Control) -> Result<(), LabError> {
    let Some(phase) = plan.phases().first() else {
        return Ok(());
    };
    for process in chain.processes() {
        let faults = FaultSet {
            seed: plan.seed(),
            faults: phase.faults_of(process.service(), process.replica()),
            ..FaultSet::default()
        };
        control.set_faults(process.member(), &faults).await?;
    }
    Ok(())
}
