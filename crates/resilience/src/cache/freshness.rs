//! The core: what an answer of a certain age is good for.

use super::CachePolicy;
use std::time::Duration;

/// An answer that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<T> {
    /// The answer.
    pub value: T,
    /// When it came.
    pub stored_at: Duration,
}

/// What an answer is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As good as a new one.
    Fresh,
    /// Better than none. It is so old.
    Stale(Duration),
    /// Nothing: it is too old, or there is none.
    Gone,
}

impl CachePolicy {
    /// What an answer that came at `stored_at` is good for at `now`.
    pub fn freshness(&self, stored_at: Duration, now: Duration) -> Freshness {
        let settings = self.settings();
        let age = now.saturating_sub(stored_at);
        if age < settings.fresh {
            Freshness::Fresh
        } else if age < self.longest() {
            Freshness::Stale(age)
        } else {
            Freshness::Gone
        }
    }

    /// From this age on an answer is good for nothing.
    pub(super) fn longest(&self) -> Duration {
        let settings = self.settings();
        let stale = settings.stale.unwrap_or_default();
        settings.fresh.saturating_add(stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CacheSettings;

    const MS: Duration = Duration::from_millis(1);

    fn at(stale: Option<Duration>, age: Duration) -> Freshness {
        let settings = CacheSettings {
            fresh: 100 * MS,
            stale,
            ..CacheSettings::default()
        };
        let policy = CachePolicy::new(settings).unwrap();
        policy.freshness(7 * MS, 7 * MS + age)
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_gone() {
        let stale = Some(1000 * MS);
        assert_eq!(at(stale, Duration::ZERO), Freshness::Fresh);
        assert_eq!(at(stale, 99 * MS), Freshness::Fresh);
        assert_eq!(at(stale, 100 * MS), Freshness::Stale(100 * MS));
        assert_eq!(at(stale, 1099 * MS), Freshness::Stale(1099 * MS));
        assert_eq!(at(stale, 1100 * MS), Freshness::Gone);
    }

    #[test]
    fn without_a_time_to_be_stale_it_is_gone_at_once() {
        assert_eq!(at(None, 99 * MS), Freshness::Fresh);
        assert_eq!(at(None, 100 * MS), Freshness::Gone);
    }

    #[test]
    fn an_answer_from_the_future_is_fresh() {
        let policy = CachePolicy::default();
        assert_eq!(
            policy.freshness(Duration::MAX, Duration::ZERO),
            Freshness::Fresh
        );
    }
}
