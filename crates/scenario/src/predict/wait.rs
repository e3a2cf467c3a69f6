//! How requests wait for an answer that will not come.
//!
//! A hang is not seen; it is only waited for. What the wait costs follows from Little's law
//! (Little 1961, *A Proof for the Queuing Formula L = λW*): the mean number of requests that
//! wait is their rate times the mean time that each waits. This number, and not the share of
//! failures, decides whether the services above stay usable. With retries a request waits
//! for each of its attempts, and for the pauses between them; an open breaker refuses
//! attempts at once, so that nobody waits for them.
//!
//! Workers of a closed load wait for each answer, so waits lower their rate: of each worker's
//! cycle, which is the wait and everything else, the wait takes its share.

use super::chain::{Chain, Flow, near};
use crate::plan::{Model, Phase};
use serde::Serialize;
use types::Probability;

/// What ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A service gives up on the next.
    AttemptTimeout,
    /// The time of the whole request is over.
    Deadline,
    /// The client gives up. What it would have waited is not known: it is censored.
    Patience,
}

/// The requests that wait in vain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Wait {
    /// The share of all requests that wait so at least once.
    pub share: Probability,
    /// How long each of them waits on average, over all its attempts and the pauses
    /// between them, in seconds.
    pub known_after_s: f64,
    /// What ends the wait, for most attempts.
    pub ended_by: Limit,
    /// Whether for some the client's patience does, so that the real time is longer.
    pub censored: bool,
    /// How many wait at the edge at any time, on average, once the run has gone on for
    /// longer than the wait; never more than there are workers or requests.
    pub stuck_requests: f64,
}

/// How many requests wait at a time, if each waits for `waited` seconds on average.
fn stuck(phase: &Phase, waited: f64) -> f64 {
    let load = &phase.load;
    match load.model {
        Model::Open => (load.rate * waited).min(phase.expected_requests()),
        Model::Closed { workers, .. } => {
            let workers = f64::from(workers);
            // The rate of a closed load is the one without any wait.
            let without = workers / load.rate;
            workers * waited / (waited + without)
        }
    }
}

/// What a chain makes its requests wait for; none if every failure is told at once.
pub(super) fn forecast(chain: &Chain<'_>, flows: &[Flow]) -> Option<Wait> {
    let parts = || {
        flows
            .iter()
            .zip(&chain.fates)
            .filter(|(flow, _)| flow.silences > 0.0)
    };
    let share = chain.waiting();
    let ended = |limit: Limit| {
        let parts = parts().filter(|(_, fate)| fate.limit.0 == limit);
        parts.map(|(flow, _)| flow.silences).sum::<f64>()
    };
    let waits: f64 = parts()
        .map(|(flow, fate)| flow.silences * fate.limit.1.as_secs_f64())
        .sum();
    let pauses: f64 = flows.iter().map(|flow| flow.pauses_s).sum();
    let waited = waits + pauses;
    let limits = [Limit::AttemptTimeout, Limit::Deadline, Limit::Patience];
    let ended_by = limits
        .into_iter()
        .max_by(|a, b| ended(*a).total_cmp(&ended(*b)))?;
    (share > 0.0).then(|| Wait {
        share: near(share),
        known_after_s: waited / share,
        ended_by,
        censored: ended(Limit::Patience) > 0.0,
        stuck_requests: stuck(chain.phase, waited),
    })
}
