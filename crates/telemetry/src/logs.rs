//! Log lines in logfmt, each with the trace and span it belongs to.
//!
//! ```text
//! time=2026-01-01T00:00:00.000000Z level=INFO service=auth trace_id=4bf9… span_id=00f0… target=auth msg="key rotated" kid=2
//! ```

use opentelemetry::{Context, trace::TraceContextExt};
use opentelemetry_sdk::trace::SdkTracer;
use std::fmt::{self, Write as _};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// The crates whose `tracing` spans become OpenTelemetry spans. Others stay out: the
/// exporter's own HTTP client would trace its exports, and export those traces.
const OWN_CRATES: [&str; 8] = [
    "audit", "auth", "chassis", "database", "gateway", "profile", "relay", "lab",
];

/// Sends log lines to standard error, and `tracing` spans of our crates to `tracer`.
///
/// `filter` has the syntax of `RUST_LOG`, for example `info` or `warn,auth=debug`. A process
/// has one subscriber: a second call is ignored.
pub fn start(service: &str, filter: EnvFilter, tracer: SdkTracer) {
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Logfmt {
            service: service.to_owned(),
        })
        .with_writer(std::io::stderr)
        .with_filter(filter.and(filter_fn(is_no_sdk)));
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        // The bridge times spans by the wall clock; these two say how long they took.
        .with_tracked_inactivity(true)
        .with_filter(filter_fn(is_own));
    // Only the first subscriber of a process counts.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(spans)
        .try_init();
}

/// Not what the SDK logs of itself: losses are reported by `export`, in words of ours and not
/// for every batch.
fn is_no_sdk(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("opentelemetry")
}

/// Our crates' spans and events from `info` up, but no error events: the bridge would mark
/// the span as failed for any of them, and outcomes are decided elsewhere.
fn is_own(metadata: &Metadata<'_>) -> bool {
    let crate_name = metadata.target().split("::").next().unwrap_or_default();
    let level_fits = if metadata.is_span() {
        *metadata.level() <= Level::INFO
    } else {
        (Level::WARN..=Level::INFO).contains(metadata.level())
    };
    level_fits && OWN_CRATES.contains(&crate_name)
}

/// Formats events as logfmt.
struct Logfmt {
    service: String,
}

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        out.write_str("time=")?;
        SystemTime.format_time(&mut out)?;
        let metadata = event.metadata();
        write!(out, " level={} service={}", metadata.level(), self.service)?;
        let context = Context::current();
        let span = context.span().span_context().clone();
        if span.is_valid() {
            write!(
                out,
                " trace_id={} span_id={}",
                span.trace_id(),
                span.span_id()
            )?;
        }
        write!(out, " target={}", metadata.target())?;
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        writeln!(out, "{}", fields.0)
    }
}

/// Collects an event's fields as ` key=value`.
struct Fields(String);

impl Fields {
    fn push(&mut self, field: &Field, value: &str) {
        let key = if field.name() == "message" {
            "msg"
        } else {
            field.name()
        };
        let plain = !value.is_empty()
            && value
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\'));
        // Writing to a string can't fail.
        let _ = if plain {
            write!(self.0, " {key}={value}")
        } else {
            write!(self.0, " {key}={value:?}")
        };
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }
}
