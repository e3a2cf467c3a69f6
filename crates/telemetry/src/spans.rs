//! Spans: made, queued, exported; and counted, so that a lost one is known.

use crate::{
    Export, TelemetryError,
    export::{self, Report},
};
use opentelemetry::{Context, Value, trace::TracerProvider};
use opentelemetry_otlp::{
    Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfig, BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span,
        SpanData, SpanExporter as Exporter, SpanProcessor,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Spans that may wait for export. The SDK's default of 2048 loses spans from 300
/// requests a second on; 32,768 hold two seconds at 2000 requests a second.
const QUEUE: usize = 32_768;
/// Spans per export request; larger batches cost less per span.
const BATCH: usize = 2_048;
/// The longest a span waits for its batch to fill.
const DELAY: Duration = Duration::from_millis(500);

/// Live counts of spans, shared with the metrics.
#[derive(Debug, Clone, Default)]
pub struct SpanCounts {
    ended: Arc<AtomicU64>,
    exported: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl SpanCounts {
    /// The counts now.
    pub fn totals(&self) -> SpanTotals {
        // Exported first: a span that ends in between is then missing from neither side.
        let (exported, failed) = (self.exported.load(Relaxed), self.failed.load(Relaxed));
        SpanTotals {
            ended: self.ended.load(Relaxed),
            exported,
            failed,
        }
    }
}

/// What became of the spans of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanTotals {
    /// Sampled spans that ended.
    pub ended: u64,
    /// Spans that the receiver accepted.
    pub exported: u64,
    /// Spans that the receiver did not accept, or rejected of a request that it accepted.
    pub failed: u64,
}

impl SpanTotals {
    /// Spans that never reached the receiver. After shutdown none is still on its way.
    pub const fn lost(self) -> u64 {
        self.ended.saturating_sub(self.exported)
    }
}

#[derive(Debug)]
pub(crate) struct Spans {
    provider: SdkTracerProvider,
    counts: SpanCounts,
}

impl Spans {
    pub(crate) fn start(resource: Resource, export: &Export) -> Result<Self, TelemetryError> {
        let counts = SpanCounts::default();
        let mut builder = SdkTracerProvider::builder().with_resource(resource);
        let report = Report::new("spans");
        if let Some(exporter) = exporter(export, &report)? {
            let exporter = CountingExporter {
                inner: exporter,
                counts: counts.clone(),
                report,
            };
            let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batch_config());
            let processor = CountingProcessor {
                inner: batches.build(),
                counts: counts.clone(),
            };
            builder = builder.with_span_processor(processor);
        }
        Ok(Self {
            provider: builder.build(),
            counts,
        })
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("nines")
    }

    pub(crate) fn counts(&self) -> SpanCounts {
        self.counts.clone()
    }

    pub(crate) fn shutdown(&self) -> SpanTotals {
        // `shutdown` answers Ok although the last export failed; only the flush tells.
        if let Err(error) = self.provider.force_flush() {
            tracing::warn!(%error, "the last spans could not be exported");
        }
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the tracer did not shut down cleanly");
        }
        self.counts.totals()
    }
}

const SIGNAL: &str = "TRACES";

fn exporter(export: &Export, report: &Report) -> Result<Option<SpanExporter>, TelemetryError> {
    let builder = SpanExporter::builder();
    let timeout = export::timeout(SIGNAL);
    let exporter = match export {
        Export::Environment => {
            let Some(endpoint) = export::variable(SIGNAL, "ENDPOINT") else {
                return Ok(None);
            };
            if export::is_grpc(SIGNAL) {
                let builder = builder.with_tonic();
                builder.with_retry_policy(export::retry_policy()).build()?
            } else {
                let builder = builder.with_http();
                let client = report.http_client(&endpoint, timeout)?;
                let builder = builder.with_http_client(client);
                builder.with_retry_policy(export::retry_policy()).build()?
            }
        }
        Export::Spans(endpoint) => builder
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_http_client(report.http_client(endpoint, timeout)?)
            .with_retry_policy(export::retry_policy())
            .build()?,
    };
    Ok(Some(exporter))
}

/// Our sizes, unless the environment (`OTEL_BSP_…`) has its own.
fn batch_config() -> BatchConfig {
    let unset = |name: &str| std::env::var_os(name).is_none();
    let mut builder = BatchConfigBuilder::default();
    if unset("OTEL_BSP_MAX_QUEUE_SIZE") {
        builder = builder.with_max_queue_size(QUEUE);
    }
    if unset("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") {
        builder = builder.with_max_export_batch_size(BATCH);
    }
    if unset("OTEL_BSP_SCHEDULE_DELAY") {
        builder = builder.with_scheduled_delay(DELAY);
    }
    builder.build()
}

/// A span of `tracing` brings two attributes: for how long it was entered, and for how long not,
/// by the monotonic clock. They become its end, which the bridge reads from the wall clock.
fn end_by_the_monotonic_clock(span: &mut SpanData) {
    let (mut took, mut found) = (0, false);
    span.attributes.retain(|it| {
        let is_part = matches!(it.key.as_str(), "busy_ns" | "idle_ns");
        if let (true, Value::I64(nanoseconds)) = (is_part, &it.value) {
            (took, found) = (took + nanoseconds, true);
        }
        !is_part
    });
    if found {
        let took = Duration::from_nanos(took.try_into().unwrap_or_default());
        span.end_time = span.start_time.checked_add(took).unwrap_or(span.end_time);
    }
}

/// Counts the spans that ended, before the queue that may drop them.
#[derive(Debug)]
struct CountingProcessor {
    inner: BatchSpanProcessor,
    counts: SpanCounts,
}

impl SpanProcessor for CountingProcessor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, mut span: SpanData) {
        end_by_the_monotonic_clock(&mut span);
        if span.span_context.is_sampled() {
            self.counts.ended.fetch_add(1, Relaxed);
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts the spans that the receiver accepted, and those it did not.
#[derive(Debug)]
struct CountingExporter<E> {
    inner: E,
    counts: SpanCounts,
    report: Report,
}

impl<E: Exporter> Exporter for CountingExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let (result, lost) = self.report.watch(spans, self.inner.export(batch)).await;
        self.counts.exported.fetch_add(spans - lost, Relaxed);
        self.counts.failed.fetch_add(lost, Relaxed);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
