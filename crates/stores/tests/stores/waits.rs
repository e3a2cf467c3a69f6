//! A request that waits for a connection or a lock ends when its caller stops waiting, and
//! leaves nothing behind.

use super::store;
use sqlx::{Executor, query_scalar};
use std::time::Duration;
use stores::{Failure, Postgres};
use testkit::postgres::cluster;
use tokio::time::{Instant, timeout};

const STEPS: &[&str] = &["CREATE TABLE a (x INT); INSERT INTO a VALUES (0);"];
/// What is left of a request's time: a layer above drops its future then.
const DEADLINE: Duration = Duration::from_millis(100);
/// Below every limit of the store's own, the shortest of which is 2 s.
const SOON: Duration = Duration::from_millis(1900);

async fn add(store: &Postgres) -> Result<(), sqlx::Error> {
    let mut write = store.write().await?;
    write.execute("UPDATE a SET x = x + 1").await?;
    write.commit().await
}

async fn sum(store: &Postgres) -> i32 {
    query_scalar("SELECT x FROM a")
        .fetch_one(store.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_request_without_a_connection_ends_at_its_deadline_and_the_next_one_is_served() {
    let Some(cluster) = cluster() else { return };
    let store = store(cluster, 1, STEPS).await;
    let held = store.pool().acquire().await.unwrap();
    let begin = Instant::now();
    assert!(timeout(DEADLINE, add(&store)).await.is_err());
    assert!(begin.elapsed() < SOON);
    drop(held);
    add(&store).await.unwrap();
    assert_eq!((sum(&store).await, store.pool().size()), (1, 1));
}

#[tokio::test]
async fn a_request_that_waits_for_a_lock_ends_at_its_deadline_and_writes_nothing_later() {
    let Some(cluster) = cluster() else { return };
    let store = store(cluster, 2, STEPS).await;
    let mut other = store.write().await.unwrap();
    other.execute("UPDATE a SET x = x + 10").await.unwrap();
    let begin = Instant::now();
    assert!(timeout(DEADLINE, add(&store)).await.is_err());
    assert!(begin.elapsed() < SOON);
    other.commit().await.unwrap();
    // Both connections are there again, and neither holds a lock.
    tokio::try_join!(add(&store), add(&store)).unwrap();
    assert_eq!(sum(&store).await, 12);
}

#[tokio::test]
async fn a_lock_and_a_statement_that_take_too_long_are_given_up_by_the_server() {
    let Some(cluster) = cluster() else { return };
    let store = store(cluster, 2, STEPS).await;
    for (setting, limit) in [
        ("statement_timeout", "5s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("synchronous_commit", "on"),
        ("application_name", "nines-test"),
    ] {
        let shown = query_scalar("SELECT current_setting($1)").bind(setting);
        let shown: String = shown.fetch_one(store.pool()).await.unwrap();
        assert_eq!(shown, limit, "{setting}");
    }
    let mut other = store.write().await.unwrap();
    other.execute("UPDATE a SET x = 1").await.unwrap();
    let mut write = store.write().await.unwrap();
    write
        .execute("SET LOCAL lock_timeout = '10ms'")
        .await
        .unwrap();
    let error = write.execute("UPDATE a SET x = 2").await.unwrap_err();
    assert_eq!(Failure::of(&error), Failure::Busy);
    drop(write);
    let mut write = store.write().await.unwrap();
    write
        .execute("SET LOCAL statement_timeout = '10ms'")
        .await
        .unwrap();
    let error = write.execute("SELECT pg_sleep(60)").await.unwrap_err();
    assert_eq!(Failure::of(&error), Failure::TimedOut);
}
