//! Spans that a run forwards to Jaeger, asked for again.

use super::{first, run};
use std::collections::BTreeMap;
use testkit::{Sandbox, jaeger};
use traces::{
    AnalysisOptions, Jaeger, Receiver, ReceiverOptions, Requests, Span, analyse, read_jsonl,
};

/// Failures of every kind of place, retries, and a breaker that opens.
const SCENARIO: &str = r#"
title = "faults, retries and a breaker"
seed = 7
[load]
rate = 250
requests = 500
[chain]
hops = ["auth", "profile", "database"]
[faults.often]
kind = "error"
probability = 0.03
[faults.mostly]
kind = "error"
probability = 0.7
on = ["database"]
[policy]
attempt_timeout = "2s"
[policy.retry]
retries = 1
backoff = "1ms"
[policy.breaker]
consecutive = 5
open = "300ms"
[expect]
availability = { min = 0.001 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn jaeger_gives_the_same_availability_per_hop_as_otlp_to_the_request() {
    let Some(jaeger) = jaeger::shared() else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let flags = [
        "--otlp",
        &jaeger.otlp,
        "--jaeger",
        &jaeger.query,
        "--spans",
        "all",
    ];
    let (ended, result) = run(&sandbox, ("s", SCENARIO), &flags);
    let forwarded = &first(&result)["forwarded"];
    assert_eq!(forwarded["dropped"], 0, "{}", ended.stderr);
    let sent = read_jsonl(&sandbox.path().join("s/latest/s.spans.jsonl"))
        .unwrap()
        .spans;
    let held = held(&jaeger.query, &sent).await;

    let options = AnalysisOptions {
        requests: Requests::Prefix("r7-".to_owned()),
        ..AnalysisOptions::default()
    };
    let (one, other) = (analyse(&sent, &options), analyse(&held, &options));
    assert_eq!(one.root.outcomes.offered, 500);
    assert_eq!(one.hops.len(), 4);
    assert_eq!(other, one);
    assert!(!one.transitions.is_empty(), "a breaker opened");
    let faults = |spans: &[Span]| spans.iter().filter(|span| span.fault_id.is_some()).count();
    assert!(faults(&sent) > 20);
    assert_eq!(faults(&held), faults(&sent));

    let page = std::fs::read_to_string(sandbox.path().join("s/report.html")).unwrap();
    let waterfalls = first(&result)["waterfalls"].as_array().unwrap().clone();
    assert!(!waterfalls.is_empty());
    for waterfall in waterfalls {
        let trace = waterfall["trace"].as_str().unwrap();
        let link = format!("href=\"{}/trace/{trace}\"", jaeger.query);
        assert!(page.contains(&link), "{link}");
    }
}

/// What Jaeger holds of the same traces, of which nothing is known to the one who asks.
async fn held(query: &str, sent: &[Span]) -> Vec<Span> {
    let traces: BTreeMap<_, Vec<Span>> = sent.iter().map(|it| (it.trace, Vec::new())).collect();
    let any_port = "127.0.0.1:0".parse().unwrap();
    let receiver = Receiver::start(any_port, ReceiverOptions::default()).await;
    let receiver = receiver.unwrap();
    let jaeger = Jaeger::at(&query.parse().unwrap()).unwrap();
    let take = |spans: &_| receiver.take_back(spans);
    let gathered = jaeger.gather(traces, |_| (), take).await.unwrap();
    assert_eq!(gathered.broken, 0);
    receiver.finish().await.spans().to_vec()
}
