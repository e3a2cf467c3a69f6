//! Which key signs, which ones verify, and when one goes.
//!
//! Keys change without a token being refused. Each key passes through
//! published → signing → verifying → gone:
//!
//! - A new key is **published** for a lead time: every replica and everybody who keeps a copy
//!   of the key set gets to know it before the first token needs it.
//! - The newest key whose lead time is over **signs**. The first key of all signs at once:
//!   nobody knows an older one.
//! - A key whose successor signs still **verifies**, until the last token that it may have
//!   signed has expired, and for a lead time more.
//!
//! Replicas know of a change because they read the keys with every lease (see `revocation`),
//! far more often than a lead time. The times of keys are those of wall clocks, so those of
//! two replicas may differ, by less than the lead time.

use crate::{
    key::{Key, KeyError},
    store::StoredKey,
};
use std::{sync::Arc, time::Duration};
use token::PublicKey;

/// The keys there are, oldest first. The decisions know no clock: `now` is an argument, in
/// milliseconds since the Unix epoch.
#[derive(Default)]
pub(crate) struct KeyRing(Vec<Member>);

#[derive(Clone)]
struct Member {
    place: i64,
    created_at_ms: u64,
    lifetime_ms: u64,
    key: Arc<Key>,
}

/// What a key does at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// It is made known, and does not sign yet.
    Published,
    /// It signs.
    Signing,
    /// It has a successor, and verifies what it has signed.
    Verifying,
}

impl KeyRing {
    /// The keys that are `kept` now. One that was there before is not read again: a key never
    /// changes, and its place is never given to another.
    pub(crate) fn with(&self, kept: Vec<StoredKey>) -> Result<Self, KeyError> {
        let member = |stored: StoredKey| {
            let known = self.0.iter().find(|known| known.place == stored.place);
            let key = match known {
                Some(known) => known.key.clone(),
                None => Arc::new(Key::load(&stored.pkcs8)?),
            };
            Ok(Member {
                place: stored.place,
                created_at_ms: stored.created_at_ms,
                lifetime_ms: stored.lifetime_s.saturating_mul(1000),
                key,
            })
        };
        let members: Result<_, KeyError> = kept.into_iter().map(member).collect();
        members.map(Self)
    }

    /// The key that signs; none if there is no key at all.
    pub(crate) fn signing(&self, lead: Duration, now: u64) -> Option<&Arc<Key>> {
        let at = self.signing_at(lead, now);
        self.0.get(at).map(|member| &member.key)
    }

    fn signing_at(&self, lead: Duration, now: u64) -> usize {
        let is_known = |member: &Member| after(member.created_at_ms, lead) <= now;
        self.0.iter().rposition(is_known).unwrap_or_default()
    }

    /// Whether a newer key is wanted: when the newest one signs, and is at least as old as
    /// `every`. The place of the newest, and the time at which it was made.
    pub(crate) fn is_due(&self, lead: Duration, every: Duration, now: u64) -> Option<(i64, u64)> {
        let newest = self.0.last()?;
        let signs = self.signing_at(lead, now) + 1 == self.0.len();
        let is_due = signs && after(newest.created_at_ms, every) <= now;
        is_due.then_some((newest.place, newest.created_at_ms))
    }

    /// The key whose tokens have this header.
    pub(crate) fn with_header(&self, header: &str) -> Option<&PublicKey> {
        let keys = self.0.iter().map(|member| &*member.key);
        keys.rev()
            .map(Key::public)
            .find(|key| key.header() == header)
    }

    /// All of them, oldest first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.iter().map(|member| &*member.key)
    }

    /// Each with what it does, oldest first.
    pub(crate) fn stages(&self, lead: Duration, now: u64) -> impl Iterator<Item = (&Key, Stage)> {
        let signing = self.signing_at(lead, now);
        let stage = move |at: usize| match at.cmp(&signing) {
            std::cmp::Ordering::Less => Stage::Verifying,
            std::cmp::Ordering::Equal => Stage::Signing,
            std::cmp::Ordering::Greater => Stage::Published,
        };
        self.keys()
            .enumerate()
            .map(move |(at, key)| (key, stage(at)))
    }

    /// The places of those that nobody needs any more.
    pub(crate) fn gone(&self, lead: Duration, now: u64) -> Vec<i64> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        let is_gone = |(old, new): &(&Member, &Member)| {
            let signs_no_more = after(new.created_at_ms, lead);
            after(signs_no_more.saturating_add(old.lifetime_ms), lead) <= now
        };
        pairs
            .take_while(is_gone)
            .map(|(old, _)| old.place)
            .collect()
    }
}

fn after(begin: u64, time: Duration) -> u64 {
    begin.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stage::{Published, Signing, Verifying};

    const LEAD: Duration = Duration::from_millis(100);

    /// Keys created at these times, for tokens that live for a second.
    fn ring(created: &[u64]) -> KeyRing {
        let stored = |(place, created_at_ms): (i64, &u64)| StoredKey {
            place,
            pkcs8: Key::generate().unwrap(),
            created_at_ms: *created_at_ms,
            lifetime_s: 1,
        };
        let kept = (1..).zip(created).map(stored).collect();
        KeyRing::default().with(kept).unwrap()
    }

    fn stages(ring: &KeyRing, now: u64) -> Vec<Stage> {
        ring.stages(LEAD, now).map(|(_, stage)| stage).collect()
    }

    #[test]
    fn the_first_key_signs_at_once_and_a_new_one_after_its_lead_time() {
        let ring = ring(&[1000, 1010, 5000]);
        assert_eq!(stages(&ring, 1010), [Signing, Published, Published]);
        assert_eq!(stages(&ring, 1109), [Signing, Published, Published]);
        assert_eq!(stages(&ring, 1110), [Verifying, Signing, Published]);
        assert_eq!(stages(&ring, 5100), [Verifying, Verifying, Signing]);
        let signing = ring.signing(LEAD, 5100).unwrap();
        assert_eq!(signing.public(), ring.keys().last().unwrap().public());
        assert!(KeyRing::default().signing(LEAD, 5100).is_none());
    }

    #[test]
    fn a_newer_key_is_wanted_when_the_newest_signs_and_is_old_enough() {
        let ring = ring(&[1000, 2000]);
        let due = |every, now| ring.is_due(LEAD, Duration::from_millis(every), now);
        assert_eq!(due(0, 2099), None, "it does not sign yet");
        assert_eq!(due(0, 2100), Some((2, 2000)));
        assert_eq!(due(500, 2499), None);
        assert_eq!(due(500, 2500), Some((2, 2000)));
    }

    #[test]
    fn a_key_goes_a_lead_time_after_its_last_token_has_expired() {
        let ring = ring(&[1000, 2000, 9000]);
        // The second signs from 2100; the first one's tokens are good until 3100.
        assert_eq!(ring.gone(LEAD, 3199), [0_i64; 0]);
        assert_eq!(ring.gone(LEAD, 3200), [1]);
        assert_eq!(ring.gone(LEAD, 10_200), [1, 2]);
        assert_eq!(ring.gone(LEAD, u64::MAX), [1, 2], "the last one stays");
    }

    #[test]
    fn a_key_that_is_known_is_not_read_again() {
        let first = ring(&[1000]);
        let again = StoredKey {
            place: 1,
            pkcs8: b"not looked at".to_vec(),
            created_at_ms: 1000,
            lifetime_s: 2,
        };
        let second = first.with(vec![again]).unwrap();
        let same = second.keys().next().unwrap();
        assert_eq!(same.public(), first.keys().next().unwrap().public());
        assert!(second.with_header(same.public().header()).is_some());
        assert!(second.with_header("other").is_none());
    }
}
