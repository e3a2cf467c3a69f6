//! A span that ended is received, or known to be lost.

use crate::support::{make_spans, nobody, receiver, start};
use opentelemetry::{
    Context,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use std::collections::HashSet;
use telemetry::{SpanTotals, Telemetry, propagation};
use tokio::{
    net::TcpListener,
    time::{Duration, Instant},
};
use traces::{Kind, Span, SpanId};

/// What the process says of its spans in its own metrics.
fn scraped(telemetry: &Telemetry, state: &str) -> String {
    let state = format!("state=\"{state}\"");
    let metrics = telemetry.metrics().render();
    let fits = |line: &&str| line.starts_with("nines_spans_total{") && line.contains(&state);
    let line = metrics.lines().find(fits).unwrap();
    line.rsplit_once(' ').unwrap().1.to_owned()
}

#[tokio::test]
async fn every_span_that_ended_has_been_received_when_shutdown_returns() {
    let receiver = receiver().await;
    let telemetry = start(receiver.endpoint());
    make_spans(&telemetry, 100);
    let totals = telemetry.shutdown().await;
    let all = SpanTotals {
        ended: 100,
        exported: 100,
        failed: 0,
    };
    assert_eq!((totals, totals.lost()), (all, 0));
    assert_eq!(receiver.received(), 100);
    let archive = receiver.finish().await;
    let distinct: HashSet<_> = archive.spans().iter().map(|span| span.id).collect();
    assert_eq!((archive.spans().len(), distinct.len()), (100, 100));
}

#[tokio::test]
async fn a_span_arrives_as_it_was_made() {
    let receiver = receiver().await;
    let telemetry = start(receiver.endpoint());
    let tracer = telemetry.tracer();
    let parent = tracer.build(SpanBuilder::from_name("GET /v1/me").with_kind(SpanKind::Server));
    let parent = Context::new().with_span(parent);
    let child = SpanBuilder::from_name("GET").with_kind(SpanKind::Client);
    let child = parent.with_span(tracer.build_with_context(child, &parent));
    child.span().set_status(Status::error("refused"));
    child.span().end();
    parent.span().end();
    telemetry.shutdown().await;

    let archive = receiver.finish().await;
    let found = |name: &str| -> Span {
        let mut spans = archive.spans().iter();
        spans.find(|span| &*span.name == name).unwrap().clone()
    };
    let (server, client) = (found("GET /v1/me"), found("GET"));
    assert_eq!((server.kind, client.kind), (Kind::Server, Kind::Client));
    assert_eq!((server.error, client.error), (false, true));
    assert_eq!((server.parent, client.parent), (None, Some(server.id)));
    assert_eq!(client.trace, server.trace);
    assert_eq!(&*server.service, "auth");
    assert_eq!(server.instance.as_deref(), Some("auth-1"));
    assert!(server.start <= client.start && client.end <= server.end);
}

#[tokio::test]
async fn a_process_continues_the_trace_of_another_through_headers() {
    let receiver = receiver().await;
    let (gateway, auth) = (start(receiver.endpoint()), start(receiver.endpoint()));
    let sent = Context::new().with_span(gateway.tracer().start("attempt"));
    let mut headers = http::HeaderMap::new();
    propagation::inject(&sent, &mut headers);
    let remote = propagation::extract(&headers);
    let request = auth.tracer().start_with_context("request", &remote);
    drop(request);
    sent.span().end();
    let attempt = sent.span().span_context().clone();
    gateway.shutdown().await;
    auth.shutdown().await;

    let archive = receiver.finish().await;
    let mut spans = archive.spans().iter();
    let request = spans.find(|span| &*span.name == "request").unwrap();
    assert_eq!(request.trace.to_string(), attempt.trace_id().to_string());
    let parent = SpanId::from_bytes(&attempt.span_id().to_bytes());
    assert_eq!(request.parent, parent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_thousand_spans_in_a_tight_loop_each_is_received_or_counted_as_lost() {
    let receiver = receiver().await;
    let telemetry = start(receiver.endpoint());
    for _ in 0..50 {
        make_spans(&telemetry, 1_000);
    }
    let totals = telemetry.shutdown().await;
    assert_eq!(totals.ended, 50_000);
    assert_eq!(totals.failed, 0);
    assert_eq!(totals.lost(), 50_000 - totals.exported);
    assert_eq!(receiver.received(), totals.exported);
    // The queue alone holds 32,768.
    assert!(totals.exported >= 32_768, "{totals:?}");
}

#[tokio::test]
async fn with_nobody_to_receive_them_spans_are_lost_and_shutdown_says_so() {
    let (_kept, endpoint) = nobody();
    let telemetry = start(endpoint);
    make_spans(&telemetry, 1_000);
    let totals = telemetry.shutdown().await;
    let none = SpanTotals {
        ended: 1_000,
        exported: 0,
        failed: 1_000,
    };
    assert_eq!((totals, totals.lost()), (none, 1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let telemetry = start(format!("http://{}", silent.local_addr().unwrap()));
    make_spans(&telemetry, 10);
    let begin = Instant::now();
    let totals = telemetry.shutdown_within(Duration::from_millis(100)).await;
    assert_eq!(totals.lost(), 10);
    // The exporter itself would wait for ten seconds, for each of two attempts.
    assert!(begin.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn spans_sent_to_a_wrong_path_are_lost_and_not_taken_for_received() {
    let receiver = receiver().await;
    let telemetry = start(format!("{}/elsewhere", receiver.endpoint()));
    make_spans(&telemetry, 10);
    let totals = telemetry.shutdown().await;
    assert_eq!((totals.lost(), totals.failed), (10, 10));
    assert_eq!(receiver.received(), 0);
}

#[tokio::test]
async fn the_fate_of_spans_can_be_read_from_the_metrics() {
    let receiver = receiver().await;
    let telemetry = start(receiver.endpoint());
    make_spans(&telemetry, 7);
    assert_eq!(scraped(&telemetry, "ended"), "7");
    assert_eq!(scraped(&telemetry, "failed"), "0");
    telemetry.shutdown().await;
}

#[tokio::test]
async fn two_processes_worth_of_telemetry_live_side_by_side() {
    let (one, other) = (receiver().await, receiver().await);
    let (first, second) = (start(one.endpoint()), start(other.endpoint()));
    make_spans(&first, 3);
    make_spans(&second, 4);
    assert_eq!(first.shutdown().await.exported, 3);
    assert_eq!(second.shutdown().await.exported, 4);
    assert_eq!((one.received(), other.received()), (3, 4));
}

#[test]
fn what_was_not_accepted_is_lost() {
    let totals = SpanTotals {
        ended: 10,
        exported: 7,
        failed: 1,
    };
    assert_eq!(totals.lost(), 3);
}
