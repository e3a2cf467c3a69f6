//! The time of day, carried on by the monotonic clock.
//!
//! A time of day can be set while something is measured: two readings of it are then apart by
//! more, or by less, than what went by. So it is read once for each request and process; all
//! times of the request's spans follow from that reading and the monotonic clock. The next
//! request reads anew, and so follows a clock that was set, or a machine that slept.

use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The longest time between the readings of the two clocks, on a busy machine.
const BETWEEN_READINGS: Duration = Duration::from_millis(100);

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchoredClock {
    /// The monotonic clock at the reading.
    pub at: Instant,
    /// The time of day at the reading.
    pub time: SystemTime,
}

impl AnchoredClock {
    /// Reads both clocks now.
    pub fn read() -> Self {
        Self {
            at: Instant::now(),
            time: SystemTime::now(),
        }
    }

    /// The time of day now, unless it was set since the reading.
    pub fn now(&self) -> SystemTime {
        self.time_at(Instant::now())
    }

    /// The same clock, but as of `pause` later.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self {
            at: self.at + pause,
            time: self.time + pause,
        }
    }

    /// The moment of this reading by the time of day as it is now: the same, unless that was set
    /// since. For another process, which compares it with its own time of day.
    pub fn time_as_set(&self) -> SystemTime {
        self.time_as_of(Self::read())
    }

    fn time_as_of(&self, now: Self) -> SystemTime {
        let time = if now.at < self.at {
            now.time.checked_add(self.at - now.at)
        } else {
            now.time.checked_sub(now.at - self.at)
        };
        let apart = |time: SystemTime| match time.duration_since(self.time) {
            Ok(later) => later,
            Err(earlier) => earlier.duration(),
        };
        // The two clocks are not read at quite the same moment.
        time.filter(|time| apart(*time) > BETWEEN_READINGS)
            .unwrap_or(self.time)
    }

    /// The time of day at `instant`; at the reading for an instant before it.
    pub fn time_at(&self, instant: Instant) -> SystemTime {
        let since = instant.saturating_duration_since(self.at);
        self.time.checked_add(since).unwrap_or(self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_its_reading_whatever_the_time_of_day_is_meanwhile() {
        let clock = AnchoredClock {
            at: Instant::now(),
            time: SystemTime::UNIX_EPOCH,
        };
        tokio::time::advance(Duration::from_millis(40)).await;
        let later = SystemTime::UNIX_EPOCH + Duration::from_millis(40);
        assert_eq!(clock.now(), later);
        assert_eq!(clock.time_at(clock.at), clock.time);
    }

    #[test]
    fn a_moment_is_told_by_the_time_of_day_as_it_was_set_since() {
        let (second, step) = (Duration::from_secs(1), Duration::from_millis(500));
        let clock = AnchoredClock::read().after(second);
        for pause in [Duration::ZERO, second, second * 2] {
            let now = AnchoredClock {
                at: clock.at - second + pause,
                time: clock.time - second + pause,
            };
            let set = |time| clock.time_as_of(AnchoredClock { time, ..now });
            assert_eq!(set(now.time), clock.time);
            assert_eq!(set(now.time + Duration::from_millis(1)), clock.time);
            assert_eq!(set(now.time + step), clock.time + step);
            assert_eq!(set(now.time - step), clock.time - step);
        }
    }
}
