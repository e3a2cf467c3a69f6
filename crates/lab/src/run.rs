//! One run of a plan: start, drive, stop, put together.

use crate::{
    LabError, Progress, Step, accounting,
    chain::Ground,
    control::{self, Control},
    deployed::{Deployed, Deployment, fetch},
    drive::{Drive, Driven, USERS, of_client},
    site::Site,
    timeline,
};
use availability::{Confidence, Probability};
use chassis::outbound;
use report::results::{RunResult, Sampled};
use scenario::Plan;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use telemetry::{Export, Identity, Telemetry};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;
use traces::{
    Analysis, AnalysisOptions, Archive, Receiver, ReceiverOptions, Selection, Span, Waterfall,
    analyse,
    analysis::{Requests, replica_changes, tail_sample},
    waterfalls,
};
use types::service;
use url::Url;

/// How many traces of each kind to keep for people to look at.
const SAMPLE: usize = 100;

/// Where and how runs are made.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The program that is every service: `nines`.
    pub program: PathBuf,
    /// The folder for spans; it exists.
    pub out: PathBuf,
    /// The chain that somebody else has deployed, which is not to be started then.
    pub deployed: Option<Deployment>,
    /// A collector to forward all spans to.
    pub otlp: Option<Url>,
    /// The Jaeger in which people look at traces: those that are shown link to it.
    pub jaeger: Option<Url>,
    /// Whether all spans are written, or a sample of whole traces.
    pub all_spans: bool,
    /// How many further runs with other seeds each experiment has.
    pub repeat: u32,
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
    let receiver = start_receiver(setup, folder.path()).await?;
    let site = RwLock::new(site(setup, folder.path(), &receiver)?);
    let measured = tokio::select! {
        measured = measure(plan, &site, &receiver, progress) => measured,
        () = setup.stop.cancelled() => Err(LabError::Interrupted),
    };
    let mut site = site.into_inner();
    progress.step(site.last_step());
    for complaint in site.stop().await {
        progress.warn(&complaint);
    }
    let driven = measured?;
    fetch_spans(setup, &receiver, &driven.prefix, progress).await?;
    progress.step(Step::Analysing);
    // The services have stopped: every span they sent is here.
    let archive = receiver.finish().await;
    let file = setup.out.join(format!("{name}.spans.jsonl"));
    let result = conclude(plan, driven, archive, setup.all_spans, file).await?;
    Ok(RunResult {
        deployed: site.told(),
        jaeger: setup.jaeger.as_ref().map(ToString::to_string),
        ..result
    })
}

/// Where the run is to be made.
fn site(setup: &Setup, folder: &Path, receiver: &Receiver) -> Result<Site, LabError> {
    if let Some(deployment) = &setup.deployed {
        let deployed = Deployed::new(deployment.clone())?;
        return Ok(Site::Deployed(Box::new(deployed)));
    }
    Ok(Site::of_processes(Ground {
        program: setup.program.clone(),
        folder: folder.to_owned(),
        otlp: Some(receiver.endpoint()),
        admin_token: format!("{:032x}", rand::random::<u128>()),
        users: USERS,
    }))
}

/// Services that were not started here did not send their spans here.
async fn fetch_spans(
    setup: &Setup,
    receiver: &Receiver,
    prefix: &str,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    let Some(deployment) = &setup.deployed else {
        return Ok(());
    };
    tokio::select! {
        fetched = fetch::into(receiver, &deployment.traces, prefix, progress) => fetched,
        () = setup.stop.cancelled() => Err(LabError::Interrupted),
    }
}

async fn measure(
    plan: &Plan,
    site: &RwLock<Site>,
    receiver: &Receiver,
    progress: &dyn Progress,
) -> Result<Driven, LabError> {
    let phase = plan.phases().first();
    let phase = phase.ok_or_else(|| LabError::Broken("the plan has no phase".into()))?;
    site.write().await.start(plan, progress).await?;
    let identity = Identity {
        service: service::CLIENT.into(),
        replica: "client-0".into(),
    };
    let telemetry = Telemetry::start(&identity, &Export::Spans(receiver.endpoint()))?;
    let client = outbound::client()?;
    let token = site.read().await.admin_token().to_owned();
    let control = Control::new(control::client()?, token);
    let telemetry_of = &telemetry;
    let drive = Drive {
        plan,
        phase,
        site,
        control,
        telemetry: telemetry_of,
        client,
        client_policy: of_client(&phase.policy).into(),
        progress,
    };
    let driven = drive.run().await;
    telemetry.shutdown().await;
    driven
}

async fn start_receiver(setup: &Setup, folder: &Path) -> Result<Receiver, LabError> {
    let options = ReceiverOptions {
        forward: setup.otlp.clone(),
        spool: Some(folder.to_owned()),
    };
    Ok(Receiver::start(SocketAddr::from(([127, 0, 0, 1], 0)), options).await?)
}

/// Puts the spans together, and compares what was counted.
async fn conclude(
    plan: &Plan,
    driven: Driven,
    archive: Archive,
    all_spans: bool,
    file: PathBuf,
) -> Result<RunResult, LabError> {
    let Driven {
        generator,
        metrics,
        cpu_s,
        load_s,
        host_busy,
        prefix,
        replicas,
        switches,
        scaled,
    } = driven;
    let forwarded = archive.forward().cloned();
    let options = AnalysisOptions {
        client: service::CLIENT.to_owned(),
        requests: Requests::Prefix(prefix),
        expected_services: plan.services().iter().map(ToString::to_string).collect(),
        stretches: timeline::stretches(plan, &switches, load_s),
    };
    let spans_file = file.clone();
    let keep = plan.sample();
    let begin = timeline::begin(&switches);
    let work = move || {
        let changes = replica_changes(archive.spans(), begin);
        let (analysis, waterfalls, sampled) =
            put_together(&archive, options, all_spans, &file, keep)?;
        Ok::<_, LabError>((analysis, changes, waterfalls, sampled))
    };
    let work = tokio::task::spawn_blocking(work).await;
    let (mut analysis, mut changes, waterfalls, sampled) =
        work.map_err(|error| LabError::Broken(error.to_string()))??;
    let told = (&mut analysis.transitions[..], &mut changes[..]);
    timeline::name_replicas(plan, told, &replicas);
    let timeline = timeline::of(&mut analysis, &switches, changes);
    let accounting = accounting::compare(&generator.counts, metrics.as_ref(), &analysis);
    Ok(RunResult {
        seed: plan.seed(),
        given: None,
        schedule: timeline::schedule(plan, load_s),
        load_s,
        generator,
        analysis,
        timeline,
        sampled,
        waterfalls,
        accounting,
        cpu_s,
        host_busy,
        scaled,
        forwarded,
        deployed: None,
        jaeger: None,
        spans_file,
    })
}

fn put_together(
    archive: &Archive,
    options: AnalysisOptions,
    all_spans: bool,
    file: &Path,
    keep: Option<Probability>,
) -> Result<(Analysis, Vec<Waterfall>, Option<Sampled>), LabError> {
    let analysis = analyse(archive.spans(), &options);
    let waterfalls = waterfalls(archive.spans(), &options);
    let sampled = keep.map(|share| sampled(archive.spans(), &options, share));
    let selection = if all_spans {
        Selection::All
    } else {
        Selection::Sample {
            ok: SAMPLE,
            failed: SAMPLE,
            of: options,
        }
    };
    archive.write_jsonl(file, &selection)?;
    Ok((analysis, waterfalls, sampled))
}

fn sampled(spans: &[Span], options: &AnalysisOptions, share: Probability) -> Sampled {
    let kept = tail_sample(spans, options, share);
    let interval = kept.interval(share, Confidence::P99);
    Sampled {
        share,
        answered: kept.answered,
        failed: kept.failed,
        shown: kept.shown(),
        weighed: kept.weighed(share).zip(interval),
    }
}
