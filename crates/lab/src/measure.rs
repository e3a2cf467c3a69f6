//! Load on a service that somebody else runs, and what it took.

use crate::{
    LabError, Progress,
    load::{self, Ended, Target},
    tokens::Tokens,
};
use bytes::Bytes;
use chassis::{Instruments, PolicyControl, Upstream, outbound, outbound::Outbound};
use http::Request;
use report::results::Generator;
use scenario::Plan;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use telemetry::AnchoredClock;
use telemetry::{Export, Identity, Telemetry};
use tokio_util::sync::CancellationToken;
use types::{Outcome, service};
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
    /// The same of those alone that were answered, well or in part.
    pub answered: Vec<Duration>,
    /// How long it took until the last request had ended.
    pub took: Duration,
    /// Whether it was stopped: requests that were under way then are missing.
    pub interrupted: bool,
}

impl Measured {
    fn add(&mut self, end: &Ended) {
        end.count_into(&mut self.generator);
        self.latencies.push(end.latency);
        if end.outcome != Outcome::Failed {
            self.answered.push(end.latency);
        }
        if let Some(status) = end.status {
            *self.statuses.entry(status).or_default() += 1;
        }
    }
}

/// Sends the load of `plan` to `server`, each request being `request`, whose URI is a path,
/// until all have ended or `stop` is cancelled.
pub async fn measure(
    plan: &Plan,
    server: Url,
    request: Request<Bytes>,
    progress: &dyn Progress,
    stop: &CancellationToken,
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
        tokens: Tokens::default(),
        prefix: format!("l{:08x}-", rand::random::<u32>()),
        patience: load.patience,
        policy: PolicyControl::default(),
    };
    let mut measured = Measured::default();
    let begin = AnchoredClock::read();
    let load = load::generate_and(target, plan, begin, progress, |end| measured.add(end));
    let interrupted = stop.run_until_cancelled(load).await.is_none();
    measured.interrupted = interrupted;
    measured.took = begin.at.elapsed();
    measured.latencies.sort_unstable();
    measured.answered.sort_unstable();
    telemetry.shutdown().await;
    Ok(measured)
}
