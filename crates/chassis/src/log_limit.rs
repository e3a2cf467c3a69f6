//! A limit on how often one thing is logged.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Lets one line a second pass, and counts those that it holds back.
#[derive(Debug)]
pub(crate) struct LogLimit(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    held_back: u64,
}

impl LogLimit {
    /// A limit that no line has passed yet.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State {
            last: None,
            held_back: 0,
        }))
    }

    /// Whether a line passes at `now`: how many were held back since the last one that did.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_early = |last| now.saturating_duration_since(last) < EVERY;
        if state.last.is_some_and(is_early) {
            state.held_back += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_passes_and_says_how_many_did_not() {
        let (limit, begin) = (LogLimit::new(), Instant::now());
        let at = |milliseconds| limit.pass(begin + Duration::from_millis(milliseconds));
        assert_eq!(
            [at(0), at(1), at(999), at(1000)],
            [Some(0), None, None, Some(2)]
        );
        assert_eq!([at(1999), at(5000)], [None, Some(1)]);
    }
}
