//! The one place where writes are begun and committed.

use crate::{lent::InTransaction, sqlite::SqliteTransaction};
use faults::{CrashPoint, crash_point};
use std::{
    future::Future,
    ops::{Deref, DerefMut},
};

/// A transaction that writes to PostgreSQL.
pub type PostgresWrite = Write<InTransaction>;
/// A transaction that writes to SQLite.
pub type SqliteWrite = Write<SqliteTransaction>;

/// A transaction of some engine, which was begun. Dropped before its commit, it never was.
pub trait Begun: DerefMut {
    /// Commits it.
    fn commit(self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// A transaction that writes. Dropped before its commit, it never was.
///
/// Every service commits here, and so every service can be made to die here (`--crash-at`):
/// right before the commit, when nobody may ever see the write, and right after it, when the
/// write is kept and its sender does not know.
#[derive(Debug)]
pub struct Write<T> {
    transaction: T,
    /// Whether a client waits for it.
    is_asked_for: bool,
}

impl<T: Begun> Write<T> {
    /// A write that a client asked for.
    pub(crate) fn asked_for(transaction: T) -> Self {
        Self {
            transaction,
            is_asked_for: true,
        }
    }

    /// A write of the service's own: migrations, seeds, tidying up. It has no crash points,
    /// so that the third commit is the third that a client asked for.
    pub(crate) fn of_its_own(transaction: T) -> Self {
        Self {
            transaction,
            is_asked_for: false,
        }
    }

    /// Commits: from here on the write is on the disk.
    ///
    /// Where the connection breaks meanwhile, nobody knows whether it was done.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let pass = |point| {
            if self.is_asked_for {
                crash_point(point);
            }
        };
        pass(CrashPoint::BeforeCommit);
        self.transaction.commit().await?;
        pass(CrashPoint::AfterCommit);
        Ok(())
    }
}

impl<T: Begun> Deref for Write<T> {
    type Target = T::Target;

    fn deref(&self) -> &T::Target {
        &self.transaction
    }
}

impl<T: Begun> DerefMut for Write<T> {
    fn deref_mut(&mut self) -> &mut T::Target {
        &mut self.transaction
    }
}
