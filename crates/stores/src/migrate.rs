//! The steps that bring a database to the form a service expects.
//!
//! A service lists its steps in order; a step that was released is never changed, a new one
//! is added. SQLite keeps the number of steps done in the database itself (`user_version`),
//! and it belongs to the transaction, so that a step and its number are kept together or not
//! at all.

use sqlx::{AssertSqlSafe, Sqlite, Transaction, query_scalar, raw_sql};

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

/// Does those of `steps` that are not done yet, all within `transaction`.
pub(crate) async fn run(
    transaction: &mut Transaction<'_, Sqlite>,
    steps: &[&'static str],
) -> Result<(), MigrateError> {
    let found: i64 = query_scalar("PRAGMA user_version")
        .fetch_one(&mut **transaction)
        .await?;
    let done = usize::try_from(found)
        .ok()
        .filter(|done| *done <= steps.len());
    let Some(done) = done else {
        let known = steps.len();
        return Err(MigrateError::Newer { found, known });
    };
    for step in &steps[done..] {
        raw_sql(*step).execute(&mut **transaction).await?;
    }
    // A pragma takes no parameters; a number can do no harm.
    let set = AssertSqlSafe(format!("PRAGMA user_version = {}", steps.len()));
    raw_sql(set).execute(&mut **transaction).await?;
    Ok(())
}
