//! Load on a service that somebody else runs, and what it took.

use crate::{
    LabError, Progress,
    load::{self, Begin, Ended, Target},
};
use bytes::Bytes;
use chassis::{Instruments, PolicyControl, Upstream, outbound, outbound::Outbound};
use http::Request;
use report::results::Generator;
use scenario::Plan;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use telemetry::{Export, Identity, Telemetry};
use types::service;
use url::Url;

/// What came of the load.
#[derive(Debug, Default)]
pub struct Measured {
    /// Requests by how they ended.
    pub generator: Generator,
    /// How many answers had which status.
    pub statuses: BTreeMap<u16, u64>,
    /// How long each request took, in ascending order; one that was given up at least as long
    /// as the client was patient.
    pub latencies: Vec<Duration>,
    /// How long it took until the last request had ended.
    pub took: Duration,
}

/// Sends the load of `plan` to `server`, each request being `request`, whose URI is a path.
pub async fn measure(
    plan: &Plan,
    server: Url,
    request: Request<Bytes>,
    progress: &dyn Progress,
) -> Result<Measured, LabError> {
    let identity = Identity {
        service: service::CLIENT.into(),
        replica: "client-0".into(),
    };
    let telemetry = Telemetry::start(&identity, &Export::Environment)?;
    let load = plan.phases().first().map(|phase| phase.load);
    let load = load.ok_or_else(|| LabError::Broken("the plan has no phase".to_owned()))?;
    let target = Target {
        edge: Upstream::new(&Outbound {
            callee: server.host_str().unwrap_or_default().into(),
            replicas: Arc::new([server]),
            tracer: telemetry.tracer(),
            instruments: Instruments::new(&telemetry.metrics().meter()),
            client: outbound::client()?,
            policy: PolicyControl::default(),
        }),
        call: "load",
        request,
        tokens: Vec::new(),
        prefix: format!("l{:08x}-", rand::random::<u32>()),
        patience: load.patience,
    };
    let mut measured = Measured::default();
    let begin = Begin::now();
    let each = |end: &Ended| {
        measured.latencies.push(end.latency);
        if let Some(status) = end.status {
            *measured.statuses.entry(status).or_default() += 1;
        }
    };
    measured.generator = load::generate_and(target, plan, begin, progress, each).await;
    measured.took = begin.at.elapsed();
    measured.latencies.sort_unstable();
    telemetry.shutdown().await;
    Ok(measured)
}
