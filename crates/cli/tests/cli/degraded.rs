//! Pages that are answered while services behind them are dead, and what is told of that later.

use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use testkit::{
    Service,
    chain::{Chain, Engine},
};
use tokio::time::{sleep, timeout};

/// How long events may take to be recorded once the log is back.
const RECORDED: Duration = Duration::from_mins(1);

/// A chain whose gateway has these flags.
fn chain(flags: &[&str]) -> Chain {
    let adjust = |name: &str, service: Service| match name {
        "gateway" => flags
            .iter()
            .fold(service, |service, flag| service.arg(*flag)),
        _ => service,
    };
    Chain::start(env!("CARGO_BIN_EXE_nines"), Engine::Sqlite, adjust)
}

async fn log_in(chain: &Chain) -> String {
    let login = json!({ "username": "user-1", "password": "password-1" });
    let request = reqwest::Client::new().post(chain.url("gateway", "/v1/login"));
    let answer = request.json(&login).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// The page, which must be there.
async fn page(chain: &Chain, token: &str) -> Value {
    let request = reqwest::Client::new().get(chain.url("gateway", "/v1/me"));
    let answer = request.bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// The keys of all readings that were recorded, each once.
async fn readings(chain: &Chain) -> BTreeSet<String> {
    let request = reqwest::get(chain.url("audit", "/v1/events?limit=1000"));
    let answer: Value = request.await.unwrap().json().await.unwrap();
    let events = answer["events"].as_array().unwrap();
    let read = events.iter().filter(|event| event["action"] == "page.read");
    let keys: Vec<_> = read
        .map(|event| event["key"].as_str().unwrap().to_owned())
        .collect();
    let each: BTreeSet<_> = keys.iter().cloned().collect();
    assert_eq!(keys.len(), each.len(), "an event was recorded twice");
    each
}

async fn until_recorded(chain: &Chain, count: usize) {
    let waiting = async {
        while readings(chain).await.len() < count {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = timeout(RECORDED, waiting).await;
    assert!(waited.is_ok(), "{} of {count}", readings(chain).await.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_audit_log_costs_no_page_and_loses_no_event_though_the_gateway_is_killed_too() {
    let queue = testkit::Sandbox::new().unwrap();
    let flag = format!("--audit-queue=sqlite:{}/queue.db", queue.path().display());
    let chain = chain(&[&flag]);
    let token = log_in(&chain).await;
    for _ in 0..20 {
        page(&chain, &token).await;
    }
    until_recorded(&chain, 20).await;
    chain.service("audit").kill().unwrap();
    for _ in 0..20 {
        let page = page(&chain, &token).await;
        assert_eq!(page["degraded"], false);
    }
    // What waits is on the disk, whoever dies.
    chain.service("gateway").kill().unwrap();
    chain.start_again("gateway");
    for _ in 0..20 {
        page(&chain, &token).await;
    }
    chain.start_again("audit");
    until_recorded(&chain, 60).await;
    assert_eq!(chain.stop(), [Some(0); 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_answered_without_auth_and_without_records_where_they_may_be() {
    let chain = chain(&["--verify=local", "--soft=database"]);
    let token = log_in(&chain).await;
    assert_eq!(page(&chain, &token).await["degraded"], false);
    chain.service("auth").kill().unwrap();
    assert_eq!(page(&chain, &token).await["degraded"], false);
    chain.service("database").kill().unwrap();
    let page = page(&chain, &token).await;
    assert_eq!(
        (&page["degraded"], &page["records"]),
        (&json!(true), &json!([]))
    );
}

/// Writes to the first record of the page; that record's key.
async fn write(chain: &Chain, token: &str, value: &str) -> String {
    let key = page(chain, token).await["records"][0]["key"].clone();
    let request = reqwest::Client::new().put(chain.url("gateway", "/v1/me"));
    let request = request.bearer_auth(token).header("idempotency-key", value);
    let body = json!({ "key": key, "value": value });
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    key.as_str().unwrap().to_owned()
}

/// What is on the page under `key`.
async fn found(chain: &Chain, token: &str, key: &str) -> Value {
    let page = page(chain, token).await;
    let records = page["records"].as_array().unwrap();
    let record = records.iter().find(|record| record["key"] == key);
    record.unwrap()["value"].clone()
}

/// How often the gateway has called the database for records so far.
async fn fetches(chain: &Chain) -> usize {
    let admin = chain.service("gateway").admin();
    let metrics = reqwest::get(format!("http://{admin}/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let attempts = metrics.lines().filter(|line| {
        line.starts_with("nines_attempts_total{") && line.contains("peer=\"database\"")
    });
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    attempts.map(count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_lost_costs_a_call_and_a_store_that_is_lost_costs_what_it_kept() {
    let chain = chain(&[r#"--cache={"fresh":"1h"}"#]);
    let token = log_in(&chain).await;
    let key = write(&chain, &token, "kept").await;
    // What was remembered is from before the write: a new gateway has forgotten it.
    for _ in 0..2 {
        chain.service("gateway").kill().unwrap();
        chain.start_again("gateway");
        for _ in 0..3 {
            assert_eq!(found(&chain, &token, &key).await, "kept");
        }
        assert_eq!(fetches(&chain).await, 1);
    }
    chain.service("database").kill().unwrap();
    for file in ["database.db", "database.db-wal", "database.db-shm"] {
        let _ = std::fs::remove_file(chain.sandbox().path().join(file));
    }
    chain.start_again("database");
    chain.service("gateway").kill().unwrap();
    chain.start_again("gateway");
    assert_ne!(found(&chain, &token, &key).await, "kept");
}
