//! A moment, by both clocks.

use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A moment. What tokens and keys say is measured by the wall clock, which all machines have
/// in common; leases are measured by the monotonic one, which nobody sets.
///
/// A request is judged as of the moment at which it came, so that its whole way through the
/// service reads no other clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// By the monotonic clock.
    pub instant: Instant,
    /// By the wall clock: milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_ms = since.unwrap_or_default().as_millis();
        Self {
            instant: Instant::now(),
            unix_ms: u64::try_from(unix_ms).unwrap_or(u64::MAX),
        }
    }

    /// By the wall clock: seconds since the Unix epoch.
    pub(crate) const fn unix_s(self) -> u64 {
        self.unix_ms / 1000
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::time::Duration;

    /// A clock that only the test moves.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Clock(pub Moment);

    impl Clock {
        pub(crate) fn new() -> Self {
            Self(Moment {
                instant: Instant::now(),
                unix_ms: 1_800_000_000_000,
            })
        }

        pub(crate) fn after(self, time: Duration) -> Moment {
            Moment {
                instant: self.0.instant + time,
                unix_ms: self.0.unix_ms + u64::try_from(time.as_millis()).unwrap(),
            }
        }
    }
}
