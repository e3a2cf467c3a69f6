//! Steps are done once, in order, whoever else opens the database. SQLite's are beside the code.

use super::{SERVICE, open, parse};
use futures_util::future::try_join_all;
use stores::{OpenError, Postgres};
use testkit::postgres::cluster;

const STEPS: &[&str] = &[
    "CREATE TABLE a (x INT); INSERT INTO a VALUES (1);",
    "INSERT INTO a VALUES (2);",
];

#[tokio::test]
async fn steps_are_done_once_new_ones_are_added_and_a_newer_database_is_refused() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database();
    for (steps, expected) in [(1, "1"), (1, "1"), (2, "3"), (2, "3")] {
        open(&url, &STEPS[..steps]).await.unwrap().close().await;
        assert_eq!(cluster.query(&url, "SELECT sum(x) FROM a"), expected);
    }
    let older = open(&url, &STEPS[..1]).await.unwrap_err();
    assert!(
        older
            .to_string()
            .contains("has 2 migrations and this program knows 1"),
        "{older}"
    );
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_behind() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database();
    let broken = open(&url, &[STEPS[0], "CREATE TABLE b (x INT); NONSENSE"]).await;
    assert!(matches!(broken, Err(OpenError::Migrate(_))), "{broken:?}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.query(&url, tables), "0");
    open(&url, STEPS).await.unwrap();
    assert_eq!(cluster.query(&url, "SELECT sum(x) FROM a"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_may_open_a_new_database_at_once() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database();
    try_join_all((0..8).map(|_| open(&url, STEPS)))
        .await
        .unwrap();
    assert_eq!(cluster.query(&url, "SELECT sum(x) FROM a"), "3");
}

#[tokio::test]
async fn two_services_may_share_a_database() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database();
    open(&url, STEPS).await.unwrap();
    let other = Postgres::open(&parse(&url), "other", &["CREATE TABLE b (x INT)"]).await;
    other.unwrap();
    let done = cluster.query(
        &url,
        "SELECT service, done FROM migrations ORDER BY service",
    );
    assert_eq!(done, format!("other|1\n{SERVICE}|2"));
}

#[tokio::test]
async fn a_step_may_take_longer_than_a_request() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database();
    let limits = "CREATE TABLE limits AS SELECT current_setting('statement_timeout') AS a, current_setting('lock_timeout') AS b";
    open(&url, &[limits]).await.unwrap();
    assert_eq!(cluster.query(&url, "TABLE limits"), "10min|1min");
}
