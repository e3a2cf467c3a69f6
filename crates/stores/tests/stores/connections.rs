//! Connections that died with the server are replaced before anybody uses them.

use super::store;
use futures_util::future::{join_all, try_join_all};
use sqlx::{Executor, query_scalar};
use std::time::Duration;
use stores::{Failure, Postgres};
use testkit::postgres::{Cluster, cluster};
use tokio::time::timeout;

const CONNECTIONS: u32 = 8;

async fn ask(store: &Postgres) -> Result<i32, sqlx::Error> {
    query_scalar("SELECT 1").fetch_one(store.pool()).await
}

/// All connections are open and idle.
async fn warm_up(store: &Postgres) {
    let all = try_join_all((0..CONNECTIONS).map(|_| store.pool().acquire())).await;
    drop(all.unwrap());
    let back = || store.pool().num_idle() == CONNECTIONS as usize;
    while !back() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_no_request_fails() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let store = store(&cluster, CONNECTIONS, &[]).await;
    for _ in 0..3 {
        warm_up(&store).await;
        cluster.restart();
        for answer in join_all((0..100).map(|_| ask(&store))).await {
            assert_eq!(answer.unwrap(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_there_is_no_server_the_store_is_unavailable_and_afterwards_all_is_well() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let store = store(&cluster, CONNECTIONS, &[]).await;
    warm_up(&store).await;
    cluster.kill_server();
    // Until the sessions have noticed, they may still answer.
    let limit = Duration::from_mins(1);
    let refused = timeout(limit, async { while ask(&store).await.is_ok() {} });
    refused.await.unwrap();
    // More at once than there are connections: of some the attempts to connect are refused,
    // the others only wait for one of those to have an end.
    for refused in join_all((0..3 * CONNECTIONS).map(|_| ask(&store))).await {
        let error = refused.unwrap_err();
        assert_eq!(Failure::of(&error), Failure::Unavailable, "{error:?}");
    }
    cluster.start_server();
    for answer in join_all((0..100).map(|_| ask(&store))).await {
        assert_eq!(answer.unwrap(), 1);
    }
}

/// The rows of `a`. When one of its processes is killed, PostgreSQL ends all the others and
/// recovers; whoever connects meanwhile may be turned away in any way.
async fn count_once_it_is_back(store: &Postgres) -> i64 {
    let count = || query_scalar("SELECT count(*) FROM a").fetch_one(store.pool());
    let asked = timeout(Duration::from_mins(1), async {
        loop {
            match count().await {
                Ok(rows) => return rows,
                Err(error) => assert_eq!(Failure::of(&error), Failure::Unavailable, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    asked.await.unwrap()
}

#[tokio::test]
async fn a_write_whose_connection_is_killed_fails_as_unavailable_and_was_never_done() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let store = store(&cluster, 1, &["CREATE TABLE a (x INT)"]).await;
    let mut write = store.write().await.unwrap();
    write.execute("INSERT INTO a VALUES (1)").await.unwrap();
    assert!(cluster.kill_backend(0));
    let error = write.commit().await.unwrap_err();
    assert_eq!(Failure::of(&error), Failure::Unavailable, "{error:?}");
    assert_eq!(count_once_it_is_back(&store).await, 0);
}

#[tokio::test]
async fn a_store_whose_connections_are_all_in_use_is_busy_and_not_unavailable() {
    let Some(cluster) = cluster() else { return };
    let store = store(cluster, 1, &[]).await;
    let _held = store.pool().acquire().await.unwrap();
    let error = ask(&store).await.unwrap_err();
    assert_eq!(Failure::of(&error), Failure::Busy, "{error:?}");
}
