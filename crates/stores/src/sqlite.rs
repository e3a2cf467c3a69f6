//! The connections to a SQLite database.

use crate::{
    OpenError, SqliteUrl, migrate,
    statement::{traced, traced_executor},
    write::{Begun, SqliteWrite, Write},
};
use sqlx::{
    Connection, Error, SqliteConnection, SqlitePool, Transaction,
    error::DatabaseError,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs::OpenOptions,
    io::ErrorKind,
    ops::{Deref, DerefMut},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How many connections read. Each has a thread of its own, and reads take microseconds.
const READERS: u32 = 4;
/// How long a writer waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How soon an opening that found the database busy is tried again.
const AGAIN: Duration = Duration::from_millis(20);
const BEGIN: &str = "BEGIN IMMEDIATE";

/// The connections to a SQLite database: several that read, one that writes.
///
/// SQLite has one writer at a time. With one connection for writes, those of this process
/// wait in a fair queue instead of in SQLite's own, which sleeps and polls. Readers see the
/// last commit and wait for nobody (write-ahead log, <https://www.sqlite.org/wal.html>).
#[derive(Debug, Clone)]
pub struct Sqlite {
    readers: Readers,
    writer: SqlitePool,
}

impl Sqlite {
    /// Opens the database at `url`, creates it if it is missing, and does those of the
    /// migrations `steps` that are not done yet.
    pub async fn open(url: &SqliteUrl, steps: &[&'static str]) -> Result<Self, OpenError> {
        if let Some(path) = url.path() {
            check_log_belongs(path)?;
            create_if_missing(path)?;
        }
        let writer = open_writer(url).await?;
        let store = match url.path() {
            // Each connection would have a database of its own.
            None => Self {
                readers: Readers(writer.clone()),
                writer,
            },
            Some(path) => Self {
                readers: Readers(open_readers(path).await?),
                writer,
            },
        };
        store.migrate(steps).await?;
        Ok(store)
    }

    /// The connections for reading.
    pub const fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Begins a transaction that writes what a client asked for. Once it is committed, its
    /// writes are on the disk.
    pub async fn write(&self) -> Result<SqliteWrite, Error> {
        self.begin().await.map(Write::asked_for)
    }

    /// Begins a transaction that writes what no client asked for: seeds, tidying up.
    pub async fn write_of_its_own(&self) -> Result<SqliteWrite, Error> {
        self.begin().await.map(Write::of_its_own)
    }

    /// It takes the right to write at once: a transaction that took it later could find that
    /// another had written in between, and would have to fail.
    async fn begin(&self) -> Result<SqliteTransaction, Error> {
        // The wait for the writer before is a part of the span.
        let begun = traced::<sqlx::Sqlite, _>(BEGIN, self.writer.begin_with(BEGIN));
        begun.await.map(SqliteTransaction::new)
    }

    /// Closes all connections, once they are no longer in use.
    pub async fn close(&self) {
        self.readers.0.close().await;
        self.writer.close().await;
    }

    async fn migrate(&self, steps: &[&'static str]) -> Result<(), OpenError> {
        let mut write = self.write_of_its_own().await?;
        migrate::sqlite(&mut write, steps).await?;
        Ok(write.commit().await?)
    }
}

/// The connections for reading, to be lent one at a time. As an executor it lends one for one
/// statement.
#[derive(Debug, Clone)]
pub struct Readers(SqlitePool);

impl Readers {
    /// A connection, as soon as one is free.
    pub async fn acquire(&self) -> Result<SqliteLent, Error> {
        let connection = self.0.acquire().await?;
        Ok(SqliteLent(Held::Connection(connection)))
    }

    /// Begins a transaction, to read several things as they are at one moment.
    pub async fn begin(&self) -> Result<SqliteTransaction, Error> {
        let begun = traced::<sqlx::Sqlite, _>("BEGIN", self.0.begin());
        begun.await.map(SqliteTransaction::new)
    }
}

traced_executor!('p, &'p Readers, sqlx::Sqlite, |readers| &readers.0);

/// A connection to SQLite for a while. It goes back to the pool by itself.
#[derive(Debug)]
pub struct SqliteLent(Held);

#[derive(Debug)]
enum Held {
    Connection(PoolConnection<sqlx::Sqlite>),
    Transaction(Transaction<'static, sqlx::Sqlite>),
}

impl SqliteLent {
    fn connection(&mut self) -> &mut SqliteConnection {
        match &mut self.0 {
            Held::Connection(connection) => connection,
            Held::Transaction(transaction) => transaction,
        }
    }
}

traced_executor!('c, &'c mut SqliteLent, sqlx::Sqlite, |lent| lent.connection());

/// A transaction that has begun. Dropped before its commit, it never was.
#[derive(Debug)]
pub struct SqliteTransaction(SqliteLent);

impl SqliteTransaction {
    const fn new(transaction: Transaction<'static, sqlx::Sqlite>) -> Self {
        Self(SqliteLent(Held::Transaction(transaction)))
    }
}

impl Begun for SqliteTransaction {
    async fn commit(self) -> Result<(), Error> {
        match self.0.0 {
            Held::Transaction(transaction) => {
                traced::<sqlx::Sqlite, _>("COMMIT", transaction.commit()).await
            }
            // Without a transaction every statement is committed already.
            Held::Connection(_) => Ok(()),
        }
    }
}

impl Deref for SqliteTransaction {
    type Target = SqliteLent;

    fn deref(&self) -> &SqliteLent {
        &self.0
    }
}

impl DerefMut for SqliteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteLent {
        &mut self.0
    }
}

/// Creates the file so that only its owner can read it: SQLite would let everybody, and its
/// log files get the same rights.
///
/// One at a time: whoever closes a file gives up all locks of its process on it
/// (<https://www.sqlite.org/howtocorrupt.html>, section 2.2), so nobody may have it open yet.
fn create_if_missing(path: &Path) -> std::io::Result<()> {
    static CREATING: Mutex<()> = Mutex::new(());
    let _one = CREATING.lock();
    let mut options = OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o600).open(path);
    match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

/// Refuses a write-ahead log whose database is missing or empty. SQLite would take it for one that
/// was left over, and remove it; but its writes were acknowledged, and may be all that is left.
/// The first page of a database is written before its first log.
fn check_log_belongs(path: &Path) -> Result<(), OpenError> {
    let length = |path: &Path| path.metadata().map_or(0, |file| file.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    if length(path) == 0 && length(&log) > 0 {
        return Err(OpenError::LogOnly(log));
    }
    Ok(())
}

/// Two replicas may open a new database at once. One of them turns on the write-ahead log,
/// and the other is told that the database is busy without having waited.
async fn open_writer(url: &SqliteUrl) -> Result<SqlitePool, Error> {
    let give_up = Instant::now() + BUSY;
    loop {
        let pool = pool(1).after_release(|connection, _| Box::pin(is_clean(connection)));
        match pool.connect_with(options(url.path())).await {
            Err(error) if is_busy(&error) && Instant::now() < give_up => sleep(AGAIN).await,
            done => return done,
        }
    }
}

async fn open_readers(path: &Path) -> Result<SqlitePool, Error> {
    let options = options(Some(path)).pragma("query_only", "ON");
    pool(READERS).connect_with(options).await
}

/// Connections that stay: a database in memory ends with its connection.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn options(path: Option<&Path>) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // Acknowledged is on the disk: NORMAL would lose the last commits with the power.
        .synchronous(SqliteSynchronous::Full);
    match path {
        Some(path) => options.filename(path).journal_mode(SqliteJournalMode::Wal),
        None => options.in_memory(true),
    }
}

/// Whether the transaction has ended with whoever began it. After some failures, a full disk
/// among them, SQLite ends it by itself (<https://www.sqlite.org/lang_transaction.html>,
/// section 3). The driver's ROLLBACK then fails, and it believes to be in a transaction for
/// good: no other could ever begin. Such a connection is closed, and a new one made.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, Error> {
    // The rollback was asked for, and is done once this is.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// `SQLITE_BUSY` (5) and its extended codes, whose low byte it is.
fn is_busy(error: &Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::try_join_all;
    use sqlx::{query, query_scalar};
    use std::os::unix::fs::PermissionsExt;

    const STEPS: &[&str] = &[
        "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);",
        "INSERT INTO a VALUES (2);",
    ];

    fn url(folder: &tempfile::TempDir) -> SqliteUrl {
        SqliteUrl::file(folder.path().join("s.db"))
    }

    async fn sum(store: &Sqlite) -> i64 {
        let sum = query_scalar("SELECT sum(x) FROM a");
        sum.fetch_one(store.readers()).await.unwrap()
    }

    #[tokio::test]
    async fn steps_are_done_once_and_new_ones_are_added() {
        let folder = tempfile::tempdir().unwrap();
        for (steps, expected) in [(1, 1), (1, 1), (2, 3), (2, 3)] {
            let store = Sqlite::open(&url(&folder), &STEPS[..steps]).await.unwrap();
            assert_eq!(sum(&store).await, expected);
            store.close().await;
        }
        let older = Sqlite::open(&url(&folder), &STEPS[..1]).await.unwrap_err();
        assert!(older.to_string().contains("has 2 migrations"), "{older}");
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let broken = [STEPS[0], "CREATE TABLE b (x); NONSENSE"];
        Sqlite::open(&url(&folder), &broken).await.unwrap_err();
        let store = Sqlite::open(&url(&folder), STEPS).await.unwrap();
        assert_eq!(sum(&store).await, 3);
    }

    #[tokio::test]
    async fn a_store_in_memory_keeps_what_is_written() {
        let store = Sqlite::open(&SqliteUrl::MEMORY, STEPS).await.unwrap();
        let mut write = store.write().await.unwrap();
        query("INSERT INTO a VALUES (4)")
            .execute(&mut *write)
            .await
            .unwrap();
        write.commit().await.unwrap();
        assert_eq!(sum(&store).await, 7);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn replicas_may_open_a_new_store_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let url = url(&folder);
        let stores = try_join_all((0..8).map(|_| Sqlite::open(&url, STEPS))).await;
        for store in stores.unwrap() {
            assert_eq!(sum(&store).await, 3);
        }
    }

    #[tokio::test]
    async fn only_the_owner_can_read_the_file_and_readers_do_not_write() {
        let folder = tempfile::tempdir().unwrap();
        let url = url(&folder);
        let store = Sqlite::open(&url, STEPS).await.unwrap();
        let metadata = std::fs::metadata(url.path().unwrap()).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let write = query("INSERT INTO a VALUES (4)").execute(store.readers());
        assert!(write.await.is_err());
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_is_named_as_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["missing/s.db", ""] {
            let url = SqliteUrl::file(folder.path().join(path));
            assert!(Sqlite::open(&url, STEPS).await.is_err(), "{url}");
        }
    }
}
