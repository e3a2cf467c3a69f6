//! `tracing` spans of the application inside spans of the HTTP layers. A process has one
//! subscriber, so that this is one test, the only one here that installs it.

use crate::support::{receiver, start};
use opentelemetry::{
    Context,
    trace::{FutureExt, Span as _, SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;
use std::collections::BTreeMap;
use telemetry::logs;
use tokio::task::{JoinSet, yield_now};
use traces::{Span, TraceId};
use tracing::{Instrument, debug_span, error, info, info_span};
use tracing_subscriber::EnvFilter;

/// How many requests are handled at the same time.
const REQUESTS: usize = 200;
/// How far two clocks may be apart that are read one after the other, in nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// A handler that waits, works under a `tracing` span, waits again and makes a call.
async fn handle(tracer: SdkTracer) {
    yield_now().await;
    let work = async {
        yield_now().await;
        info!(target: "auth", "working");
        error!(target: "auth", "a thing went wrong and was coped with");
        let mut call = tracer.start("call");
        yield_now().await;
        call.end();
    };
    work.instrument(info_span!(target: "auth", "work")).await;
    yield_now().await;
    // Neither details nor other crates' spans are any of the trace's business.
    drop(debug_span!(target: "auth", "detail").entered());
    drop(info_span!(target: "hyper", "foreign").entered());
    tracer.start("after").end();
}

/// The names of the spans on the way from `span` up to the root.
fn way_up(span: &Span, trace: &[&Span]) -> Vec<String> {
    let parent = trace.iter().find(|other| Some(other.id) == span.parent);
    let above = parent.map(|parent| way_up(parent, trace));
    [vec![span.name.to_string()], above.unwrap_or_default()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tracing_span_is_a_child_of_the_request_and_parent_of_its_calls_across_waits() {
    let receiver = receiver().await;
    let telemetry = start(receiver.endpoint());
    logs::start("auth", EnvFilter::new("off"), telemetry.tracer());
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let tracer = telemetry.tracer();
        let request = tracer.span_builder("request").with_kind(SpanKind::Server);
        let context =
            Context::new().with_span(request.start_with_context(&tracer, &Context::new()));
        requests.spawn(handle(tracer).with_context(context));
    }
    requests.join_all().await;
    assert_eq!(telemetry.shutdown().await.lost(), 0);

    let archive = receiver.finish().await;
    let mut traces: BTreeMap<TraceId, Vec<&Span>> = BTreeMap::new();
    for span in archive.spans() {
        assert!(!span.error, "an error event marked {} as failed", span.name);
        traces.entry(span.trace).or_default().push(span);
    }
    assert_eq!(traces.len(), REQUESTS);
    for trace in traces.values() {
        // The span of the bridge ends by the monotonic clock, others here by the time of day.
        let named = |name: &str| trace.iter().find(|span| &*span.name == name).unwrap();
        let (work, call) = (named("work"), named("call"));
        assert!(work.start <= call.start && call.end <= work.end + MILLISECOND);
        let mut ways: Vec<_> = trace
            .iter()
            .map(|span| way_up(span, trace).join(" < "))
            .collect();
        ways.sort();
        let expected = [
            "after < request",
            "call < work < request",
            "request",
            "work < request",
        ];
        assert_eq!(ways, expected);
    }
}
