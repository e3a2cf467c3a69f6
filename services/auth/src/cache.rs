//! A cache of bounded size, in two generations.
//!
//! What is asked for stays in the young generation, or moves back into it. When that is full
//! it becomes the old one, and what was old and not asked for in the meantime is gone. This
//! forgets nearly what a least-recently-used order would, with no order to keep, and neither
//! a read nor a write ever costs more than a look-up or two. Only what was verified is put
//! in, so nobody can flush it with rubbish.

use std::{collections::HashMap, hash::Hash, mem};

#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// How many the young generation holds: half of all.
    half: usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// A cache of up to `capacity` entries, and of two at least.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (capacity / 2).max(1),
        }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut cache = Cache::new(8);
        for key in 0..100 {
            cache.insert(key, key * 10);
            assert_eq!(cache.get(&0), Some(0), "asked for again and again");
        }
        assert_eq!(cache.get(&99), Some(990));
        assert_eq!(cache.get(&50), None);
    }

    proptest! {
        #[test]
        fn it_holds_the_last_value_or_none_and_never_more_than_its_capacity(
            capacity in 0_usize..10,
            steps in proptest::collection::vec((any::<bool>(), 0_u8..16, any::<u8>()), 0..200),
        ) {
            let mut cache = Cache::new(capacity);
            let mut last = HashMap::new();
            for (write, key, value) in steps {
                if write {
                    cache.insert(key, value);
                    last.insert(key, value);
                    prop_assert_eq!(cache.get(&key), Some(value));
                } else if let Some(found) = cache.get(&key) {
                    prop_assert_eq!(Some(&found), last.get(&key));
                }
                prop_assert!(cache.young.len() + cache.old.len() <= capacity.max(2));
            }
        }
    }
}
