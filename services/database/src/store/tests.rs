//! What the store promises, on every engine.

use super::*;
use axum::extract::FromRequestParts;
use futures_util::future::{join_all, try_join_all};
use http::{HeaderName, Request, header};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, query_scalar, sqlite::SqliteConnectOptions};
use testkit::{Database, on_every_engine};

on_every_engine!(
    records_come_in_the_order_asked_for_and_missing_ones_are_left_out,
    the_same_key_gets_the_same_answer_and_the_write_is_done_once,
    a_deletion_under_a_key_is_done_once_and_is_no_write,
    an_answer_is_kept_for_a_day,
    an_answer_that_is_too_old_is_forgotten_even_if_it_is_still_there,
    after_a_quiet_day_a_write_lets_go_of_some_old_answers_and_not_of_all,
    repetitions_at_the_same_time_on_two_replicas_are_one_write,
    of_many_who_have_read_the_same_version_one_writes,
    of_many_who_want_to_be_the_first_one_is,
    writes_at_the_same_time_all_count,
    a_version_never_comes_back,
    a_change_that_is_not_expected_changes_nothing_and_leaves_no_answer,
    a_page_goes_on_where_the_one_before_ended_whatever_comes_and_goes,
    keys_are_in_the_order_of_their_bytes,
    a_change_and_its_event_are_one,
    one_replica_delivers_at_a_time,
    a_lease_by_a_clock_that_was_ahead_keeps_nobody_out,
    what_is_kept_is_there_after_a_restart,
);

pub(crate) fn put(collection: &str, key: &str, value: Value) -> Change {
    Change {
        place: Place {
            collection: collection.to_owned(),
            key: key.to_owned(),
        },
        value: Some(value.into()),
        preconditions: Preconditions::default(),
        once: None,
        event: None,
        at_ms: 0,
    }
}

fn delete(key: &str) -> Change {
    Change {
        value: None,
        ..put("c", key, Value::Null)
    }
}

fn once(change: Change, key: &str, at_ms: u64) -> Change {
    Change {
        once: Some(key.to_owned()),
        at_ms,
        ..change
    }
}

async fn only_if(change: Change, header: HeaderName, value: &str) -> Change {
    let request = Request::builder().header(header, value).body(()).unwrap();
    let mut parts = request.into_parts().0;
    let preconditions = Preconditions::from_request_parts(&mut parts, &()).await;
    Change {
        preconditions: preconditions.unwrap(),
        ..change
    }
}

fn told(change: Change, actor: &str) -> Change {
    Change {
        event: Some(Author {
            actor: actor.to_owned(),
            request_id: "r-1".to_owned(),
        }),
        ..change
    }
}

async fn open_at(database: &Database) -> Arc<dyn Store> {
    open(&database.url.parse().unwrap()).await.unwrap()
}

async fn versions(store: &dyn Store, changes: &[Change]) -> Vec<u64> {
    let mut versions = Vec::new();
    for change in changes {
        versions.push(store.change(change).await.unwrap().version);
    }
    versions
}

async fn records_come_in_the_order_asked_for_and_missing_ones_are_left_out(database: Database) {
    let store = open_at(&database).await;
    for key in ["a", "b", "c", "gone"] {
        let change = put("c", key, json!({ "is": key, "\u{0}": "\u{0}" }));
        store.change(&change).await.unwrap();
    }
    store.change(&delete("gone")).await.unwrap();
    let records = store.records("c", &["c", "x", "gone", "a"]).await.unwrap();
    let keys: Vec<_> = records.iter().map(|record| &*record.key).collect();
    assert_eq!(keys, ["c", "a"]);
    assert_eq!(records[0].value, json!({ "is": "c", "\u{0}": "\u{0}" }));
    assert!(store.records("other", &["a"]).await.unwrap().is_empty());
    assert!(store.records("c", &[]).await.unwrap().is_empty());
}

async fn the_same_key_gets_the_same_answer_and_the_write_is_done_once(database: Database) {
    let store = open_at(&database).await;
    let first = once(put("c", "a", json!(1)), "k", 0);
    let answer = store.change(&first).await.unwrap();
    assert_eq!((answer.version, answer.created), (1, true));
    store.change(&put("c", "a", json!(2))).await.unwrap();
    assert_eq!(store.change(&first).await.unwrap(), answer);
    let now = store.records("c", &["a"]).await.unwrap();
    assert_eq!((now[0].version, &now[0].value), (2, &json!(2).into()));
    for other in [
        put("c", "a", json!(3)),
        put("c", "b", json!(1)),
        put("d", "a", json!(1)),
        delete("a"),
        only_if(put("c", "a", json!(1)), header::IF_MATCH, "*").await,
    ] {
        let refused = store.change(&once(other, "k", 1)).await;
        assert!(matches!(refused, Err(StoreError::KeyReused)), "{refused:?}");
    }
    assert_eq!(store.records("c", &["a", "b"]).await.unwrap(), now);
}

async fn a_deletion_under_a_key_is_done_once_and_is_no_write(database: Database) {
    let store = open_at(&database).await;
    let missing = once(delete("a"), "early", 0);
    assert!(matches!(
        store.change(&missing).await,
        Err(StoreError::Missing)
    ));
    store.change(&put("c", "a", json!(1))).await.unwrap();
    let deletion = once(delete("a"), "k", 0);
    let answer = store.change(&deletion).await.unwrap();
    store.change(&put("c", "a", json!(2))).await.unwrap();
    assert_eq!(store.change(&deletion).await.unwrap(), answer);
    assert_eq!(store.records("c", &["a"]).await.unwrap()[0].version, 3);
    // A failure was not kept: now there is something to delete.
    store.change(&missing).await.unwrap();
    assert!(store.records("c", &["a"]).await.unwrap().is_empty());
}

const DAY: u64 = 24 * 3600 * 1000;

async fn an_answer_is_kept_for_a_day(database: Database) {
    let store = open_at(&database).await;
    let at = |key, at_ms| once(put("c", "a", json!(1)), key, at_ms);
    let changes = [
        at("k", 0),
        at("other", DAY),
        at("k", DAY),
        at("third", DAY + 1),
        at("k", DAY + 1),
    ];
    assert_eq!(versions(&*store, &changes).await, [1, 2, 1, 3, 4]);
}

async fn an_answer_that_is_too_old_is_forgotten_even_if_it_is_still_there(database: Database) {
    let store = open_at(&database).await;
    let at = |at_ms, key: &str| once(put("c", "a", json!(1)), key, at_ms);
    // So many are older still that this one is not yet let go.
    for number in 0..100 {
        let older = at(0, &format!("older-{number}"));
        store.change(&older).await.unwrap();
    }
    let changes = [at(1, "k"), at(DAY + 2, "k"), at(DAY + 3, "k")];
    assert_eq!(versions(&*store, &changes).await, [101, 102, 102]);
}

async fn after_a_quiet_day_a_write_lets_go_of_some_old_answers_and_not_of_all(database: Database) {
    let store = open_at(&database).await;
    for number in 0..150 {
        let change = once(put("c", "a", json!(1)), &format!("k{number}"), 0);
        store.change(&change).await.unwrap();
    }
    for (key, left) in [("next", 51), ("last", 2)] {
        let change = once(put("c", "a", json!(1)), key, DAY + 1);
        store.change(&change).await.unwrap();
        assert_eq!(answers(&database).await, left);
    }
}

async fn answers(database: &Database) -> i64 {
    const COUNT: &str = "SELECT count(*) FROM answers";
    if let Some(path) = database.url.strip_prefix("sqlite:") {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let count = query_scalar(COUNT).fetch_one(&mut connection);
        count.await.unwrap()
    } else {
        let cluster = testkit::postgres::cluster().unwrap();
        cluster.query(&database.url, COUNT).parse().unwrap()
    }
}

async fn repetitions_at_the_same_time_on_two_replicas_are_one_write(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    let change = once(put("c", "a", json!("same")), "k", 0);
    let puts = (0..32).map(|n| [&one, &two][n % 2].change(&change));
    let answers = try_join_all(puts).await.unwrap();
    let first = Changed {
        version: 1,
        created: true,
    };
    assert!(answers.iter().all(|answer| *answer == first), "{answers:?}");
    assert_eq!(two.records("c", &["a"]).await.unwrap()[0].version, 1);
}

async fn of_many_who_have_read_the_same_version_one_writes(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    one.change(&put("c", "a", json!("first"))).await.unwrap();
    let next = only_if(put("c", "a", json!("next")), header::IF_MATCH, "\"1\"").await;
    let changes = (0..16).map(|n| [&one, &two][n % 2].change(&next));
    let (won, lost): (Vec<_>, Vec<_>) =
        join_all(changes).await.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for answer in lost {
        let Err(StoreError::Precondition(failed)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(failed.current, Some(2));
    }
}

async fn of_many_who_want_to_be_the_first_one_is(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    let new = only_if(put("c", "a", json!(1)), header::IF_NONE_MATCH, "*").await;
    let changes = (0..16).map(|n| [&one, &two][n % 2].change(&new));
    let answers = join_all(changes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(one.records("c", &["a"]).await.unwrap()[0].version, 1);
}

async fn writes_at_the_same_time_all_count(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    let change = put("c", "a", json!(1));
    let changes = (0..32).map(|n| [&one, &two][n % 2].change(&change));
    let answers = try_join_all(changes).await.unwrap();
    let mut versions: Vec<_> = answers.iter().map(|answer| answer.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=32).collect::<Vec<_>>());
    assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
}

async fn a_version_never_comes_back(database: Database) {
    let store = open_at(&database).await;
    let changes = [
        put("c", "a", json!(1)),
        delete("a"),
        put("c", "a", json!(1)),
    ];
    assert_eq!(versions(&*store, &changes).await, [1, 2, 3]);
    // Whoever has read the first record does not overwrite the second.
    let stale = only_if(put("c", "a", json!(2)), header::IF_MATCH, "\"1\"").await;
    let refused = store.change(&stale).await;
    assert!(
        matches!(refused, Err(StoreError::Precondition(_))),
        "{refused:?}"
    );
}

async fn a_change_that_is_not_expected_changes_nothing_and_leaves_no_answer(database: Database) {
    let store = open_at(&database).await;
    let change = told(put("c", "a", json!(2)), "ann");
    let change = once(only_if(change, header::IF_MATCH, "\"1\"").await, "k", 0);
    let failed = store.change(&change).await;
    assert!(
        matches!(failed, Err(StoreError::Precondition(_))),
        "{failed:?}"
    );
    assert!(store.records("c", &["a"]).await.unwrap().is_empty());
    assert_eq!(store.depth().await.unwrap(), 0);
    // Now it is expected, and repeated it is so still, although the version has changed.
    assert!(
        store
            .change(&put("c", "a", json!(1)))
            .await
            .unwrap()
            .created
    );
    let answer = store.change(&change).await.unwrap();
    assert_eq!((answer.version, answer.created), (2, false));
    assert_eq!(store.change(&change).await.unwrap(), answer);
}

async fn a_page_goes_on_where_the_one_before_ended_whatever_comes_and_goes(database: Database) {
    let store = open_at(&database).await;
    let keys = async |after: &str, limit| {
        let records = store.list("c", after, limit).await.unwrap();
        records
            .into_iter()
            .map(|record| record.key)
            .collect::<Vec<_>>()
    };
    for key in ["e", "a", "c", "g"] {
        store.change(&put("c", key, json!(1))).await.unwrap();
    }
    store.change(&put("other", "d", json!(1))).await.unwrap();
    assert_eq!(keys("", 2).await, ["a", "c"]);
    // What was shown last is gone, and others have come before and after it.
    store.change(&delete("c")).await.unwrap();
    for key in ["b", "d"] {
        store.change(&put("c", key, json!(1))).await.unwrap();
    }
    assert_eq!(keys("c", 2).await, ["d", "e"]);
    assert_eq!(keys("e", 2).await, ["g"]);
    assert!(keys("g", 2).await.is_empty());
}

async fn keys_are_in_the_order_of_their_bytes(database: Database) {
    let store = open_at(&database).await;
    for key in ["b", "B", "a", "-", "_", "A", "0", "a.b", "a-b"] {
        store.change(&put("c", key, json!(1))).await.unwrap();
    }
    let records = store.list("c", "", 100).await.unwrap();
    let keys: Vec<_> = records.iter().map(|record| &*record.key).collect();
    assert_eq!(keys, ["-", "0", "A", "B", "_", "a", "a-b", "a.b", "b"]);
}

async fn a_change_and_its_event_are_one(database: Database) {
    let store = open_at(&database).await;
    let first = once(told(put("c", "a", json!(1)), "ann"), "k", 0);
    for _ in 0..2 {
        store.change(&first).await.unwrap();
    }
    store.change(&told(delete("a"), "bob")).await.unwrap();
    store.change(&put("c", "quiet", json!(1))).await.unwrap();
    let waiting = store.waiting(10).await.unwrap();
    let told: Vec<_> = waiting
        .iter()
        .map(|event| {
            (
                &*event.action,
                &*event.author.actor,
                &*event.place.key,
                event.version,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("record.put", "ann", "a", 1),
            ("record.delete", "bob", "a", 2)
        ]
    );
    assert_eq!(waiting[0].author.request_id, "r-1");
    assert_eq!(store.waiting(1).await.unwrap(), waiting[..1]);
    store.put_aside(waiting[0].id).await.unwrap();
    assert_eq!(store.waiting(10).await.unwrap(), waiting[1..]);
    assert_eq!(store.depth().await.unwrap(), 2);
    store.forget(&[waiting[1].id]).await.unwrap();
    assert_eq!(store.depth().await.unwrap(), 1);
}

async fn one_replica_delivers_at_a_time(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    assert!(one.may_deliver("one", 0, 10).await.unwrap());
    assert!(!two.may_deliver("two", 9, 20).await.unwrap());
    assert!(one.may_deliver("one", 9, 20).await.unwrap());
    assert!(two.may_deliver("two", 20, 30).await.unwrap());
    assert!(!one.may_deliver("one", 25, 40).await.unwrap());
    let lease = one.lease().await.unwrap();
    assert_eq!((&*lease.holder, lease.until_ms), ("two", 30));
}

async fn a_lease_by_a_clock_that_was_ahead_keeps_nobody_out(database: Database) {
    let store = open_at(&database).await;
    let hour = 3_600_000;
    assert!(store.may_deliver("ahead", hour, hour + 2000).await.unwrap());
    assert!(store.may_deliver("right", 0, 2000).await.unwrap());
    assert!(!store.may_deliver("other", 0, 2000).await.unwrap());
}

async fn what_is_kept_is_there_after_a_restart(database: Database) {
    let change = once(told(put("c", "a", json!(1)), "ann"), "k", 0);
    let store = open_at(&database).await;
    let answer = store.change(&change).await.unwrap();
    let (records, waiting) = (
        store.records("c", &["a"]).await.unwrap(),
        store.waiting(9).await.unwrap(),
    );
    store.close().await;
    let later = open_at(&database).await;
    assert_eq!(later.change(&change).await.unwrap(), answer);
    assert_eq!(later.records("c", &["a"]).await.unwrap(), records);
    assert_eq!(later.waiting(9).await.unwrap(), waiting);
}

/// As one does whose primary became a standby, or whose disk an administrator protects. Of
/// SQLite there is no such test: no file system turns read-only while a file is open to be
/// written to, but for an error of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_read_only_is_read_on_and_written_to_once_it_turns_back() {
    let Some(cluster) = testkit::postgres::Cluster::start(false) else {
        return;
    };
    let url = cluster.database();
    let turn = |set| {
        cluster.query(&url, set);
        cluster.query(&url, "SELECT pg_reload_conf()");
    };
    let store = open(&url.parse().unwrap()).await.unwrap();
    let change = put("c", "a", json!(1));
    store.change(&change).await.unwrap();
    turn("ALTER SYSTEM SET default_transaction_read_only = on");
    // Sessions hear of it a moment later.
    let error = turned(async || store.change(&change).await.err()).await;
    let StoreError::Failed(error) = error else {
        panic!("{error:?}");
    };
    let problem = stores::problem(&error);
    assert_eq!(
        (&*problem.code, problem.retryable),
        ("store-read-only", false)
    );
    let version = store.records("c", &["a"]).await.unwrap()[0].version;
    turn("ALTER SYSTEM RESET default_transaction_read_only");
    let changed = turned(async || store.change(&change).await.ok()).await;
    assert_eq!(changed.version, version + 1);
}

/// What `asked` finds in the end.
async fn turned<T>(asked: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = asked().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_mins(1), found).await;
    found.expect("it turns")
}
