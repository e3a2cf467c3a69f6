//! Metrics: one set of instruments with two readers.
//!
//! Prometheus scrapes them from the admin listener; where `OTEL_EXPORTER_OTLP_ENDPOINT` is
//! set they are pushed by OTLP as well.

use crate::{
    Export, SpanCounts, TelemetryError,
    export::{self, Report},
};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_otlp::{MetricExporter, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{
        SdkMeterProvider, Temporality,
        data::{ResourceMetrics, ScopeMetrics},
        exporter::PushMetricExporter,
    },
};
use prometheus::{Encoder, Registry, TextEncoder};
use std::time::Duration;

/// Bucket boundaries of durations in seconds, as the semantic conventions advise for HTTP.
pub const DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

const SIGNAL: &str = "METRICS";

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Metrics {
    pub(crate) fn start(
        resource: Resource,
        export: &Export,
        spans: SpanCounts,
    ) -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let pull = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .map_err(|error| TelemetryError::Prometheus(error.to_string()))?;
        let mut builder = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(pull);
        if let (Export::Environment, Some(endpoint)) =
            (export, export::variable(SIGNAL, "ENDPOINT"))
        {
            builder = builder.with_periodic_exporter(ReportingExporter::new(&endpoint)?);
        }
        let metrics = Self {
            provider: builder.build(),
            registry,
        };
        metrics.observe(spans);
        Ok(metrics)
    }

    /// The meter from which instruments are made.
    pub fn meter(&self) -> Meter {
        self.provider.meter("nines")
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics could not be rendered");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// Makes the fate of spans a metric: a trace can't tell that it was lost.
    fn observe(&self, spans: SpanCounts) {
        self.meter()
            .u64_observable_counter("nines.spans")
            .with_description("Spans that ended, and those that the receiver accepted or not.")
            .with_callback(move |observer| {
                let totals = spans.totals();
                let counts = [
                    ("ended", totals.ended),
                    ("exported", totals.exported),
                    ("failed", totals.failed),
                ];
                for (state, count) in counts {
                    observer.observe(count, &[KeyValue::new("state", state)]);
                }
            })
            .build();
    }

    pub(crate) fn shutdown(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last metrics could not be exported");
        }
    }
}

/// Sends metrics by OTLP, and logs which did not arrive.
#[derive(Debug)]
struct ReportingExporter {
    inner: MetricExporter,
    report: Report,
}

impl ReportingExporter {
    fn new(endpoint: &str) -> Result<Self, TelemetryError> {
        let report = Report::new("metrics");
        let builder = MetricExporter::builder();
        let inner = if export::is_grpc(SIGNAL) {
            let builder = builder.with_tonic();
            builder.with_retry_policy(export::retry_policy()).build()?
        } else {
            let client = report.http_client(endpoint, export::timeout(SIGNAL))?;
            let builder = builder.with_http().with_http_client(client);
            builder.with_retry_policy(export::retry_policy()).build()?
        };
        Ok(Self { inner, report })
    }
}

impl PushMetricExporter for ReportingExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let scopes = metrics.scope_metrics();
        let count = scopes.flat_map(ScopeMetrics::metrics).count() as u64;
        let (result, _) = self.report.watch(count, self.inner.export(metrics)).await;
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
