//! How requests wait for an answer that will not come.
//!
//! A hang is not seen; it is only waited for. What the wait costs follows from Little's law
//! (Little 1961, *A Proof for the Queuing Formula L = λW*): the mean number of requests that
//! wait is their rate times the mean time that each waits. This number, and not the share of
//! failures, decides whether the services above stay usable.

use super::{Fate, is_fresh};
use serde::Serialize;
use std::{collections::BTreeSet, time::Duration};
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
    /// Their share of all requests.
    pub share: Probability,
    /// How long each waits on average until the client knows, in seconds.
    pub known_after_s: f64,
    /// What ends the wait, for most of them.
    pub ended_by: Limit,
    /// Whether for some the client's patience does, so that the real time is longer.
    pub censored: bool,
    /// How many wait at the edge at any time, on average, once the run has gone on for
    /// longer than the wait.
    pub stuck_requests: f64,
}

/// The share of requests whose wait a limit ends, and how long it is.
type Part = (f64, (Limit, Duration));

/// Goes down the chain with the share of requests that get so far.
pub(super) fn forecast(fates: &[Fate], rate: f64) -> Option<Wait> {
    let (mut reached, mut drawn) = (1.0, BTreeSet::new());
    let mut parts: Vec<Part> = Vec::new();
    for fate in fates {
        for ending in fate
            .endings
            .iter()
            .filter(|ending| is_fresh(fate, ending, &mut drawn))
        {
            let ends = reached * ending.probability.get();
            reached *= ending.probability.complement().get();
            if ending.silent && ends > 0.0 {
                parts.push((ends, fate.limit));
            }
        }
    }
    total(&parts, rate)
}

fn total(parts: &[Part], rate: f64) -> Option<Wait> {
    let sum = |weight: fn(&Part) -> f64| parts.iter().map(weight).sum::<f64>();
    let share = sum(|(share, _)| *share);
    let waited = sum(|(share, (_, time))| share * time.as_secs_f64());
    let share_of = |limit| {
        let ended = parts.iter().filter(|(_, (ended_by, _))| *ended_by == limit);
        ended.map(|(share, _)| share).sum::<f64>()
    };
    let limits = [Limit::AttemptTimeout, Limit::Deadline, Limit::Patience];
    let ended_by = limits
        .into_iter()
        .max_by(|a, b| share_of(*a).total_cmp(&share_of(*b)))?;
    (share > 0.0).then(|| Wait {
        share: Probability::new(share.min(1.0)).unwrap_or(Probability::ONE),
        known_after_s: waited / share,
        ended_by,
        censored: share_of(Limit::Patience) > 0.0,
        stuck_requests: rate * waited,
    })
}
