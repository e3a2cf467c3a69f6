//! The core: a point in time, and what is left until then.

use std::time::Duration;
use tokio::time::Instant;

/// The instant by which a request must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `budget` after `now`; `None` where that lies beyond all time.
    pub fn after(now: Instant, budget: Duration) -> Option<Self> {
        now.checked_add(budget).map(Self)
    }

    /// The deadline of a request that arrived at `now`: what its caller allows, capped by
    /// what this service allows. `None`: neither sets one.
    pub fn capped(now: Instant, asked: Option<Duration>, cap: Option<Duration>) -> Option<Self> {
        let budget = match (asked, cap) {
            (Some(asked), Some(cap)) => asked.min(cap),
            (asked, cap) => asked.or(cap)?,
        };
        Self::after(now, budget)
    }

    /// The instant itself.
    pub const fn at(self) -> Instant {
        self.0
    }

    /// What is left at `now`; `None` once the deadline has passed.
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_cap_holds_whatever_the_caller_asks_for() {
        let now = Instant::now();
        let left = |asked, cap| Deadline::capped(now, asked, cap).and_then(|d| d.remaining(now));
        assert_eq!(left(Some(SECOND), None), Some(SECOND));
        assert_eq!(left(None, Some(SECOND)), Some(SECOND));
        assert_eq!(left(Some(3 * SECOND), Some(SECOND)), Some(SECOND));
        assert_eq!(left(Some(SECOND), Some(3 * SECOND)), Some(SECOND));
        assert_eq!(left(None, None), None);
        assert_eq!(
            left(Some(Duration::MAX), None),
            None,
            "beyond all time is no deadline"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_at_the_deadline_and_after_it() {
        let now = Instant::now();
        let deadline = Deadline::after(now, SECOND).unwrap();
        assert_eq!(deadline.remaining(now + SECOND / 4), Some(3 * SECOND / 4));
        assert_eq!(deadline.remaining(now + SECOND), None);
        assert_eq!(deadline.remaining(now + 2 * SECOND), None);
    }
}
