//! One run of a plan: start, load, settle, collect, stop.

use crate::{
    LabError, Progress, Step, accounting,
    chain::{Chain, Ground},
    control::{Control, Metrics},
    load::{self, Target},
};
use chassis::{
    Call, Instruments, Policy, RequestContext, Upstream,
    outbound::{self, Outbound},
};
use faults::FaultSet;
use report::results::{Generator, RunResult};
use scenario::{Phase, Plan, Topology};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use telemetry::{Export, Identity, Telemetry};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use traces::{
    Analysis, AnalysisOptions, Archive, Receiver, ReceiverOptions, Selection, analyse,
    analysis::Requests,
};
use types::{
    auth::{LoginRequest, LoginResponse},
    service,
};
use url::Url;

/// Users who ask in turn. Each logs in once before the load begins.
const USERS: u32 = 8;
/// The longest to wait for services to finish what they have begun.
const SETTLE: Duration = Duration::from_secs(10);
/// How often to ask them.
const POLL: Duration = Duration::from_millis(25);
/// How many traces of each kind to keep for people to look at.
const SAMPLE: usize = 100;
/// How often a login is tried: services that have just started answer.
const LOGINS: u32 = 5;

/// Where and how runs are made.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The program that is every service: `nines`.
    pub program: PathBuf,
    /// The folder for spans; it exists.
    pub out: PathBuf,
    /// A collector to forward all spans to.
    pub otlp: Option<Url>,
    /// Whether all spans are written, or a sample of whole traces.
    pub all_spans: bool,
    /// Stops the run when cancelled.
    pub stop: CancellationToken,
}

/// Makes one run of `plan`, named `name`, and stops everything it started.
pub async fn run(
    name: &str,
    plan: &Plan,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<RunResult, LabError> {
    let folder = tempfile::Builder::new()
        .prefix("nines-")
        .tempdir()
        .map_err(LabError::Temporary)?;
    let mut chain = Chain::default();
    let stop = setup.stop.clone();
    let measured = tokio::select! {
        measured = measure(plan, setup, &folder, &mut chain, progress) => measured,
        () = stop.cancelled() => Err(LabError::Interrupted),
    };
    progress.step(Step::Stopping);
    let bad = chain.stop().await;
    for service in bad {
        tracing::warn!(service, "did not end well");
    }
    let measured = measured?;
    progress.step(Step::Analysing);
    let file = setup.out.join(format!("{name}.spans.jsonl"));
    conclude(plan, measured, setup, file).await
}

/// What was measured, before the spans are put together.
struct Measured {
    generator: Generator,
    metrics: BTreeMap<String, Metrics>,
    cpu_s: BTreeMap<String, f64>,
    load_s: f64,
    receiver: Receiver,
    prefix: String,
}

async fn measure(
    plan: &Plan,
    setup: &Setup,
    folder: &TempDir,
    chain: &mut Chain,
    progress: &dyn Progress,
) -> Result<Measured, LabError> {
    let receiver = start_receiver(setup, folder.path()).await?;
    let client = outbound::client()?;
    let admin_token = format!("{:032x}", rand::random::<u128>());
    let ground = Ground {
        program: setup.program.clone(),
        folder: folder.path().to_owned(),
        otlp: receiver.endpoint(),
        admin_token: admin_token.clone(),
        users: USERS,
    };
    chain.start(plan, &ground, progress).await?;
    let control = Control::new(client.clone(), admin_token);
    let phase = only_phase(plan)?;
    let identity = Identity {
        service: service::CLIENT.into(),
        replica: "client-0".into(),
    };
    let telemetry = Telemetry::start(&identity, &Export::Spans(receiver.endpoint()))?;
    let result = drive(plan, phase, chain, &control, &telemetry, &client, progress).await;
    telemetry.shutdown().await;
    let (generator, metrics, cpu_s, load_s, prefix) = result?;
    Ok(Measured {
        generator,
        metrics,
        cpu_s,
        load_s,
        receiver,
        prefix,
    })
}

type Driven = (
    Generator,
    BTreeMap<String, Metrics>,
    BTreeMap<String, f64>,
    f64,
    String,
);

/// Logs in, injects the faults, sends the load, waits until all is quiet, and counts.
async fn drive(
    plan: &Plan,
    phase: &Phase,
    chain: &Chain,
    control: &Control,
    telemetry: &Telemetry,
    client: &reqwest::Client,
    progress: &dyn Progress,
) -> Result<Driven, LabError> {
    let edge = edge(plan, phase, chain, telemetry, client)?;
    progress.step(Step::LoggingIn);
    let target = target(plan, edge).await?;
    let prefix = target.prefix.clone();
    settle(chain, control).await?;
    let before = read_all(chain, control).await?;
    inject(plan, phase, chain, control).await?;
    let (cpu_before, begin) = (chain.cpu_seconds(), Instant::now());
    let generator = load::generate(target, &phase.load, plan.seed(), progress).await;
    let load_s = begin.elapsed().as_secs_f64();
    progress.step(Step::Settling);
    settle(chain, control).await?;
    let cpu_s = difference(&chain.cpu_seconds(), &cpu_before);
    let after = read_all(chain, control).await?;
    let since = |(name, metrics): (String, Metrics)| {
        let since = before
            .get(&name)
            .map_or_else(|| metrics.clone(), |b| metrics.since(b));
        (name, since)
    };
    Ok((
        generator,
        after.into_iter().map(since).collect(),
        cpu_s,
        load_s,
        prefix,
    ))
}

async fn start_receiver(setup: &Setup, folder: &Path) -> Result<Receiver, LabError> {
    let options = ReceiverOptions {
        forward: setup.otlp.clone(),
        spool: Some(folder.to_owned()),
    };
    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(Receiver::start(loopback, options).await?)
}

fn only_phase(plan: &Plan) -> Result<&Phase, LabError> {
    plan.phases()
        .first()
        .ok_or_else(|| LabError::Broken("the plan has no phase".into()))
}

/// The edge as the chain's client sees it. Its patience is all it does about failures.
fn edge(
    plan: &Plan,
    phase: &Phase,
    chain: &Chain,
    telemetry: &Telemetry,
    client: &reqwest::Client,
) -> Result<Upstream, LabError> {
    let name = plan.topology().edge();
    let url = chain
        .url(&name)
        .ok_or_else(|| LabError::Broken(format!("{name} is missing")))?;
    Ok(Upstream::new(&Outbound {
        callee: name,
        replicas: Arc::new([url]),
        tracer: telemetry.tracer(),
        instruments: Instruments::new(&telemetry.metrics().meter()),
        client: client.clone(),
        policy: Policy {
            attempt_timeout: Some(phase.load.patience),
        },
    }))
}

/// What the load asks for: the page of users who have logged in, or the relays' answer.
async fn target(plan: &Plan, edge: Upstream) -> Result<Target, LabError> {
    let prefix = format!("r{}-", plan.seed());
    match plan.topology() {
        Topology::Graph { .. } => {
            let (call, path) = ("relay.relay", "/v1/relay");
            Ok(Target {
                edge,
                call,
                path,
                tokens: Vec::new(),
                prefix,
            })
        }
        Topology::Sequence { .. } => {
            let mut tokens = Vec::new();
            for user in 1..=USERS {
                tokens.push(login(&edge, user).await?);
            }
            Ok(Target {
                edge,
                call: "gateway.me",
                path: "/v1/me",
                tokens,
                prefix,
            })
        }
    }
}

/// Logs a seeded user in, through the edge as everybody does.
async fn login(edge: &Upstream, user: u32) -> Result<String, LabError> {
    let username = format!("user-{user}");
    let request = LoginRequest {
        username: username.clone(),
        password: format!("password-{user}"),
    };
    let mut why = String::new();
    for n in 0..LOGINS {
        let context = RequestContext::new(format!("login-{user}-{n}"));
        let call = Call::post("gateway.login", "/v1/login").json(&request);
        let answer = edge.call(&context, call).await;
        match answer.and_then(|answer| answer.json::<LoginResponse>()) {
            Ok(login) => return Ok(login.token),
            Err(error) => why = error.to_string(),
        }
    }
    Err(LabError::Login {
        user: username,
        why,
    })
}

async fn inject(
    plan: &Plan,
    phase: &Phase,
    chain: &Chain,
    control: &Control,
) -> Result<(), LabError> {
    for process in chain.processes() {
        let faults = phase.faults_of(process.name());
        control
            .set_faults(
                process,
                &FaultSet {
                    seed: plan.seed(),
                    faults,
                },
            )
            .await?;
    }
    Ok(())
}

/// Waits until no service is handling a request.
async fn settle(chain: &Chain, control: &Control) -> Result<(), LabError> {
    let quiet = async {
        loop {
            let metrics = read_all(chain, control).await?;
            if metrics.values().all(|metrics| metrics.active == 0) {
                return Ok(());
            }
            sleep(POLL).await;
        }
    };
    timeout(SETTLE, quiet).await.unwrap_or_else(|_| {
        tracing::warn!("some requests were still under way when the run ended");
        Ok(())
    })
}

async fn read_all(chain: &Chain, control: &Control) -> Result<BTreeMap<String, Metrics>, LabError> {
    let mut all = BTreeMap::new();
    for process in chain.processes() {
        all.insert(process.name().to_owned(), control.read(process).await?);
    }
    Ok(all)
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

/// Puts the spans together. The services have stopped: every span they sent is here.
async fn conclude(
    plan: &Plan,
    measured: Measured,
    setup: &Setup,
    file: PathBuf,
) -> Result<RunResult, LabError> {
    let Measured {
        generator,
        metrics,
        cpu_s,
        load_s,
        receiver,
        prefix,
    } = measured;
    let archive = receiver.finish().await;
    let options = AnalysisOptions {
        client: service::CLIENT.to_owned(),
        requests: Requests::Prefix(prefix),
        expected_services: plan.services().iter().map(ToString::to_string).collect(),
    };
    let all = setup.all_spans;
    let work = move || put_together(&archive, options, all, &file);
    let (analysis, spans_file) = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| LabError::Broken(error.to_string()))??;
    let edge = plan.topology().edge();
    let accounting = accounting::compare(&generator.counts, &metrics, &analysis, &edge);
    let spans_file = Some(spans_file);
    let seed = plan.seed();
    Ok(RunResult {
        seed,
        load_s,
        generator,
        analysis,
        accounting,
        cpu_s,
        spans_file,
    })
}

fn put_together(
    archive: &Archive,
    options: AnalysisOptions,
    all: bool,
    file: &Path,
) -> Result<(Analysis, PathBuf), LabError> {
    let analysis = analyse(archive.spans(), &options);
    let selection = if all {
        Selection::All
    } else {
        Selection::Sample { ok: SAMPLE, failed: SAMPLE, of: options }
    };
    archive.write_jsonl(file, &selection)?;
    Ok((analysis, file.to_owned()))
}
