//! The one place where writes are begun and committed.

use faults::{CrashPoint, crash_point};
use sqlx::{Database, Transaction};
use std::ops::{Deref, DerefMut};

/// A transaction that writes. Dropped before its commit, it never was.
///
/// Every service commits here, and so every service can be made to die here (`--crash-at`):
/// right before the commit, when nobody may ever see the write, and right after it, when the
/// write is kept and its sender does not know.
#[derive(Debug)]
pub struct Write<DB: Database> {
    transaction: Transaction<'static, DB>,
    /// Whether a client waits for it.
    is_asked_for: bool,
}

impl<DB: Database> Write<DB> {
    /// A write that a client asked for.
    pub(crate) fn asked_for(transaction: Transaction<'static, DB>) -> Self {
        Self {
            transaction,
            is_asked_for: true,
        }
    }

    /// A write of the service's own: migrations, seeds, tidying up. It has no crash points,
    /// so that the third commit is the third that a client asked for.
    pub(crate) fn of_its_own(transaction: Transaction<'static, DB>) -> Self {
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

impl<DB: Database> Deref for Write<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.transaction
    }
}

impl<DB: Database> DerefMut for Write<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.transaction
    }
}
