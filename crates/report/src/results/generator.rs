//! What the load generator saw, and how requests ended.

use availability::Doubt;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use types::{Cause, Outcome};

/// What the load generator saw.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Generator {
    /// Requests by how they ended.
    pub counts: Counts,
    /// Answers with a status that the load does not expect, by status: they count as answered,
    /// but the run says nothing of how available the chain is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unexpected: BTreeMap<u16, u64>,
    /// Requests that the client gave up on: their latency is at least its patience.
    pub gave_up: u64,
    /// Requests that left more than [`LATE`] after they should have.
    pub late: u64,
    /// The most that a request left after it should have, in milliseconds.
    pub worst_lateness_ms: f64,
}

impl Generator {
    /// Counts the status of an answer, if it is one that no load expects.
    ///
    /// From 400 to 499: what was asked for is wrong, such as a missing or expired token, or a
    /// path that does not exist; or one client asks for too much (429).
    pub fn answered_with(&mut self, status: u16) {
        if (400..500).contains(&status) {
            *self.unexpected.entry(status).or_default() += 1;
        }
    }

    /// The doubt that answers with an unexpected status raise.
    pub fn unexpected_doubt(&self) -> Option<Doubt> {
        let most = self.unexpected.iter().max_by_key(|(_, answers)| **answers);
        most.map(|(status, _)| Doubt::UnexpectedAnswers {
            answers: self.unexpected.values().sum(),
            requests: self.counts.offered,
            status: *status,
        })
    }
}

/// How late a request may leave before the load is no longer the one stated. A timer of the
/// runtime is exact to a millisecond; a busy machine adds some, which at this size smooths
/// bursts and no more.
pub const LATE: Duration = Duration::from_millis(50);

/// Requests by how they ended: offered = ok + degraded + failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub offered: u64,
    /// Answered in full.
    pub ok: u64,
    /// Answered without a part.
    pub degraded: u64,
    /// Not answered.
    pub failed: u64,
    /// Those not answered, by cause.
    pub failed_by_cause: BTreeMap<Cause, u64>,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome, cause: Option<Cause>) {
        self.add_many(outcome, cause, 1);
    }

    /// Takes over counts that were made elsewhere.
    pub fn add_all(&mut self, others: &Self) {
        self.offered += others.offered;
        self.ok += others.ok;
        self.degraded += others.degraded;
        self.failed += others.failed;
        for (cause, failed) in &others.failed_by_cause {
            *self.failed_by_cause.entry(*cause).or_default() += failed;
        }
    }

    /// Counts `many` more.
    pub fn add_many(&mut self, outcome: Outcome, cause: Option<Cause>, many: u64) {
        self.offered += many;
        match outcome {
            Outcome::Ok => self.ok += many,
            Outcome::Degraded => self.degraded += many,
            Outcome::Failed => {
                self.failed += many;
                let cause = cause.unwrap_or(Cause::Error);
                *self.failed_by_cause.entry(cause).or_default() += many;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_from_400_to_499_raise_a_doubt_that_names_the_most_frequent_status() {
        let mut generator = Generator::default();
        for status in [200, 204, 304] {
            generator.answered_with(status);
        }
        assert_eq!(generator.unexpected_doubt(), None);
        for status in [404, 401, 401] {
            generator.answered_with(status);
        }
        generator.counts.offered = 6;
        let doubt = generator.unexpected_doubt();
        let expected = Doubt::UnexpectedAnswers {
            answers: 3,
            requests: 6,
            status: 401,
        };
        assert_eq!(doubt, Some(expected));
        assert!(
            expected
                .to_string()
                .contains("401 (the token is missing or has expired)")
        );
    }
}
