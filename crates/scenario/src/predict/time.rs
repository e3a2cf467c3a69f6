//! Whether everything that may happen in time also fits it.

use super::{
    Limit,
    chain::Chain,
    endings::{Fate, with_headroom},
};
use crate::topology::Order;
use std::time::Duration;

/// Whether delays, time-outs and pauses fit the limits of every attempt with room to spare,
/// even if all of them come together in one request that still succeeds.
pub(super) fn fits(chain: &Chain<'_>) -> bool {
    let (longest, fits) = longest(chain);
    fits && longest <= with_headroom(whole_request(chain))
}

/// The longest that a request can take and succeed, in seconds and without the work itself.
pub(super) fn longest_request(chain: &Chain<'_>) -> f64 {
    longest(chain).0.min(whole_request(chain).as_secs_f64())
}

/// The limit on all attempts of the client together: its patience, or the deadline.
fn whole_request(chain: &Chain<'_>) -> Duration {
    let patience = chain.phase.load.patience;
    let deadline = chain.policy().of_client().deadline;
    deadline.map_or(patience, |deadline| deadline.min(patience))
}

fn longest(chain: &Chain<'_>) -> (f64, bool) {
    let mut longest = Longest { chain, fits: true };
    let edge = longest.attempt(0);
    (longest.call(0, edge), longest.fits)
}

struct Longest<'a> {
    chain: &'a Chain<'a>,
    fits: bool,
}

impl Longest<'_> {
    /// The longest that an attempt at this visit can take and succeed, in seconds.
    fn attempt(&mut self, place: usize) -> f64 {
        let relay = self.chain.topology.relay(&self.chain.visits[place].service);
        let is_parallel = relay.is_some_and(|relay| relay.order == Order::Parallel);
        let mut below = 0.0;
        let mut next = place + 1;
        while next < place + self.chain.visits[place].size {
            let attempt = self.attempt(next);
            let call = self.call(next, attempt);
            below = if is_parallel {
                f64::max(below, call)
            } else {
                below + call
            };
            next += self.chain.visits[next].size;
        }
        let time = self.chain.fates[place].slowed.as_secs_f64() + below;
        self.fits &= time <= with_headroom(self.chain.limit(place));
        time
    }

    /// The same for a call: every attempt but the last has failed as late as it can.
    fn call(&self, place: usize, attempt: f64) -> f64 {
        let below = place..place + self.chain.visits[place].size;
        if self.chain.fates[below]
            .iter()
            .all(|fate| fate.endings.is_empty())
        {
            // Nothing fails there, so nothing is tried again.
            return attempt;
        }
        let failed = attempt.max(self.silence(place));
        let before = f64::from(self.chain.retries(place)) * failed;
        attempt + before + self.chain.longest_pauses(place)
    }

    /// How long an attempt waits that is not answered and is tried again; nothing if there
    /// is no such attempt.
    fn silence(&self, place: usize) -> f64 {
        let below = place..place + self.chain.visits[place].size;
        let is_heard_here = |limit: Limit| match limit {
            Limit::AttemptTimeout => self.chain.visits[place].depth == 1,
            Limit::Deadline | Limit::Patience => false,
        };
        let waits = |fate: &&Fate| {
            is_heard_here(fate.limit.0) && fate.endings.iter().any(|ending| ending.silent)
        };
        let longest = self.chain.fates[below].iter().filter(waits);
        let longest = longest.map(|fate| fate.limit.1.as_secs_f64());
        longest.fold(0.0, f64::max)
    }
}
