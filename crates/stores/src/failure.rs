//! What it means when a database fails.

use sqlx::{Error, error::DatabaseError};
use std::io::{self, ErrorKind};
use types::{Cause, Problem};

const NOTHING: &str = "nothing was written; try again later";
const READ: &str = "nothing was written; what is kept can still be read";
const UNKNOWN: &str =
    "a write that is sent again needs the same Idempotency-Key, because it may have been done";

/// Why a database gave no answer, as far as it matters to whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Neither a connection nor a lock could be had in time.
    Busy,
    /// A statement took too long, and was stopped.
    TimedOut,
    /// The server can't be reached, is silent, starting or stopping, or the disk fails.
    Unavailable,
    /// There is no room left.
    Full,
    /// Nothing may be written there.
    ReadOnly,
    /// Two writes got in each other's way, and this one gave way.
    Conflict,
    /// Anything else: a mistake in the program, or in the data.
    Other,
}

impl Failure {
    /// The kind of failure that `error` is.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Database(error) => of_database(&**error),
            Error::Io(error) => of_io(error),
            Error::PoolTimedOut => Self::Busy,
            // A failed handshake, a pool that is closing, a thread of SQLite's that ended, a
            // server that ended in the middle of an answer.
            Error::Tls(_)
            | Error::PoolClosed
            | Error::WorkerCrashed
            | Error::Protocol(_)
            | Error::BeginFailed => Self::Unavailable,
            _ => Self::Other,
        }
    }

    /// A word for it, as `error.type` in spans.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TimedOut => "timeout",
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Conflict => "conflict",
            Self::Other => "other",
        }
    }

    /// What a client is told. Nothing about the store itself; but whether trying again can
    /// help, and how to do so without writing twice.
    ///
    /// No room is 507 (RFC 4918, section 11.5), which says just that, and which no client may
    /// send again by itself: the disk will be as full then.
    pub fn problem(self) -> Problem {
        let problem = match self {
            Self::Busy => Problem::new(503, "store-busy", "The store is too busy")
                .cause(Cause::Shed)
                .detail(NOTHING),
            Self::TimedOut => Problem::new(503, "store-timeout", "The store took too long")
                .cause(Cause::Timeout)
                .detail(NOTHING),
            Self::Unavailable => {
                Problem::new(503, "store-unavailable", "The store cannot be reached")
                    .cause(Cause::Refused)
                    .detail(UNKNOWN)
            }
            Self::Full => Problem::new(507, "store-full", "The store has no room left")
                .cause(Cause::Error)
                .detail(READ),
            Self::ReadOnly => Problem::new(503, "store-read-only", "The store takes no writes")
                .cause(Cause::Error)
                .detail(READ),
            Self::Conflict => Problem::new(503, "store-conflict", "Another write got in the way")
                .cause(Cause::Error)
                .detail(NOTHING),
            Self::Other => Problem::new(500, "internal", "The service failed").cause(Cause::Error),
        };
        problem.retryable(!matches!(self, Self::Full | Self::ReadOnly))
    }
}

/// The problem that `error` is to whoever asked; the error itself goes to the log.
pub fn problem(error: &Error) -> Problem {
    let failure = Failure::of(error);
    tracing::error!(%error, ?failure, "the store failed");
    failure.problem()
}

/// Whether a PostgreSQL server that can't be opened so may only not be there yet. Then it can
/// come right by itself; a wrong password or name, a certificate or another protocol can't.
pub(crate) fn is_absence(error: &Error) -> bool {
    match error {
        // Refused, reset, silent, without a route; or a name that is not known, which has no
        // kind of its own: in a cluster a name comes with its first pod.
        Error::Io(error) => !matches!(
            error.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::InvalidInput
                | ErrorKind::InvalidData
                | ErrorKind::Unsupported
        ),
        // There is a server, and all of its connections are in use.
        Error::PoolTimedOut => true,
        Error::Database(error) => error.code().is_some_and(|code| comes_right(&code)),
        _ => false,
    }
}

/// Too many connections; shutting down, crashed, starting; a connection that was lost. Not
/// 08004 and 08P01: by these a proxy refuses what it will refuse again.
fn comes_right(code: &str) -> bool {
    const CODES: [&str; 8] = [
        "53300", "57P01", "57P02", "57P03", "08000", "08001", "08003", "08006",
    ];
    CODES.contains(&code)
}

fn of_io(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Failure::Full,
        ErrorKind::ReadOnlyFilesystem => Failure::ReadOnly,
        _ => Failure::Unavailable,
    }
}

/// PostgreSQL's codes have five characters
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>), SQLite's are numbers.
fn of_database(error: &dyn DatabaseError) -> Failure {
    let Some(code) = error.code() else {
        return Failure::Other;
    };
    match code.parse() {
        Ok(number) if code.len() < 5 => of_sqlite(number),
        _ => of_postgres(&code),
    }
}

fn of_postgres(code: &str) -> Failure {
    match code {
        // Too many connections; a lock that did not come in time.
        "53300" | "55P03" => Failure::Busy,
        "57014" => Failure::TimedOut,
        "53100" => Failure::Full,
        "25006" => Failure::ReadOnly,
        "40001" | "40P01" => Failure::Conflict,
        // Shutting down, crashed, starting; a session that was idle for too long; out of
        // memory; a disk that fails.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53200" | "58030" => Failure::Unavailable,
        _ if code.starts_with("08") => Failure::Unavailable,
        _ => Failure::Other,
    }
}

/// The low byte is the kind, the rest says more (<https://www.sqlite.org/rescode.html>).
fn of_sqlite(code: u32) -> Failure {
    /// The shared memory beside the log could not grow: SQLite tells a full disk so.
    const IOERR_SHMSIZE: u32 = 10 + 19 * 256;
    match code & 0xff {
        _ if code == IOERR_SHMSIZE => Failure::Full,
        // BUSY, LOCKED
        5 | 6 => Failure::Busy,
        // READONLY, CANTOPEN: the log can't be made
        8 | 14 => Failure::ReadOnly,
        // IOERR
        10 => Failure::Unavailable,
        // FULL
        13 => Failure::Full,
        _ => Failure::Other,
    }
}
