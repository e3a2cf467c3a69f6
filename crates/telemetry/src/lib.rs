//! OpenTelemetry for one process: spans, metrics and logs that agree with each other.
//!
//! | module | what it is |
//! |---|---|
//! | `export` | OTLP exporters that report what the receiver made of what they sent |
//! | [`spans`](SpanCounts) | the tracer, its export, and the count of what did not get out |
//! | [`metrics`](Metrics) | one set of instruments, read by Prometheus and pushed by OTLP |
//! | [`logs`] | log lines (logfmt) that carry the trace they belong to |
//! | [`propagation`] | W3C Trace Context in and out of HTTP headers |
//! | [`request`] | the spans of one request: its tracer and its clock, carried in its context |
//! | [`clock`](AnchoredClock) | the time of day, read once for each request |
//!
//! Nothing here is global but the log subscriber, which a process can have only once: two
//! services, or a service and a load generator, can live side by side in a test.
//!
//! The HTTP layers make their spans with the OpenTelemetry API directly; the application's
//! own spans and events go through `tracing` and `tracing-opentelemetry`, as children of
//! those. Measured, the API costs half of the bridge, and every request pays for it.

mod clock;
mod export;
pub mod logs;
mod metrics;
pub mod propagation;
pub mod request;
mod spans;

use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, trace::SdkTracer};
use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};
use types::attribute;

pub use clock::AnchoredClock;
pub use metrics::{DURATION_BUCKETS, Metrics};
pub use spans::{SpanCounts, SpanTotals};

/// Where spans and metrics are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// Where `OTEL_EXPORTER_OTLP_ENDPOINT` (or its variants per signal) says; nowhere without it.
    Environment,
    /// Spans to this OTLP endpoint over HTTP, for example `http://127.0.0.1:4318`.
    Spans(String),
}

/// Who this process is, in traces, metrics and logs.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The service's name.
    pub service: String,
    /// The replica's name, unique in the service.
    pub replica: String,
}

impl Identity {
    /// What names the process, beside what `OTEL_RESOURCE_ATTRIBUTES` says.
    fn resource(&self, attributes: &[(&'static str, String)]) -> Resource {
        let more = attributes.iter();
        let more = more.map(|(key, value)| KeyValue::new(*key, value.clone()));
        Resource::builder()
            .with_attributes(more)
            .with_service_name(self.service.clone())
            .with_attributes([
                KeyValue::new("service.instance.id", self.replica.clone()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new(attribute::REPLICA, self.replica.clone()),
            ])
            .build()
    }
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// An exporter that can't be built from the settings.
    #[error("OTLP exporter: {0} (check the OTEL_EXPORTER_OTLP_… variables)")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The exporters' HTTP client can't be built.
    #[error("OTLP exporter: no HTTP client: {0}")]
    Client(String),
    /// The Prometheus registry refused the exporter.
    #[error("Prometheus exporter: {0}")]
    Prometheus(String),
}

/// The telemetry of one process.
///
/// Keep it until everything that makes spans has ended, then call [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    spans: spans::Spans,
    metrics: Metrics,
}

impl Telemetry {
    /// Sets up spans and metrics for the process `identity`.
    pub fn start(identity: &Identity, export: &Export) -> Result<Self, TelemetryError> {
        Self::start_with(identity, export, &[])
    }

    /// The same, with further resource attributes: for a process that can't be given
    /// `OTEL_RESOURCE_ATTRIBUTES`, because it takes part in one run after the other.
    pub fn start_with(
        identity: &Identity,
        export: &Export,
        attributes: &[(&'static str, String)],
    ) -> Result<Self, TelemetryError> {
        let resource = identity.resource(attributes);
        let spans = spans::Spans::start(resource.clone(), export)?;
        let metrics = Metrics::start(resource, export, spans.counts())?;
        Ok(Self { spans, metrics })
    }

    /// The tracer of this process.
    pub fn tracer(&self) -> SdkTracer {
        self.spans.tracer()
    }

    /// The metrics of this process.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sends what is still held back, closes the exporters, and says what became of all spans.
    ///
    /// A receiver that takes nothing for five seconds is waited for no longer: what it has not
    /// taken is lost. One that is slow, and takes one batch after the other, gets all.
    pub async fn shutdown(self) -> SpanTotals {
        self.shutdown_within(PATIENCE).await
    }

    /// The same with another patience.
    pub async fn shutdown_within(self, patience: Duration) -> SpanTotals {
        let counts = self.spans.counts();
        let watched = counts.clone();
        // Both providers block on their export threads, which a runtime's worker must not.
        let waits = move || {
            let (done, ended) = mpsc::channel();
            let (closed, all_closed) = mpsc::channel();
            thread::spawn(move || {
                // Spans first, whose progress can be seen; the last metrics then tell of all.
                // Whoever waits for either may have given up.
                let _ = done.send(self.spans.shutdown());
                self.metrics.shutdown();
                let _ = closed.send(());
            });
            let totals = wait(|| ended.recv_timeout(patience), || watched.totals())?;
            // Metrics that nobody takes in time are lost, as those are of a process that is killed.
            let _ = all_closed.recv_timeout(patience);
            Some(totals)
        };
        let waited = tokio::task::spawn_blocking(waits).await;
        waited.ok().flatten().unwrap_or_else(|| counts.totals())
    }
}

/// How long a receiver may take nothing before it is given up at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for the end of the export, as long as there is some progress; none if there is not.
/// `end` waits for a while: for as long as a receiver may take nothing.
fn wait(
    mut end: impl FnMut() -> Result<SpanTotals, RecvTimeoutError>,
    totals: impl Fn() -> SpanTotals,
) -> Option<SpanTotals> {
    let mut exported = totals().exported;
    loop {
        match end() {
            Ok(totals) => return Some(totals),
            Err(RecvTimeoutError::Timeout) if totals().exported > exported => {
                exported = totals().exported;
            }
            Err(_) => {
                let lost = totals().lost();
                tracing::warn!(lost, "the last spans could not be exported");
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Waits for a receiver that takes `each` spans in each of 15 waits, and then has all; how
    /// often it was waited for.
    fn wait_for_one_that_takes(each: u64) -> (Option<SpanTotals>, u64) {
        let (waits, exported) = (Cell::new(0), Cell::new(0));
        let totals = || SpanTotals {
            ended: 100,
            exported: exported.get(),
            failed: 0,
        };
        let end = || {
            waits.set(waits.get() + 1);
            exported.set(exported.get() + each);
            if waits.get() > 15 {
                Ok(totals())
            } else {
                Err(RecvTimeoutError::Timeout)
            }
        };
        (wait(end, totals), waits.get())
    }

    #[test]
    fn a_receiver_that_takes_one_batch_after_the_other_is_waited_for_until_it_has_all() {
        let (totals, waits) = wait_for_one_that_takes(2);
        assert_eq!(
            (totals.map(|totals| totals.exported), waits),
            (Some(32), 16)
        );
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_waited_for_once() {
        assert_eq!(wait_for_one_that_takes(0), (None, 1));
    }
}
