//! Users who write to their pages, whatever happens.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::{future::Future, sync::Arc, time::Duration};
use testkit::chain::{Chain, USERS};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// The longest a writer waits for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a writer sends the same write again before it says that it can't be done.
const GIVE_UP: Duration = Duration::from_mins(2);
/// The pause before a write is sent again.
const AGAIN: Duration = Duration::from_millis(10);
/// The share of writes that are not sent again: nobody knows whether they were done.
const ABANDONED: f64 = 0.2;

/// A write, and what its writer knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The key under which it may be sent again.
    pub once: String,
    /// The key of the record.
    pub key: String,
    /// What was written.
    pub value: Value,
    /// The version it became, where that was acknowledged.
    pub version: Option<u64>,
}

/// What a user wrote, in order.
#[derive(Debug, Clone)]
pub struct Diary {
    pub user: String,
    pub token: String,
    pub writes: Vec<Written>,
}

/// Lets all users write until `stop`; what they wrote.
pub async fn start(
    chain: &Arc<Chain>,
    stop: &CancellationToken,
) -> impl Future<Output = Vec<Diary>> + use<> {
    let client = Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let mut writers = JoinSet::new();
    for number in 1..=USERS {
        let writer = Writer::log_in(chain, &client, number).await;
        writers.spawn(writer.write_until(stop.clone()));
    }
    async move { writers.join_all().await }
}

struct Writer {
    client: Client,
    url: String,
    rng: StdRng,
    diary: Diary,
}

impl Writer {
    async fn log_in(chain: &Chain, client: &Client, number: u32) -> Self {
        let user = format!("user-{number}");
        let login = json!({ "username": user, "password": format!("password-{number}") });
        let request = client.post(chain.url("gateway", "/v1/login")).json(&login);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        Self {
            client: client.clone(),
            url: chain.url("gateway", "/v1/me"),
            rng: StdRng::seed_from_u64(u64::from(number)),
            diary: Diary {
                user,
                token: answer["token"].as_str().unwrap().to_owned(),
                writes: Vec::new(),
            },
        }
    }

    async fn write_until(mut self, stop: CancellationToken) -> Diary {
        while !stop.is_cancelled() {
            let number = self.diary.writes.len();
            let key = format!("{}-{}", self.diary.user, self.rng.random_range(1..=3));
            let value = json!({ "write": number });
            let once = format!("write-{number}");
            let version = self.write(&key, &value, &once).await;
            let written = Written {
                once,
                key,
                value,
                version,
            };
            self.diary.writes.push(written);
            self.read_back().await;
        }
        self.diary
    }

    /// One write, sent again under its key until it is acknowledged, unless it is one of
    /// those that are abandoned.
    async fn write(&mut self, key: &str, value: &Value, once: &str) -> Option<u64> {
        let is_patient = !self.rng.random_bool(ABANDONED);
        let give_up = Instant::now() + GIVE_UP;
        loop {
            let body = json!({ "key": key, "value": value });
            let request = self
                .client
                .put(&self.url)
                .json(&body)
                .bearer_auth(&self.diary.token);
            let record = answer(request.header("idempotency-key", once)).await;
            if let Some(record) = record {
                assert_eq!((&record["key"], &record["value"]), (&json!(key), value));
                return record["version"].as_u64();
            }
            if !is_patient {
                return None;
            }
            assert!(
                Instant::now() < give_up,
                "write {once} of {key} can't be done"
            );
            sleep(AGAIN).await;
        }
    }

    /// What was acknowledged is seen by whoever reads after that.
    async fn read_back(&self) {
        let Some(Written {
            key,
            version: Some(version),
            ..
        }) = self.diary.writes.last()
        else {
            return;
        };
        let request = self.client.get(&self.url).bearer_auth(&self.diary.token);
        let Some(page) = answer(request).await else {
            return;
        };
        let records = page["records"].as_array().unwrap();
        let found = records
            .iter()
            .find(|record| record["key"] == **key)
            .unwrap();
        assert!(
            found["version"].as_u64() >= Some(*version),
            "{key}: {found}, not {version}"
        );
    }
}

/// The answer; none if somebody failed. Nobody may ever blame the client for that.
async fn answer(request: reqwest::RequestBuilder) -> Option<Value> {
    let response = request.send().await.ok()?;
    let status = response.status();
    let body: Value = response.json().await.ok()?;
    assert!(!status.is_client_error(), "{status}: {body}");
    (status == StatusCode::OK).then_some(body)
}
