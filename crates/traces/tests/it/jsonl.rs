//! Traces to a file and back.

use crate::{story::*, wire};
use prost::Message;
use std::collections::HashSet;
use traces::{
    AnalysisOptions, Archive, Receiver, ReceiverOptions, Selection, Span, TraceId, read_jsonl,
};
use types::Cause;

/// Forty requests that went well and ten that did not.
fn run() -> Vec<Span> {
    let root = |n| {
        if n % 5 == 0 {
            fault("gateway", Cause::Error)
        } else {
            call("gateway", OK, vec![])
        }
    };
    (1..=50).flat_map(|n| tell(n, "r", &root(n))).collect()
}

/// An archive of `spans`, sent so that the spans of a trace come in different requests.
async fn archive(spans: &[Span], options: ReceiverOptions) -> Archive {
    let receiver = Receiver::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    for batch in spans.chunks(7) {
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("{}/v1/traces", receiver.endpoint()))
            .header("content-type", "application/x-protobuf")
            .body(wire::request(batch).encode_to_vec());
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    receiver.finish().await
}

async fn spooled(spans: &[Span], directory: &tempfile::TempDir) -> Archive {
    let spool = Some(directory.path().to_owned());
    archive(
        spans,
        ReceiverOptions {
            spool,
            ..ReceiverOptions::default()
        },
    )
    .await
}

fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    spans
}

fn ids(spans: &[Span]) -> HashSet<TraceId> {
    spans.iter().map(|span| span.trace).collect()
}

#[tokio::test]
async fn all_traces_written_are_read_back_to_the_last_attribute() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all.jsonl");
    let archive = spooled(&run(), &directory).await;
    let written = archive.write_jsonl(&path, &Selection::All).unwrap();
    assert_eq!(written.to_string(), "50 traces, 150 spans");
    let loaded = read_jsonl(&path).unwrap();
    assert_eq!((sorted(loaded.spans), loaded.sample), (sorted(run()), None));
    let line = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    assert!(line.starts_with(r#"{"resourceSpans":[{"#), "{line}");
    assert!(
        line.contains(&format!(r#""traceId":"{}""#, run()[0].trace)),
        "{line}"
    );
}

#[tokio::test]
async fn chosen_traces_are_written_whole_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("two.jsonl");
    let chosen: HashSet<_> = [run()[0].trace, run()[80].trace].into();
    let archive = spooled(&run(), &directory).await;
    archive
        .write_jsonl(&path, &Selection::Traces(chosen.clone()))
        .unwrap();
    let expected = run()
        .into_iter()
        .filter(|span| chosen.contains(&span.trace))
        .collect();
    assert_eq!(sorted(read_jsonl(&path).unwrap().spans), sorted(expected));
}

#[tokio::test]
async fn a_sample_is_fair_repeatable_and_says_that_it_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let archive = spooled(&run(), &directory).await;
    let sample = |name: &str, ok, failed| {
        let path = directory.path().join(name);
        let written = archive
            .write_jsonl(
                &path,
                &Selection::Sample {
                    ok,
                    failed,
                    of: AnalysisOptions::default(),
                },
            )
            .unwrap();
        let loaded = read_jsonl(&path).unwrap();
        assert_eq!(loaded.sample, written.sample);
        loaded
    };
    let (one, two) = (sample("one", 4, 3), sample("two", 4, 3));
    assert_eq!((&one.spans, ids(&one.spans).len()), (&two.spans, 7));
    assert_eq!(
        one.sample.as_deref(),
        Some("7 of 50 traces, failures chosen apart")
    );
    assert_eq!(
        one.spans
            .iter()
            .filter(|span| span.fault_id.is_some())
            .count(),
        3
    );
    assert!(ids(&one.spans).is_subset(&ids(&sample("more", 9, 30).spans)));
    assert_eq!(ids(&sample("most", 99, 99).spans).len(), 50);
}

#[tokio::test]
async fn a_file_appears_complete_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let archive = spooled(&run(), &directory).await;
    let nowhere = directory.path().join("missing/all.jsonl");
    let error = archive
        .write_jsonl(&nowhere, &Selection::All)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!("can't write traces to {}", nowhere.display())
    );
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[tokio::test]
async fn a_receiver_without_a_spool_says_so_instead_of_writing_less() {
    let archive = archive(&run(), ReceiverOptions::default()).await;
    let error = archive
        .write_jsonl("unused".as_ref(), &Selection::All)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the receiver kept no requests: it was started without a spool"
    );
}

#[test]
fn a_broken_line_is_named_by_file_and_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.jsonl");
    std::fs::write(&path, "{\"resourceSpans\":[]}\n\n{\"resourceSpans\":[{]}\n").unwrap();
    let error = read_jsonl(&path).unwrap_err().to_string();
    assert!(
        error.contains("broken.jsonl, line 3: not OTLP/JSON: "),
        "{error}"
    );
    let error = read_jsonl(&directory.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("can't read traces from "), "{error}");
}
