//! A service that starts before its store does.
//!
//! Where everything starts at once, the store may come last: a database server takes seconds,
//! and its name may not resolve before. A service that gave up would be restarted after ever
//! longer pauses, and could still be pausing long after the store is up. So it waits itself,
//! alive and not ready, for a limited time. It waits only for errors that can go away by
//! themselves: a wrong password stays wrong.

use crate::{admin::Readiness, options};
use resilience::retry::Backoff;
use std::{error::Error, fmt::Display, iter, time::Duration};
use tokio::time::{Instant, sleep};

/// Soon at first, since a server that restarts is away for a second or two; later seldom, since
/// every waiting replica connects to a server that is just coming up.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// How long a service waits at its start for a store that is not there yet.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct StoreWait {
    /// How long to wait at the start for a PostgreSQL server that is not there yet; 0s: not at all
    #[arg(id = "store-wait", long = "store-wait", env = "NINES_STORE_WAIT", value_parser = options::time, default_value = "60s", value_name = "DURATION")]
    pub limit: Duration,
}

impl StoreWait {
    /// Opens the store at `url` until it opens, until it fails with an error that waiting
    /// can't fix, or until the limit; the last try is at the limit.
    pub(crate) async fn until_open<T, E: Error + 'static>(
        self,
        url: &impl Display,
        readiness: &Readiness,
        mut open: impl AsyncFnMut() -> Result<T, E>,
        is_absent: fn(&E) -> bool,
    ) -> Result<T, E> {
        let begin = Instant::now();
        let mut failed = 0;
        loop {
            let error = match open().await {
                Ok(store) => {
                    if failed > 0 {
                        let waited = begin.elapsed();
                        tracing::info!(store = %url, ?waited, "the store is there");
                    }
                    return Ok(store);
                }
                Err(error) => error,
            };
            let pause = self.pause(begin.elapsed(), failed, rand::random());
            let Some(pause) = pause.filter(|_| is_absent(&error)) else {
                return Err(error);
            };
            failed += 1;
            readiness.waiting();
            let left = self.limit.saturating_sub(begin.elapsed());
            let why = chain(&error);
            tracing::warn!(store = %url, why, tries = failed, ?pause, ?left, "the store is not there yet");
            sleep(pause).await;
        }
    }

    /// The pause before the next try, after `failed` others and this one, where `draw` is
    /// evenly drawn from 0 to 1; none once the limit is reached.
    fn pause(self, waited: Duration, failed: u32, draw: f64) -> Option<Duration> {
        let left = self.limit.checked_sub(waited)?;
        let pause = BACKOFF.pause(failed, draw);
        (!left.is_zero()).then(|| pause.min(left))
    }
}

/// An error and its causes, as one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let errors = iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = errors.map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: StoreWait = StoreWait {
        limit: Duration::from_mins(1),
    };

    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    enum Fails {
        #[error("connection refused")]
        Absent,
        #[error("wrong password")]
        Wrong,
    }

    /// Opens a store that is there after `absent`, unless it then is `wrong`. What came of it,
    /// how long it took, and how often it was tried.
    async fn open(
        wait: StoreWait,
        absent: Duration,
        wrong: bool,
    ) -> (Result<(), Fails>, Duration, u32) {
        let begin = Instant::now();
        let mut tries = 0;
        let readiness = Readiness::default();
        let open = async || {
            tries += 1;
            match begin.elapsed() < absent {
                true => Err(Fails::Absent),
                false if wrong => Err(Fails::Wrong),
                false => Ok(()),
            }
        };
        let is_absent = |error: &Fails| *error == Fails::Absent;
        let opened = wait.until_open(&"here", &readiness, open, is_absent).await;
        (opened, begin.elapsed(), tries)
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_there_is_opened_at_once() {
        let (opened, took, tries) = open(MINUTE, Duration::ZERO, false).await;
        assert_eq!((opened, took, tries), (Ok(()), Duration::ZERO, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_comes_late_is_found_within_one_pause() {
        for seconds in [1, 7, 30, 59] {
            let late = Duration::from_secs(seconds);
            let (opened, took, _) = open(MINUTE, late, false).await;
            assert_eq!(opened, Ok(()));
            let longest = Duration::from_secs(5).min(MINUTE.limit.saturating_sub(late));
            assert!(took >= late && took <= late + longest, "{late:?}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_come_is_given_up_at_the_limit() {
        let (opened, took, tries) = open(MINUTE, Duration::MAX, false).await;
        assert_eq!((opened, took), (Err(Fails::Absent), MINUTE.limit));
        // 60 s hold 12 pauses of at most 5 s. For 70, their mean would have to be 0.9 s instead of
        // 2.5 s, nine standard deviations below.
        assert!((12..70).contains(&tries), "{tries}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waiting_can_not_mend_is_not_waited_for() {
        let (opened, took, tries) = open(MINUTE, Duration::ZERO, true).await;
        assert_eq!(
            (opened, took, tries),
            (Err(Fails::Wrong), Duration::ZERO, 1)
        );
        let late = Duration::from_secs(10);
        let (opened, took, _) = open(MINUTE, late, true).await;
        assert_eq!(opened, Err(Fails::Wrong));
        assert!(took <= late + Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_wait_there_is_one_try() {
        let none = StoreWait {
            limit: Duration::ZERO,
        };
        let (opened, took, tries) = open(none, Duration::MAX, false).await;
        assert_eq!(
            (opened, took, tries),
            (Err(Fails::Absent), Duration::ZERO, 1)
        );
    }

    #[test]
    fn pauses_double_up_to_five_seconds_and_never_reach_past_the_limit() {
        let pause = |waited, failed, draw| MINUTE.pause(Duration::from_secs(waited), failed, draw);
        assert_eq!(pause(0, 0, 1.0), Some(Duration::from_millis(200)));
        assert_eq!(pause(0, 1, 1.0), Some(Duration::from_millis(400)));
        assert_eq!(pause(20, 9, 1.0), Some(Duration::from_secs(5)));
        assert_eq!(pause(20, 9, 0.5), Some(Duration::from_millis(2500)));
        assert_eq!(pause(58, 9, 1.0), Some(Duration::from_secs(2)));
        assert_eq!(pause(60, 9, 1.0), None);
        assert_eq!(pause(61, 9, 1.0), None);
    }

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("the database cannot be opened")]
        struct Outer(#[source] Fails);
        let outer = Outer(Fails::Absent);
        assert_eq!(
            chain(&outer),
            "the database cannot be opened: connection refused"
        );
    }
}
