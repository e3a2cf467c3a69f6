//! Real failures, told apart, and what a client hears of them.

use super::store;
use sqlx::Executor;
use stores::{Failure, Sqlite, SqliteUrl, problem};
use testkit::postgres::cluster;
use types::Cause;

#[tokio::test]
async fn two_writes_that_wait_for_each_other_are_a_conflict() {
    let Some(cluster) = cluster() else { return };
    let store = store(
        cluster,
        2,
        &["CREATE TABLE a (x INT PRIMARY KEY); INSERT INTO a VALUES (1), (2);"],
    )
    .await;
    let (mut one, mut two) = (store.write().await.unwrap(), store.write().await.unwrap());
    one.execute("UPDATE a SET x = 1 WHERE x = 1").await.unwrap();
    two.execute("UPDATE a SET x = 2 WHERE x = 2").await.unwrap();
    for write in [&mut one, &mut two] {
        write
            .execute("SET LOCAL deadlock_timeout = '10ms'")
            .await
            .unwrap();
    }
    let (first, second) = tokio::join!(
        one.execute("UPDATE a SET x = 2 WHERE x = 2"),
        two.execute("UPDATE a SET x = 1 WHERE x = 1"),
    );
    // Whichever notices it first gives way, and the other goes on.
    let errors: Vec<_> = [first, second]
        .into_iter()
        .filter_map(Result::err)
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(Failure::of(&errors[0]), Failure::Conflict, "{errors:?}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_read_only() {
    let Some(cluster) = cluster() else { return };
    let store = store(cluster, 1, &["CREATE TABLE a (x INT)"]).await;
    let mut write = store.write().await.unwrap();
    write.execute("SET TRANSACTION READ ONLY").await.unwrap();
    let error = write.execute("INSERT INTO a VALUES (1)").await.unwrap_err();
    assert_eq!(Failure::of(&error), Failure::ReadOnly, "{error:?}");
}

#[tokio::test]
async fn a_mistake_in_the_program_is_neither_of_the_two() {
    let sqlite = Sqlite::open(&SqliteUrl::MEMORY, &[]).await.unwrap();
    let mut write = sqlite.write().await.unwrap();
    let error = write.execute("SELECT * FROM nothing").await.unwrap_err();
    assert_eq!(Failure::of(&error), Failure::Other);
    assert_eq!(problem(&error).code, "internal");
    let Some(cluster) = cluster() else { return };
    let store = store(cluster, 1, &[]).await;
    let error = store
        .pool()
        .execute("SELECT * FROM nothing")
        .await
        .unwrap_err();
    assert_eq!(Failure::of(&error), Failure::Other);
}

#[tokio::test]
async fn sqlite_that_another_process_writes_to_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let url = SqliteUrl::file(folder.path().join("s.db"));
    let (one, two) = (
        Sqlite::open(&url, &[]).await.unwrap(),
        Sqlite::open(&url, &[]).await.unwrap(),
    );
    let _held = one.write().await.unwrap();
    // Read, then write: the transaction would have to begin anew, so SQLite does not wait.
    let mut reader = two.readers().begin().await.unwrap();
    reader
        .execute("PRAGMA query_only = OFF; PRAGMA busy_timeout = 0")
        .await
        .unwrap();
    let error = reader.execute("CREATE TABLE a (x)").await.unwrap_err();
    assert_eq!(Failure::of(&error), Failure::Busy, "{error:?}");
}

#[test]
fn a_client_hears_whether_to_try_again_and_nothing_of_the_inside() {
    for (failure, status, code, cause, retryable) in [
        (Failure::Busy, 503, "store-busy", Cause::Shed, true),
        (
            Failure::TimedOut,
            503,
            "store-timeout",
            Cause::Timeout,
            true,
        ),
        (
            Failure::Unavailable,
            503,
            "store-unavailable",
            Cause::Refused,
            true,
        ),
        (Failure::Full, 507, "store-full", Cause::Error, false),
        (
            Failure::ReadOnly,
            503,
            "store-read-only",
            Cause::Error,
            false,
        ),
        (Failure::Conflict, 503, "store-conflict", Cause::Error, true),
        (Failure::Other, 500, "internal", Cause::Error, true),
    ] {
        let problem = failure.problem();
        assert_eq!((problem.status, &*problem.code), (status, code));
        assert_eq!(
            (problem.cause, problem.retryable),
            (Some(cause), retryable),
            "{code}"
        );
        let text = problem.detail.unwrap_or_default().to_lowercase();
        let inside = ["sql", "postgres", "/", "disk", "connection"];
        assert!(!inside.iter().any(|word| text.contains(word)), "{text}");
    }
}
