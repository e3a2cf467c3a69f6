//! What is counted of a service, and of a phase.

/// What became of a service's calls and attempts in a simulated run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls to it.
    pub calls: u64,
    /// Those of them that were answered, if need be from a cache.
    pub answered: u64,
    /// Attempts that reached one of its replicas.
    pub attempts: u64,
    /// Those of them that were the first of their calls.
    pub first: u64,
    /// First attempts that were answered.
    pub first_answered: u64,
    /// First attempts that it did not itself fail.
    pub first_passed: u64,
    /// Attempts that were refused: by the breaker or the bulkhead of the caller, by the limit
    /// on requests that come in, or because all slots and places were taken.
    pub refused: u64,
    /// Requests of the client that were lost because of it.
    pub lost: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            answered: self.answered + other.answered,
            attempts: self.attempts + other.attempts,
            first: self.first + other.first,
            first_answered: self.first_answered + other.first_answered,
            first_passed: self.first_passed + other.first_passed,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
        }
    }
}

/// The requests that left in one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTally {
    /// All of them.
    pub offered: u64,
    /// Those that were answered.
    pub answered: u64,
}
