//! A server that is there and says nothing: its processes are stopped, as a host that vanished
//! stops all of them. No wait is longer than the store's own limit, and the pool recovers.

use super::store;
use futures_util::future::{join_all, try_join_all};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Executor, query_scalar};
use std::time::Duration;
use stores::{Failure, Postgres, problem};
use testkit::postgres::Cluster;
use tokio::time::{Instant, timeout};

const CONNECTIONS: u32 = 4;
/// The store's own limit is 6 s; the rest is for a busy machine. Without that limit it would be
/// for ever.
const LIMIT: Duration = Duration::from_mins(2);

/// What those have who do not wait that long.
const PATIENCE: Duration = Duration::from_millis(10);

/// Processes that are stopped until this is dropped.
struct Stopped(Vec<Pid>);

impl Stopped {
    /// Those that serve the connections of a store.
    fn sessions(cluster: &Cluster) -> Self {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'nines-test'";
        let said = cluster.query(&cluster.url("postgres"), sql);
        let pids = said.lines().map(|line| line.parse().unwrap());
        let stopped = Self(pids.filter_map(Pid::from_raw).collect());
        stopped.send(Signal::STOP);
        stopped
    }

    fn send(&self, signal: Signal) {
        for pid in &self.0 {
            // One that has ended meanwhile needs nothing.
            let _ = kill_process(*pid, signal);
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.send(Signal::CONT);
    }
}

async fn ask(store: &Postgres) -> Result<i32, sqlx::Error> {
    query_scalar("SELECT 1").fetch_one(store.pool()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_silent_server_hears_so_in_time_and_the_next_ones_are_served() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let store = store(&cluster, CONNECTIONS, &["CREATE TABLE a (x INT)"]).await;
    let (commits, mut writes) = (store.write().await.unwrap(), store.write().await.unwrap());
    let mut leaves = store.write().await.unwrap();
    let mut reads = store.pool().acquire().await.unwrap();
    let sessions = Stopped::sessions(&cluster);
    assert_eq!(sessions.0.len(), CONNECTIONS as usize);
    let begin = Instant::now();
    // Two leave in the middle of a statement, one of them within a transaction.
    for statement in [leaves.execute("SELECT 1"), reads.execute("SELECT 1")] {
        assert!(timeout(PATIENCE, statement).await.is_err());
    }
    drop((leaves, reads));
    let (commit, statement) = tokio::join!(commits.commit(), writes.execute("SELECT 1"));
    for error in [commit.unwrap_err(), statement.unwrap_err()] {
        assert_eq!(problem(&error).code, "store-unavailable", "{error:?}");
    }
    drop(writes);
    // The sessions stay silent; in place of each there is another one now.
    let all = try_join_all((0..CONNECTIONS).map(|_| store.pool().acquire()));
    drop(all.await.unwrap());
    for answer in join_all((0..3 * CONNECTIONS).map(|_| ask(&store))).await {
        assert_eq!(answer.unwrap(), 1);
    }
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    drop(sessions);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_went_silent_while_idle_are_replaced_and_a_store_of_them_closes() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let store = store(&cluster, CONNECTIONS, &[]).await;
    let held = try_join_all((0..CONNECTIONS).map(|_| store.pool().acquire()));
    drop(held.await.unwrap());
    let idle = || store.pool().num_idle() == CONNECTIONS as usize;
    while !idle() {
        tokio::task::yield_now().await;
    }
    // Only then are they tried before they are handed out.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let sessions = Stopped::sessions(&cluster);
    let begin = Instant::now();
    for answer in join_all((0..CONNECTIONS).map(|_| ask(&store))).await {
        assert_eq!(answer.unwrap(), 1);
    }
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    drop(sessions);
    // Those in use are waited for, but not for ever.
    let _held = store.pool().acquire().await.unwrap();
    let closed = timeout(LIMIT, store.close()).await;
    assert!(closed.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_nobody_is_unavailable_and_not_busy() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let store = store(&cluster, 1, &[]).await;
    let _held = store.pool().acquire().await.unwrap();
    let parent = Pid::from_raw(cluster.server_pid().cast_signed()).unwrap();
    let server = Stopped(vec![parent]);
    server.send(Signal::STOP);
    let error = ask(&store).await.unwrap_err();
    drop(server);
    assert_eq!(Failure::of(&error), Failure::Unavailable, "{error:?}");
}
