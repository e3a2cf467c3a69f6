//! Metrics: one set of instruments with two readers.
//!
//! Prometheus scrapes them from the admin listener; where `OTEL_EXPORTER_OTLP_ENDPOINT` is
//! set they are pushed by OTLP as well.

use crate::{Export, SpanCounts, TelemetryError, spans::endpoint_is_set};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use prometheus::{Encoder, Registry, TextEncoder};

/// Bucket boundaries of durations in seconds, as the semantic conventions advise for HTTP.
pub const DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

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
        if *export == Export::Environment && endpoint_is_set("METRICS") {
            builder = builder.with_periodic_exporter(MetricExporter::builder().build()?);
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
