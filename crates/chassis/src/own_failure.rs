//! Failures of this process itself: what the system gave it is used up.
//!
//! A connection that can't be made because no file descriptor is left says nothing about the
//! service at its other end. It must not open that service's circuit breaker, nor be retried at
//! another of its replicas, where it would fail the same way.

use crate::log_limit::LogLimit;
use rustix::io::Errno;
use std::{error::Error, io};
use tokio::time::Instant;

/// What the system says when it has no more of something to give. `EADDRNOTAVAIL` means that
/// all local ports are in use; `EAGAIN` that there are too many threads, or again no port.
const USED_UP: [Errno; 6] = [
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
    Errno::NOBUFS,
    Errno::ADDRNOTAVAIL,
    Errno::AGAIN,
];

/// The error of the system by which something is used up, if that is why `error` happened.
pub(crate) fn used_up<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if let Some(io) = io.filter(|io| is_used_up(io)) {
            return Some(io);
        }
        // An `io::Error` that wraps another error does not name it as its source.
        let wrapped = io.and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn is_used_up(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| USED_UP.contains(&errno))
}

/// Logs, at most once a second, that one thing could not be done because something is used up.
#[derive(Debug)]
pub(crate) struct Report {
    what: &'static str,
    limit: LogLimit,
}

impl Report {
    /// Reports that `what` could not be done.
    pub(crate) const fn new(what: &'static str) -> Self {
        Self {
            what,
            limit: LogLimit::new(),
        }
    }

    /// Logs `error`, which the system has given.
    pub(crate) fn log(&self, error: &io::Error) {
        let Some(held_back) = self.limit.pass(Instant::now()) else {
            return;
        };
        let what = self.what;
        tracing::error!(%error, held_back, "{what}: this process has run out of a resource");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Box<dyn Error + Send + Sync>);

    fn system(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn what_is_used_up_is_found_however_deep_the_system_error_lies() {
        for errno in USED_UP {
            let plain = system(errno);
            assert!(used_up(&plain).is_some(), "{errno}");
            let wrapped = io::Error::other(Outer(Box::new(system(errno))));
            let deep = Outer(Box::new(Outer(Box::new(wrapped))));
            let found = used_up(&deep).and_then(io::Error::raw_os_error);
            assert_eq!(found, Some(errno.raw_os_error()), "{errno}");
        }
    }

    #[test]
    fn what_the_other_end_did_is_no_failure_of_this_process() {
        for errno in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::PIPE,
            Errno::TIMEDOUT,
        ] {
            assert!(
                used_up(&Outer(Box::new(system(errno)))).is_none(),
                "{errno}"
            );
        }
        assert!(used_up(&io::Error::other("no system error")).is_none());
    }
}
