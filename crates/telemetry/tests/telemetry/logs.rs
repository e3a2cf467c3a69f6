//! Log lines, as they reach standard error. A process has one log, so that a process of its
//! own speaks, and these tests read what it said.

use crate::support::{nobody, start};
use opentelemetry::trace::{TraceContextExt, Tracer};
use std::{process::Stdio, time::Duration};
use telemetry::logs;
use tokio::process::Command;
use tracing_subscriber::EnvFilter;

/// How long the other process may take; it needs a moment.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the other process does: it logs, outside and inside of a span.
#[tokio::test]
#[ignore = "speaks for the other tests, which run it as a process of its own"]
async fn speaker() {
    let (_kept, endpoint) = nobody();
    let telemetry = start(endpoint);
    let tracer = telemetry.tracer();
    logs::start("auth", EnvFilter::new("off,auth=info"), tracer.clone());
    tracing::info!(target: "auth", kid = 2, "key rotated");
    tracing::warn!(target: "auth", user = "a \"b\"\nc", empty = "", "odd");
    tracing::debug!(target: "auth", "too much detail");
    tracing::info!(target: "hyper", "none of ours");
    tracer.in_span("request", |context| {
        let span = context.span().span_context().clone();
        tracing::info!(target: "auth", trace = %span.trace_id(), span = %span.span_id(), "inside");
    });
}

/// The lines of the other process that are ours.
async fn lines() -> Vec<String> {
    let speaker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "logs::speaker", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, speaker)
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let ours = |line: &&str| line.starts_with("time=");
    said.lines().filter(ours).map(str::to_owned).collect()
}

/// The value of `key` in a line without quoted values before it.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split(' ')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

#[tokio::test]
async fn lines_are_logfmt_and_only_those_asked_for() {
    let lines = lines().await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let (time, rest) = lines[0].split_once(" level=").unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    assert_eq!(
        rest,
        r#"INFO service=auth target=auth msg="key rotated" kid=2"#
    );
    let (_, odd) = lines[1].split_once(" level=").unwrap();
    assert_eq!(
        odd,
        r#"WARN service=auth target=auth msg=odd user="a \"b\"\nc" empty="""#
    );
}

#[tokio::test]
async fn a_line_written_inside_a_span_carries_its_trace_and_no_other_line_does() {
    let lines = lines().await;
    let inside = lines.last().unwrap();
    assert_eq!(field(inside, "trace_id"), field(inside, "trace"));
    assert_eq!(field(inside, "span_id"), field(inside, "span"));
    assert_eq!(field(inside, "trace_id").map(str::len), Some(32));
    for outside in &lines[..2] {
        assert_eq!(field(outside, "trace_id"), None, "{outside}");
    }
}
