//! Which replicas a call has tried.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The replicas that a call has tried. It goes into the extensions of a request above retries
/// and hedges: all copies of the request share it.
///
/// The first 64 replicas are told apart; any further one counts as untried.
#[derive(Debug, Clone)]
pub struct Tried(Option<Arc<Marks>>);

#[derive(Debug, Default)]
struct Marks {
    tried: AtomicU64,
    /// The first one, plus 1; 0: none yet.
    first: AtomicU64,
}

impl Default for Tried {
    /// None of them, so far.
    fn default() -> Self {
        Self(Some(Arc::default()))
    }
}

impl Tried {
    /// None of them, ever: for calls that nobody remembers.
    pub(super) const FORGETFUL: Self = Self(None);

    /// The call goes to `replica`.
    pub fn mark(&self, replica: usize) {
        let Some(marks) = &self.0 else { return };
        marks.tried.fetch_or(bit(replica), Relaxed);
        let first = (replica as u64).saturating_add(1);
        // Only the first one to come sets it.
        let _ = marks.first.compare_exchange(0, first, Relaxed, Relaxed);
    }

    /// Whether the call has been there.
    pub fn contains(&self, replica: usize) -> bool {
        let tried = self.0.as_ref().map(|marks| marks.tried.load(Relaxed));
        tried.unwrap_or_default() & bit(replica) != 0
    }

    /// Where it went first.
    pub fn first(&self) -> Option<usize> {
        let first = self.0.as_ref()?.first.load(Relaxed);
        usize::try_from(first.checked_sub(1)?).ok()
    }
}

/// Nothing for those that can't be told apart.
fn bit(replica: usize) -> u64 {
    let replica = u32::try_from(replica).unwrap_or(u32::MAX);
    1_u64.checked_shl(replica).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_request_know_where_the_others_have_been() {
        let tried = Tried::default();
        let copy = tried.clone();
        assert_eq!((copy.first(), copy.contains(63)), (None, false));
        tried.mark(63);
        tried.mark(0);
        assert_eq!(copy.first(), Some(63));
        assert!(copy.contains(63) && copy.contains(0) && !copy.contains(1));
    }

    #[test]
    fn replicas_from_64_on_count_as_untried() {
        let tried = Tried::default();
        for replica in [64, 65, usize::MAX] {
            tried.mark(replica);
            assert!(!tried.contains(replica), "{replica}");
        }
        assert!((0..64).all(|replica| !tried.contains(replica)));
        assert_eq!(tried.first(), Some(64));
    }
}
