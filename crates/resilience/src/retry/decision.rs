//! The core: whether a failed attempt is followed by another.

use super::{Backoff, RetryPolicy};
use crate::CallFailure;
use std::time::Duration;
use types::{Cause, StoppedBy};

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Another attempt after `pause`, if the budget has `price` retries to spare.
    Retry {
        /// How long to wait before it.
        pause: Duration,
        /// What it costs.
        price: u32,
    },
    /// Nothing.
    Stop(StoppedBy),
}

/// What the decision needs to know beside the failure itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Situation {
    /// How many retries were made before.
    pub retries: u32,
    /// Whether doing it twice does the same as doing it once.
    pub repeatable: bool,
    /// What is left until the deadline; none: there is no deadline.
    pub remaining: Option<Duration>,
    /// A number drawn evenly from 0 to 1, for the length of the pause.
    pub draw: f64,
}

/// What a retry costs of the budget.
const PRICE: u32 = 1;
/// What a retry costs of the budget if the callee has refused the call because it is
/// overloaded: its load is better cut twice as fast (the AWS SDKs charge more for signs of
/// overload, too). A budget of less capacity never pays for such a retry.
pub const PRICE_OF_OVERLOAD: u32 = 2;

impl RetryPolicy {
    /// What follows `failure`. The budget is asked last, so that nothing is taken from it
    /// for a retry that will not be made.
    pub fn decide<F: CallFailure>(&self, failure: &F, situation: &Situation) -> Decision {
        let settings = self.settings();
        if failure.stopped_by() != StoppedBy::Attempts {
            // Something below has ended the trying: an open breaker is not asked again.
            return Decision::Stop(failure.stopped_by());
        }
        if !situation.repeatable || !(settings.propagated || failure.is_local()) {
            return Decision::Stop(StoppedBy::NotRetryable);
        }
        if situation.retries >= settings.retries {
            return Decision::Stop(StoppedBy::Attempts);
        }
        let backoff = Backoff::new(settings.backoff, settings.max_backoff);
        let pause = backoff.pause(situation.retries, situation.draw);
        let asked = failure.retry_after().unwrap_or_default();
        // Jitter comes on top: all callers were told the same.
        let pause = whole_millis(pause.saturating_add(asked));
        match situation.remaining {
            Some(remaining) if pause >= remaining => Decision::Stop(StoppedBy::Deadline),
            None if asked > settings.max_backoff => Decision::Stop(StoppedBy::NotRetryable),
            _ => Decision::Retry {
                pause,
                price: price(failure.cause()),
            },
        }
    }
}

/// Timers are exact to a millisecond and never early: this is how long it will be.
fn whole_millis(pause: Duration) -> Duration {
    let millis = pause.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).map_or(Duration::MAX, Duration::from_millis)
}

fn price(cause: Cause) -> u32 {
    match cause {
        Cause::Shed => PRICE_OF_OVERLOAD,
        _ => PRICE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, retry::RetrySettings};

    #[derive(Debug, Clone, Copy)]
    struct Fails {
        cause: Cause,
        stopped_by: StoppedBy,
        is_local: bool,
        retry_after: Option<Duration>,
    }

    impl Failure for Fails {
        fn new(cause: Cause, stopped_by: StoppedBy) -> Self {
            Self {
                cause,
                stopped_by,
                is_local: true,
                retry_after: None,
            }
        }
    }

    impl CallFailure for Fails {
        fn cause(&self) -> Cause {
            self.cause
        }
        fn stopped_by(&self) -> StoppedBy {
            self.stopped_by
        }
        fn stop(&mut self, stopped_by: StoppedBy) {
            self.stopped_by = stopped_by;
        }
        fn is_local(&self) -> bool {
            self.is_local
        }
        fn retry_after(&self) -> Option<Duration> {
            self.retry_after
        }
    }

    const MS: Duration = Duration::from_millis(1);
    const FIRST: Situation = Situation {
        retries: 0,
        repeatable: true,
        remaining: None,
        draw: 0.5,
    };

    fn error() -> Fails {
        Fails::new(Cause::Error, StoppedBy::Attempts)
    }

    fn policy(change: impl FnOnce(&mut RetrySettings)) -> RetryPolicy {
        let mut settings = RetrySettings {
            backoff: 20 * MS,
            max_backoff: 100 * MS,
            ..RetrySettings::default()
        };
        change(&mut settings);
        RetryPolicy::new(settings).unwrap()
    }

    fn retry(pause: Duration, price: u32) -> Decision {
        Decision::Retry { pause, price }
    }

    #[test]
    fn a_failed_attempt_is_followed_by_as_many_as_the_policy_allows() {
        let decide = |retries| policy(|_| ()).decide(&error(), &Situation { retries, ..FIRST });
        assert_eq!(decide(0), retry(10 * MS, 1));
        assert_eq!(decide(1), retry(20 * MS, 1));
        assert_eq!(decide(2), Decision::Stop(StoppedBy::Attempts));
        assert_eq!(decide(u32::MAX), Decision::Stop(StoppedBy::Attempts));
    }

    #[test]
    fn what_must_not_be_done_twice_is_not() {
        let once = Situation {
            repeatable: false,
            ..FIRST
        };
        let decision = policy(|settings| settings.propagated = true).decide(&error(), &once);
        assert_eq!(decision, Decision::Stop(StoppedBy::NotRetryable));
    }

    #[test]
    fn a_failure_from_further_down_is_passed_on_unless_all_are_to_be_tried_again() {
        let from_below = Fails {
            is_local: false,
            ..error()
        };
        let decide = |propagated| {
            policy(|settings| settings.propagated = propagated).decide(&from_below, &FIRST)
        };
        assert_eq!(decide(false), Decision::Stop(StoppedBy::NotRetryable));
        assert_eq!(decide(true), retry(10 * MS, 1));
    }

    #[test]
    fn whatever_ended_the_trying_below_ends_it_here_too() {
        for stopped_by in StoppedBy::ALL {
            let decision = policy(|_| ()).decide(&Fails::new(Cause::Timeout, *stopped_by), &FIRST);
            match stopped_by {
                StoppedBy::Attempts => assert_eq!(decision, retry(10 * MS, 1)),
                _ => assert_eq!(decision, Decision::Stop(*stopped_by)),
            }
        }
    }

    #[test]
    fn a_retry_that_can_not_fit_the_deadline_is_not_started() {
        let decide = |left| {
            let remaining = Some(left);
            policy(|_| ()).decide(&error(), &Situation { remaining, ..FIRST })
        };
        assert_eq!(decide(10 * MS), Decision::Stop(StoppedBy::Deadline));
        assert_eq!(decide(Duration::ZERO), Decision::Stop(StoppedBy::Deadline));
        assert_eq!(decide(11 * MS), retry(10 * MS, 1));
        let odd = Situation {
            remaining: Some(Duration::from_micros(9_900)),
            draw: 0.475,
            ..FIRST
        };
        assert_eq!(
            policy(|_| ()).decide(&error(), &odd),
            Decision::Stop(StoppedBy::Deadline),
            "a timer would end 9.5 ms after 10"
        );
    }

    #[test]
    fn what_the_callee_asks_for_is_honoured_where_it_fits() {
        let decide = |asked, remaining| {
            let failure = Fails {
                retry_after: Some(asked),
                ..error()
            };
            policy(|_| ()).decide(&failure, &Situation { remaining, ..FIRST })
        };
        assert_eq!(decide(90 * MS, None), retry(100 * MS, 1));
        assert_eq!(
            decide(101 * MS, None),
            Decision::Stop(StoppedBy::NotRetryable),
            "nobody waits so long for nothing"
        );
        assert_eq!(decide(900 * MS, Some(1000 * MS)), retry(910 * MS, 1));
        assert_eq!(
            decide(990 * MS, Some(1000 * MS)),
            Decision::Stop(StoppedBy::Deadline)
        );
        assert_eq!(
            decide(Duration::MAX, Some(1000 * MS)),
            Decision::Stop(StoppedBy::Deadline)
        );
    }

    #[test]
    fn overload_makes_a_retry_dearer() {
        let shed = Fails::new(Cause::Shed, StoppedBy::Attempts);
        assert_eq!(policy(|_| ()).decide(&shed, &FIRST), retry(10 * MS, 2));
    }
}
