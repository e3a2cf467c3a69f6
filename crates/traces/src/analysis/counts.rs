//! Counts of how things ended. Intervals and predictions are for others to add.

use serde::Serialize;
use std::collections::BTreeMap;
use types::{Cause, Outcome, StoppedBy};

/// Successes of trials. There are never more successes than trials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ratio {
    successes: u64,
    trials: u64,
}

impl Ratio {
    /// A ratio from those that succeeded and those that failed.
    pub const fn new(successes: u64, failures: u64) -> Self {
        Self {
            successes,
            trials: successes + failures,
        }
    }

    /// How many succeeded.
    pub const fn successes(self) -> u64 {
        self.successes
    }

    /// How many there were.
    pub const fn trials(self) -> u64 {
        self.trials
    }

    /// The share that succeeded; none without trials.
    pub fn value(self) -> Option<f64> {
        (self.trials > 0).then(|| self.successes as f64 / self.trials as f64)
    }
}

/// Failures by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// All of them.
    pub total: u64,
    /// Those that named their cause.
    pub by_cause: BTreeMap<Cause, u64>,
}

impl Failures {
    /// Those that named no cause.
    pub fn unnamed(&self) -> u64 {
        self.total - self.by_cause.values().sum::<u64>()
    }

    pub(crate) fn add(&mut self, cause: Option<Cause>) {
        self.total += 1;
        if let Some(cause) = cause {
            *self.by_cause.entry(cause).or_default() += 1;
        }
    }
}

/// How calls, attempts or requests ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// All of them.
    pub offered: u64,
    /// Answered in full.
    pub ok: u64,
    /// Answered without a part that could be left out.
    pub degraded: u64,
    /// Not answered usably.
    pub failed: Failures,
}

impl Outcomes {
    /// Ok or degraded, of all.
    pub fn availability(&self) -> Ratio {
        Ratio::new(self.ok + self.degraded, self.failed.total)
    }

    /// Ok, of all.
    pub fn full_quality(&self) -> Ratio {
        Ratio::new(self.ok, self.degraded + self.failed.total)
    }

    pub(crate) fn add(&mut self, outcome: Outcome, cause: Option<Cause>) {
        self.offered += 1;
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Degraded => self.degraded += 1,
            Outcome::Failed => self.failed.add(cause),
        }
    }
}

/// Calls made to a hop, and what its callers' policies did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// How they ended.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// What ended the trying, of those that failed and said so.
    pub stopped_by: BTreeMap<StoppedBy, u64>,
    /// Those that failed without a single attempt, such as refusals by a breaker.
    pub not_tried: u64,
    /// Failures that originated in this hop or on the way to it.
    pub self_failures: u64,
    /// Of the self failures, those the hop itself did not see.
    pub unseen: u64,
    /// Failures that came from below.
    pub propagated: u64,
    /// Of the failed, those that the caller cancelled, or could not make, for a reason of its
    /// own, such as the failure of another call. They are no failures of the hop.
    pub abandoned: u64,
}

impl CallCounts {
    /// Ok or degraded, of all that were not abandoned.
    pub fn effective(&self) -> Ratio {
        let good = self.outcomes.ok + self.outcomes.degraded;
        Ratio::new(good, self.outcomes.failed.total - self.abandoned)
    }
}

/// Attempts made on a hop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AttemptCounts {
    /// How they ended.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// Of the failed, those that the caller cancelled because it had its answer from another
    /// attempt or because of the failure of another call. They are no failures of the hop.
    pub abandoned: u64,
    /// The first attempt of each call.
    pub first: u64,
}

impl AttemptCounts {
    /// Ok or degraded, of all that were not abandoned.
    pub fn actual(&self) -> Ratio {
        let good = self.outcomes.ok + self.outcomes.degraded;
        Ratio::new(good, self.outcomes.failed.total - self.abandoned)
    }
}

/// Requests a hop says it received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// How they ended, as the hop recorded it. Those that their caller cancelled are among the
    /// failed, with the cause `cancelled`, though they are no failures of the hop: its own
    /// availability does not count them.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// Those answered although a call made for them failed: the hop did without a soft callee.
    pub absorbed: u64,
    /// Faults injected, by name: the truth to check the attribution against.
    pub faults: BTreeMap<String, u64>,
}

/// What the first attempts tell of a hop's own work.
///
/// Later attempts are left out: where faults last, retries see more of them than calls do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Own {
    /// First attempts, without those that the caller abandoned.
    pub reached: u64,
    /// Failed here before any call was made from here.
    pub entry: u64,
    /// Failed here after calls made from here.
    pub late: u64,
    /// Failed because of a call made from here.
    pub propagated: u64,
}

impl Own {
    /// The own availability: `(1 − entry / reached) · (1 − late / (reached − entry − propagated))`.
    ///
    /// A late failure is judged among those that got so far: the work after the calls is
    /// only done where the calls succeeded. None if nothing reached the hop.
    pub fn value(&self) -> Option<f64> {
        let entry = Ratio::new(self.reached - self.entry, self.entry).value()?;
        let stayed = self.reached - self.entry - self.propagated;
        Some(
            entry
                * Ratio::new(stayed - self.late, self.late)
                    .value()
                    .unwrap_or(1.0),
        )
    }

    /// The own availability as successes of trials, which it is if no failure was late.
    pub fn exact(&self) -> Option<Ratio> {
        (self.late == 0).then(|| Ratio::new(self.reached - self.entry, self.entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_availability_judges_late_failures_among_those_that_got_so_far() {
        let own = Own {
            reached: 1000,
            entry: 100,
            late: 80,
            propagated: 100,
        };
        assert!((own.value().unwrap() - 0.9 * 0.9).abs() < 1e-12);
        assert_eq!(own.exact(), None);
        let own = Own { late: 0, ..own };
        assert_eq!(own.exact(), Some(Ratio::new(900, 100)));
        assert_eq!(own.exact().unwrap().value(), own.value());
        assert_eq!(Own::default().value(), None);
        let dead = Own {
            reached: 3,
            entry: 3,
            ..Own::default()
        };
        assert_eq!(dead.value(), Some(0.0));
    }
}
