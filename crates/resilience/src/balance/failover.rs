//! The core: which replica is the active one.

#[cfg(test)]
mod tests;

/// Active-passive: one replica is active, all others stand by.
///
/// ```text
/// active up                    => active down, nobody takes over   it goes down, all are down
///                              => another active                   it goes down, another is up
/// active down, nobody takes over => active up                      it comes up first
///                              => another active                   another comes up first
/// ```
///
/// There is always exactly one active replica. It changes only when the active one is down
/// and another is up: a replica that comes back stands by, because every change costs the
/// time of a take-over, and nothing is gained by a second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    up: Box<[bool]>,
    active: usize,
}

impl Failover {
    /// So many replicas, all up; the first one is active.
    pub fn new(replicas: usize) -> Self {
        Self::of(vec![true; replicas], 0)
    }

    /// Replicas of which some are `up`, and one was active so far: it stays that, unless it is
    /// down and another is up.
    pub fn of(up: Vec<bool>, active: usize) -> Self {
        let up = up.into();
        let mut failover = Self { up, active };
        failover.elect();
        failover
    }

    /// The active one.
    pub const fn active(&self) -> usize {
        self.active
    }

    /// `replica` is up, or down. Says which one has become active by that, if any has: the
    /// next one that is up.
    pub fn heard(&mut self, replica: usize, up: bool) -> Option<usize> {
        *self.up.get_mut(replica)? = up;
        self.elect()
    }

    /// The next one that is up, if the active one is not.
    fn elect(&mut self) -> Option<usize> {
        if self.is_up(self.active) {
            return None;
        }
        let replicas = self.up.len();
        let mut following = (1..=replicas).map(|step| (self.active % replicas + step) % replicas);
        self.active = following.find(|next| self.is_up(*next))?;
        Some(self.active)
    }

    fn is_up(&self, replica: usize) -> bool {
        self.up.get(replica).copied().unwrap_or_default()
    }
}
