//! Random numbers that are no state: each is the hash of what it is for.
//!
//! The hash is SipHash-2-4 (Aumasson, Bernstein 2012) keyed by the seed: its output is
//! indistinguishable from uniform, and the same on every platform.

use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// The distance between neighbouring draws: 2⁻⁵³.
const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;

/// A number in [0, 1) with 53 random bits, drawn by hashing `words` under `seed`.
pub(crate) fn uniform(seed: u64, words: &[&str]) -> f64 {
    scaled(&hasher(seed, words))
}

/// The same for the `nth` number of a sequence that `words` name. No draw without a number
/// has the same three words and eight bytes after them.
pub(crate) fn nth(seed: u64, words: [&str; 3], nth: u64) -> f64 {
    let mut hasher = hasher(seed, &words);
    hasher.write(&nth.to_le_bytes());
    scaled(&hasher)
}

fn hasher(seed: u64, words: &[&str]) -> SipHasher24 {
    let mut hasher = SipHasher24::new_with_keys(seed, !seed);
    for word in words {
        hasher.write(&(word.len() as u64).to_le_bytes());
        hasher.write(word.as_bytes());
    }
    hasher
}

fn scaled(hasher: &SipHasher24) -> f64 {
    (hasher.finish() >> 11) as f64 * SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_run_together_are_told_apart() {
        let bits = |words: &[&str]| uniform(1, words).to_bits();
        assert_ne!(bits(&["ab", "c"]), bits(&["a", "bc"]));
    }

    #[test]
    fn each_number_of_a_sequence_is_drawn_by_itself() {
        let bits = |number| nth(1, ["a", "b", "c"], number).to_bits();
        assert_ne!(bits(0), bits(1));
        assert_ne!(bits(0), uniform(1, &["a", "b", "c"]).to_bits());
    }
}
