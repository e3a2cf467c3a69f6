//! One run of a plan: start, drive, stop, put together.

use crate::{
    LabError, Progress, Step, accounting,
    chain::Ground,
    control::{self, Control},
    deployed::{Deployed, Deployment, fetch},
    drive::{Drive, Driven, USERS, of_client},
    label::Label,
    pace::{Pace, pace},
    site::Site,
    timeline,
};
use availability::{Confidence, Doubt, Probability};
use chassis::outbound;
use report::results::{HostCheck, RunResult, Sampled};
use scenario::{Model, Phase, Plan};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
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
    /// The scenario and the variant, as the spans of all processes name them.
    pub label: Label,
    /// The chain that somebody else has deployed, which is not to be started then.
    pub deployed: Option<Deployment>,
    /// A collector to forward all spans to.
    pub otlp: Option<Url>,
    /// The Jaeger in which people look at traces: those that are shown link to it.
    pub jaeger: Option<Url>,
    /// Whether all spans are written, or a sample of whole traces.
    pub all_spans: bool,
    /// How long the users' tokens are good in a chain that is started here. Longer than the
    /// longest run, no user logs in again during the load: the services would count that too.
    pub token_lifetime: Duration,
    /// How many further runs with other seeds each experiment has.
    pub repeat: u32,
    /// Stops the run when cancelled.
    pub stop: CancellationToken,
}

/// One run to be made.
#[derive(Debug, Clone)]
pub(crate) struct Job<'a> {
    /// What its files are called.
    pub name: &'a str,
    /// Which run of the scenario it is, from 1.
    pub number: usize,
    /// What is asked for.
    pub plan: &'a Plan,
    /// How much more work a request is than one without faults, as [`pace::cost`] has it.
    ///
    /// [`pace::cost`]: crate::pace::cost
    pub cost: f64,
    /// The highest rate at which the load may be sent, if an earlier run was disturbed.
    pub at_most: Option<f64>,
}

/// What came of a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A run.
    Ran(Box<Ran>),
    /// No load was sent: the host is too slow for it.
    TooSlow(Doubt),
}

/// A run, and what was run: the plan, at the rate at which it was.
#[derive(Debug)]
pub(crate) struct Ran {
    pub plan: Plan,
    pub run: RunResult,
}

/// Makes one run, and stops everything it started.
pub(crate) async fn run(
    job: &Job<'_>,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<Outcome, LabError> {
    let label = Label {
        seed: job.plan.seed(),
        run: job.number,
        ..setup.label.clone()
    };
    let folder = tempfile::Builder::new()
        .prefix("nines-")
        .tempdir()
        .map_err(LabError::Temporary)?;
    let receiver = start_receiver(setup, folder.path()).await?;
    let site = RwLock::new(site(setup, folder.path(), &receiver, &label)?);
    let measured = tokio::select! {
        measured = measure(job, &site, (&receiver, &label), progress) => measured,
        () = setup.stop.cancelled() => Err(LabError::Interrupted),
    };
    let mut site = site.into_inner();
    progress.step(site.last_step());
    for complaint in site.stop().await {
        progress.warn(&complaint);
    }
    let (plan, host, driven) = match measured? {
        Measured::Driven { plan, host, driven } => (plan, host, driven),
        Measured::TooSlow(doubt) => return Ok(Outcome::TooSlow(doubt)),
    };
    fetch_spans(setup, &receiver, &driven.prefix, progress).await?;
    progress.step(Step::Analysing);
    // The services have stopped: every span they sent is here.
    let archive = receiver.finish().await;
    let file = setup.out.join(format!("{}.spans.jsonl", job.name));
    let result = conclude(&plan, *driven, archive, setup.all_spans, file).await?;
    let run = RunResult {
        host,
        deployed: site.told(),
        jaeger: setup.jaeger.as_ref().map(ToString::to_string),
        ..result
    };
    Ok(Outcome::Ran(Box::new(Ran { plan, run })))
}

/// Where the run is to be made.
fn site(
    setup: &Setup,
    folder: &Path,
    receiver: &Receiver,
    label: &Label,
) -> Result<Site, LabError> {
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
        token_lifetime: setup.token_lifetime,
        resource: label.as_variable(),
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

/// What came of a chain that was started.
#[expect(clippy::large_enum_variant, reason = "there is one for each run")]
enum Measured {
    Driven {
        plan: Plan,
        host: Option<HostCheck>,
        driven: Box<Driven>,
    },
    TooSlow(Doubt),
}

async fn measure(
    job: &Job<'_>,
    site: &RwLock<Site>,
    (receiver, label): (&Receiver, &Label),
    progress: &dyn Progress,
) -> Result<Measured, LabError> {
    let phase = first_phase(job.plan)?;
    site.write().await.start(job.plan, progress).await?;
    let identity = Identity {
        service: service::CLIENT.into(),
        replica: "client-0".into(),
    };
    let export = Export::Spans(receiver.endpoint());
    let telemetry = Telemetry::start_with(&identity, &export, &label.attributes())?;
    let client = outbound::client()?;
    let token = site.read().await.admin_token().to_owned();
    let control = Control::new(control::client()?, token);
    let drive = Drive {
        plan: job.plan,
        phase,
        site,
        control,
        telemetry: &telemetry,
        client,
        client_policy: of_client(&phase.policy).into(),
        progress,
    };
    let measured = paced(job, drive).await;
    telemetry.shutdown().await;
    measured
}

/// Sends the load at a rate that the host carries.
async fn paced(job: &Job<'_>, drive: Drive<'_>) -> Result<Measured, LabError> {
    let target = drive.log_in().await?;
    // The services of a deployed chain run elsewhere, and workers of a closed model wait.
    let is_ours = drive.site.read().await.ground().is_some();
    let carries = if is_ours && job.plan.load().model == Model::Open {
        drive.calibrate(&target, job.cost).await?
    } else {
        None
    };
    let pace = carries.map(|carries| pace(job.plan, &carries, job.at_most));
    let (plan, lowered) = match pace {
        Some(Pace::TooSlow(doubt)) => return Ok(Measured::TooSlow(doubt)),
        Some(Pace::Lowered(lowered)) => (job.plan.clone().at_rate(lowered.to_per_s), Some(lowered)),
        Some(Pace::AsPlanned) | None => (job.plan.clone(), None),
    };
    let host = carries.map(|carries| HostCheck {
        carries_per_s: carries.per_s,
        others_busy: carries.others,
        lowered,
    });
    let drive = Drive {
        plan: &plan,
        phase: first_phase(&plan)?,
        ..drive
    };
    let driven = Box::new(drive.run(target).await?);
    Ok(Measured::Driven { plan, host, driven })
}

fn first_phase(plan: &Plan) -> Result<&Phase, LabError> {
    let phase = plan.phases().first();
    phase.ok_or_else(|| LabError::Broken("the plan has no phase".into()))
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
        affect_each_other: plan.requests_affect_each_other(),
    };
    let spans_file = file.clone();
    let (keep, start) = (plan.sample(), timeline::begin(&switches));
    let work = move || {
        let changes = replica_changes(archive.spans(), start);
        let together = put_together(&archive, options, all_spans, &file, keep)?;
        Ok::<_, LabError>((together, changes))
    };
    let work = tokio::task::spawn_blocking(work).await;
    let ((mut analysis, waterfalls, sampled), mut changes) =
        work.map_err(|error| LabError::Broken(error.to_string()))??;
    let named = (&mut analysis.transitions[..], &mut changes[..]);
    timeline::name_replicas(plan, named, &replicas);
    let timeline = timeline::of(&mut analysis, &switches, changes);
    let accounting = accounting::compare(&generator.counts, metrics.as_ref(), &analysis);
    Ok(RunResult {
        seed: plan.seed(),
        given: None,
        host: None,
        doubts: Vec::new(),
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
