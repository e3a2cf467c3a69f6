//! Everything that telemetry says: spans as they end, and metrics as they are scraped.

use chassis::Instruments;
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{SpanKind, TracerProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use telemetry::{Export, Identity, Telemetry};

/// Keeps the spans that ended.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Watches the spans and the metrics of one service.
#[derive(Debug)]
pub struct Watch {
    telemetry: Telemetry,
    provider: SdkTracerProvider,
    ended: Ended,
    pub instruments: Instruments,
}

impl Watch {
    pub fn new(service: &str) -> Self {
        let identity = Identity {
            service: service.to_owned(),
            replica: format!("{service}-0"),
        };
        let telemetry = Telemetry::start(&identity, &Export::Environment).unwrap();
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder().with_span_processor(ended.clone());
        Self {
            instruments: Instruments::new(&telemetry.metrics().meter()),
            telemetry,
            provider: provider.build(),
            ended,
        }
    }

    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("test")
    }

    /// The spans of `kind` that ended, in this order.
    pub fn spans(&self, kind: &SpanKind) -> Vec<SpanData> {
        let spans = self.ended.0.lock().unwrap();
        let fits = |span: &&SpanData| span.span_kind == *kind;
        spans.iter().filter(fits).cloned().collect()
    }

    /// All metrics as they are scraped now.
    pub fn metrics(&self) -> String {
        self.telemetry.metrics().render()
    }

    /// The sum of all samples of `metric` that carry these `labels`.
    pub fn count(&self, metric: &str, labels: &[(&str, &str)]) -> i64 {
        number(&self.metrics(), metric, labels)
    }
}

/// The sum of all samples of `metric` with these `labels` in Prometheus' text format.
pub fn number(metrics: &str, metric: &str, labels: &[(&str, &str)]) -> i64 {
    let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
    let sample = |line: &str| {
        let rest = line.strip_prefix(metric)?.strip_prefix('{')?;
        let (names, value) = rest.rsplit_once("} ")?;
        let fits = labels.iter().all(|label| names.contains(label));
        fits.then(|| value.parse::<i64>().unwrap())
    };
    metrics.lines().filter_map(sample).sum()
}

/// The one value of the attribute `name`; a span that says it twice fails the test.
pub fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let said = |pair: &&KeyValue| pair.key.as_str() == name;
    let values: Vec<_> = span.attributes.iter().filter(said).collect();
    assert!(values.len() <= 1, "{name} is said twice: {values:?}");
    values.first().map(|pair| match &pair.value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    })
}
