//! What an acknowledged write costs on this disk: SQLite's `synchronous=FULL`, which waits for
//! it, beside `NORMAL`, which does not and loses the last commits with the power.
//!
//! Both take turns within one run, so that a disk that is busy for a while is so for both.

use sqlx::{
    Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{error::Error, path::Path, time::Duration};
use tokio::time::Instant;

const ROUNDS: u32 = 200;
const GROUP: u32 = 100;

async fn open(
    path: &Path,
    synchronous: SqliteSynchronous,
) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection
        .execute("CREATE TABLE a (x INTEGER) STRICT")
        .await?;
    Ok(connection)
}

/// One transaction with so many writes.
async fn commit(connection: &mut SqliteConnection, writes: u32) -> Result<Duration, sqlx::Error> {
    let begin = Instant::now();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for _ in 0..writes {
        transaction.execute("INSERT INTO a VALUES (1)").await?;
    }
    transaction.commit().await?;
    Ok(begin.elapsed())
}

/// The time in the middle of all.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

async fn compare(folder: &Path, writes: u32) -> Result<(), sqlx::Error> {
    let path = |name: &str| folder.join(format!("{name}-{writes}.db"));
    let mut full = open(&path("full"), SqliteSynchronous::Full).await?;
    let mut normal = open(&path("normal"), SqliteSynchronous::Normal).await?;
    let (mut full_times, mut normal_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        full_times.push(commit(&mut full, writes).await?);
        normal_times.push(commit(&mut normal, writes).await?);
    }
    let (full, normal) = (median(full_times), median(normal_times));
    println!(
        "{writes:>4} in one commit: FULL {full:>7.0} µs, NORMAL {normal:>7.0} µs, {:.1} times; {:>5.1} µs a write with FULL",
        full / normal,
        full / f64::from(writes)
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for writes in [1, GROUP] {
        compare(folder.path(), writes).await?;
    }
    Ok(())
}
