//! Whether records, audit log and what the writers were told agree.

use super::writers::{Diary, Written};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use testkit::chain::Chain;
use tokio::time::{Instant, sleep};

/// How long the outbox may take to be drained once nobody is killed any more.
const DRAINED: Duration = Duration::from_mins(1);
/// How many of each user's last writes are sent again.
const AGAIN: usize = 10;
/// The version of a record that nobody has written to since it was seeded.
const SEEDED: u64 = 1;

/// Checks all; a sentence about what was seen.
pub async fn everything(chain: &Chain, diaries: &[Diary]) -> String {
    for diary in diaries {
        answered_again(chain, diary).await;
    }
    let mut done = BTreeMap::new();
    for diary in diaries {
        done.insert(diary.user.clone(), records(chain, diary).await);
    }
    let events = drained(chain, done.values().sum()).await;
    for diary in diaries {
        audited(diary, done[&diary.user], &events);
    }
    let found = get(chain, "audit", "/v1/verify").await;
    assert_eq!(found["intact"], true, "{found}");
    assert_eq!(found["events"].as_u64(), Some(events.len() as u64));
    let writes = || diaries.iter().flat_map(|diary| &diary.writes);
    let acknowledged = writes().filter(|write| write.version.is_some()).count();
    assert!(acknowledged > 0, "nothing was written at all");
    format!(
        "{} writes, {acknowledged} acknowledged, {} done, {} events",
        writes().count(),
        done.values().sum::<usize>(),
        events.len()
    )
}

/// A write that is sent again under its key is not done again, and gets the answer of the
/// first time.
async fn answered_again(chain: &Chain, diary: &Diary) {
    let known = diary
        .writes
        .iter()
        .rev()
        .filter(|write| write.version.is_some());
    for write in known.take(AGAIN) {
        let body = json!({ "key": write.key, "value": write.value });
        let request = reqwest::Client::new()
            .put(chain.url("gateway", "/v1/me"))
            .header("idempotency-key", &write.once)
            .bearer_auth(&diary.token);
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut expected = body;
        expected["collection"] = json!("pages");
        expected["version"] = json!(write.version);
        assert_eq!(answer.json::<Value>().await.unwrap(), expected);
    }
}

/// Each record of the user has had each acknowledged write once, and each abandoned one at
/// most once. How many writes were done.
async fn records(chain: &Chain, diary: &Diary) -> usize {
    let mut done = 0;
    for place in 1..=3 {
        let key = format!("{}-{place}", diary.user);
        let record = get(chain, "database", &format!("/v1/records/pages/{key}")).await;
        let writes: Vec<_> = diary
            .writes
            .iter()
            .filter(|write| write.key == key)
            .collect();
        done += history(&record, &writes);
    }
    done
}

fn history(record: &Value, writes: &[&Written]) -> usize {
    let mut last = SEEDED;
    let mut unknown = 0;
    for write in writes {
        let Some(version) = write.version else {
            unknown += 1;
            continue;
        };
        // Between two that were acknowledged lie at most those that were abandoned.
        let expected = last + 1..=last + 1 + unknown;
        assert!(
            expected.contains(&version),
            "{write:?} is not one of {expected:?}"
        );
        (last, unknown) = (version, 0);
    }
    let version = record["version"].as_u64().unwrap();
    let expected = last..=last + unknown;
    assert!(
        expected.contains(&version),
        "{record} is not at {expected:?}"
    );
    let known = writes
        .iter()
        .rev()
        .find(|write| write.version == Some(version));
    if let Some(write) = known {
        assert_eq!(record["value"], write.value);
    }
    usize::try_from(version - SEEDED).unwrap()
}

/// All events, once there is one for each write that was done.
async fn drained(chain: &Chain, writes: usize) -> Vec<Value> {
    let give_up = Instant::now() + DRAINED;
    loop {
        let events = events(chain).await;
        let found = events
            .iter()
            .filter(|event| event["action"] == "record.put")
            .count();
        assert!(found <= writes, "{found} events for {writes} writes");
        if found == writes {
            return events;
        }
        assert!(
            Instant::now() < give_up,
            "{found} events for {writes} writes"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

async fn events(chain: &Chain) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let path = format!("/v1/events?after={}&limit=1000", all.len());
        let page = get(chain, "audit", &path).await;
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            return all;
        }
        all.extend(events.iter().cloned());
    }
}

/// Each event of the user is there once: one of the database for each write that was done,
/// and one of the gateway for each that was acknowledged.
fn audited(diary: &Diary, done: usize, events: &[Value]) {
    let of = |action: &str| -> Vec<_> {
        let own = |event: &&Value| event["actor"] == *diary.user && event["action"] == *action;
        events
            .iter()
            .filter(own)
            .map(|event| event["key"].to_string())
            .collect()
    };
    let (puts, writes) = (of("record.put"), of("page.write"));
    assert_eq!(puts.len(), done, "{}", diary.user);
    for keys in [&puts, &writes] {
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }
    let acknowledged = diary
        .writes
        .iter()
        .filter(|write| write.version.is_some())
        .count();
    let expected = acknowledged..=done;
    assert!(
        expected.contains(&writes.len()),
        "{} is not one of {expected:?}",
        writes.len()
    );
}

async fn get(chain: &Chain, service: &str, path: &str) -> Value {
    let answer = reqwest::get(chain.url(service, path)).await.unwrap();
    assert_eq!(answer.status(), 200, "{service} {path}");
    answer.json().await.unwrap()
}
