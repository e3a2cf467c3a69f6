//! The steps that bring a database to the form a service expects.
//!
//! A service lists its steps in order; a step that was released is never changed, a new one
//! is added. The number of steps done is kept in the database itself, and written in the
//! transaction that does them, so that steps and number are kept together or not at all.
//! SQLite has a place for it (`user_version`). PostgreSQL gets a table, with a row for each
//! service, so that those of a small installation can share one database.

use crate::{lent::Lent, sqlite::SqliteLent};
use sqlx::{AssertSqlSafe, query, query_scalar, raw_sql};
use std::time::Duration;

/// Why a database could not be brought to the form expected.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database was made by a newer program.
    #[error(
        "the database has {found} migrations and this program knows {known}; use a program at least as new as the one that wrote it"
    )]
    Newer {
        /// The steps done.
        found: i64,
        /// The steps known.
        known: usize,
    },
    /// The database refused a step.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A lock that nobody takes for anything else ("nines" in ASCII): two replicas may open a new
/// database at once, and the second must see what the first has done.
const LOCK: i64 = 0x6e_696e_6573;
/// A step may have to go through all that is kept: no request's limits. Who waits for a lock
/// holds up all that come after, so that this may not take as long.
const LIMITS: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '1min'";
/// The same limit on this side, a little later.
const ANSWER: Duration = Duration::from_mins(11);

/// Does those of `steps` that are not done yet, within the transaction of `connection`.
pub(crate) async fn sqlite(
    connection: &mut SqliteLent,
    steps: &[&'static str],
) -> Result<(), MigrateError> {
    let found = query_scalar("PRAGMA user_version").fetch_one(&mut *connection);
    for step in not_done(found.await?, steps)? {
        raw_sql(*step).execute(&mut *connection).await?;
    }
    // A pragma takes no parameters; a number can do no harm.
    let set = AssertSqlSafe(format!("PRAGMA user_version = {}", steps.len()));
    raw_sql(set).execute(connection).await?;
    Ok(())
}

/// Does those of the `steps` of `service` that are not done yet, within the transaction of
/// `connection`. The lock is taken before anything is looked at, and ends with it.
pub(crate) async fn postgres(
    connection: &mut Lent,
    service: &str,
    steps: &[&'static str],
) -> Result<(), MigrateError> {
    connection.wait_for(ANSWER);
    raw_sql(LIMITS).execute(&mut *connection).await?;
    let lock = query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
    lock.execute(&mut *connection).await?;
    raw_sql(
        "CREATE TABLE IF NOT EXISTS migrations (service TEXT PRIMARY KEY, done BIGINT NOT NULL)",
    )
    .execute(&mut *connection)
    .await?;
    let found = query_scalar("SELECT done FROM migrations WHERE service = $1").bind(service);
    let found = found.fetch_optional(&mut *connection).await?;
    for step in not_done(found.unwrap_or_default(), steps)? {
        raw_sql(*step).execute(&mut *connection).await?;
    }
    query("INSERT INTO migrations VALUES ($1, $2) ON CONFLICT (service) DO UPDATE SET done = excluded.done")
        .bind(service)
        .bind(i64::try_from(steps.len()).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    Ok(())
}

/// The steps after the first `found`.
fn not_done<'a>(found: i64, steps: &'a [&'static str]) -> Result<&'a [&'static str], MigrateError> {
    let done = usize::try_from(found).ok();
    let known = steps.len();
    done.and_then(|done| steps.get(done..))
        .ok_or(MigrateError::Newer { found, known })
}
