//! What services ask of their databases, in the traces of requests.

use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use testkit::{
    chain::{Chain, Engine},
    postgres::Cluster,
};
use traces::{Kind, Receiver, ReceiverOptions, Span};

/// The spans of a chain in which a user logs in, writes to their page and reads it.
async fn spans(engine: Engine) -> Vec<Span> {
    let receiver = Receiver::start(([127, 0, 0, 1], 0).into(), ReceiverOptions::default());
    let receiver = receiver.await.unwrap();
    let endpoint = receiver.endpoint();
    let chain = Chain::start(env!("CARGO_BIN_EXE_nines"), engine, |_, service| {
        service.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
    });
    let client = reqwest::Client::new();
    let login = json!({ "username": "user-1", "password": "password-1" });
    let answer = client.post(chain.url("gateway", "/v1/login")).json(&login);
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    let token = answer["token"].as_str().unwrap();
    let me = chain.url("gateway", "/v1/me");
    let page = client.get(&me).bearer_auth(token).send().await.unwrap();
    let page: Value = page.json().await.unwrap();
    let record = json!({ "key": page["records"][0]["key"], "value": "new" });
    let write = client.put(&me).bearer_auth(token).json(&record);
    let written = write
        .header("idempotency-key", "once")
        .send()
        .await
        .unwrap();
    assert_eq!(written.status(), 200);
    assert_eq!(chain.stop(), [Some(0); 5]);
    receiver.finish().await.spans().to_vec()
}

/// Every statement belongs to a request of its own service.
fn assert_statements(spans: &[Span], writes_with: &str) {
    let by_id: HashMap<_, _> = spans.iter().map(|span| (span.id, span)).collect();
    let statements = spans.iter().filter(|span| span.is_statement);
    let mut seen = BTreeSet::new();
    for statement in statements {
        let request = by_id[&statement.parent.unwrap()];
        assert_eq!(
            (request.kind, &request.service, request.trace),
            (Kind::Server, &statement.service, statement.trace)
        );
        assert!(statement.start >= request.start && statement.end <= request.end);
        seen.insert(format!("{}: {}", statement.service, statement.name));
    }
    for expected in [
        "auth: SELECT accounts",
        "profile: SELECT profiles",
        "database: SELECT records",
        "database: BEGIN",
        writes_with,
        "database: COMMIT",
        "audit: COMMIT",
    ] {
        assert!(seen.contains(expected), "{expected}: {seen:#?}");
    }
    // None is taken for an attempt, and the trace of each request names its route.
    let is_attempt = |span: &&Span| span.kind == Kind::Client && !span.is_statement;
    let attempts = spans.iter().filter(is_attempt);
    let names: BTreeSet<_> = attempts.map(|span| &*span.name).collect();
    assert!(names.contains("GET /v1/records/{collection}"), "{names:?}");
    assert!(names.contains("GET /v1/profiles/{user}/view"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_asks_of_sqlite_is_in_its_trace() {
    let spans = spans(Engine::Sqlite).await;
    assert_statements(&spans, "database: INSERT records");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_asks_of_postgresql_is_in_its_trace() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let spans = spans(Engine::Postgres(cluster)).await;
    assert_statements(&spans, "database: UPDATE records");
}
