//! How a service opens the database it owns: the URL, the connections, the migrations, and
//! what it means when the database fails.
//!
//! A service has a store of its own and no other service looks into it. Replicas of one
//! service share its store. What is kept there, and how it is asked for, is the service's
//! own affair; this crate knows only how such a store comes to be, and how it fails.
//!
//! | module | what it is |
//! |---|---|
//! | `url` | the value of `--store`, checked |
//! | `sqlite` | the connections to SQLite: several that read, one that writes |
//! | `postgres` | the connections to PostgreSQL, with limits on every wait |
//! | `lent` | one of these, with a limit on each answer |
//! | `statement` | a span for each statement that is executed for a request |
//! | `reach` | whether the server is busy, or gone |
//! | `write` | a transaction that writes, and the crash points around its commit |
//! | `migrate` | the steps that bring a database to the form a service expects |
//! | `failure` | what went wrong, and the problem that it is to a client |
//!
//! # What a commit costs
//!
//! An acknowledged write is on the disk: SQLite runs with `synchronous=FULL`, PostgreSQL with
//! `synchronous_commit=on`. `NORMAL` would lose the last commits with the power. What that is
//! worth `cargo bench -p stores` measures on the disk at hand. On the virtual disk of a small
//! server that was busy with other things, two runs found: one write takes 240 and 390 µs with
//! FULL, 2.6 and 2.5 times as long as with NORMAL; in a group of 100 it takes 31 and 8 µs, 3.8
//! and 1.3 times as long. So the cost is that of a commit, and whoever has many writes at once
//! (the audit log) commits them together.

mod failure;
mod lent;
mod migrate;
mod postgres;
mod reach;
mod sqlite;
mod statement;
mod url;
mod write;

pub use failure::{Failure, problem};
pub use lent::{InTransaction, Lent};
pub use migrate::MigrateError;
pub use postgres::{Connections, Postgres};
pub use sqlite::{Readers, Sqlite, SqliteLent, SqliteTransaction};
pub use url::{NotAStore, PostgresUrl, SqliteUrl, StoreUrl};
pub use write::{Begun, PostgresWrite, SqliteWrite, Write};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file does not exist and could not be created.
    #[error("the file cannot be created; its folder must exist and be writable")]
    File(#[from] std::io::Error),
    /// The file is missing or empty, and its write-ahead log is there.
    #[error(
        "{} holds writes, and the database that they belong to is missing or empty; put it back, or remove the log if they may be lost", .0.display()
    )]
    LogOnly(std::path::PathBuf),
    /// The file is there, and nothing may be written to it.
    #[error(
        "the database cannot be written to; the file and its folder must exist and be writable"
    )]
    ReadOnly(#[source] sqlx::Error),
    /// The server is not there yet: its name is not known, it can't be reached, or it is
    /// starting, stopping, or full. It may come up by itself.
    #[error("the database server is not there, or takes no connection now")]
    Absent(#[source] sqlx::Error),
    /// The database refused it, or is not as it should be.
    #[error("the database cannot be opened")]
    Database(#[source] sqlx::Error),
    /// It could not be brought to the form expected.
    #[error(transparent)]
    Migrate(MigrateError),
}

impl OpenError {
    /// Whether the store may come up by itself, so that it makes sense to wait for it.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    /// The same of a PostgreSQL server, where it may come up by itself.
    fn or_absent(self) -> Self {
        match self {
            Self::Database(error) | Self::Migrate(MigrateError::Database(error))
                if failure::is_absence(&error) =>
            {
                Self::Absent(error)
            }
            other => other,
        }
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        match Failure::of(&error) {
            Failure::ReadOnly => Self::ReadOnly(error),
            _ => Self::Database(error),
        }
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Database(error) if Failure::of(&error) == Failure::ReadOnly => {
                Self::ReadOnly(error)
            }
            error => Self::Migrate(error),
        }
    }
}
