//! Each event's hash covers the event and all before it: whoever changes, removes or inserts
//! one would have to change every hash after it, up to a head that others may have noted.

use ring::digest::{Context, SHA256};
use std::fmt::Write;
use types::audit::NewEvent;

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// Where the log has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The sequence of the last event; 0 before the first.
    pub sequence: u64,
    /// The hash of the last event; zeros before the first.
    pub hash: Hash,
}

impl Head {
    /// Before the first event.
    pub(crate) const START: Self = Self {
        sequence: 0,
        hash: [0; 32],
    };

    /// Where the log comes to with the event `new`.
    pub(crate) fn next(&self, new: &NewEvent, recorded_at_ms: u64) -> Self {
        let sequence = self.sequence + 1;
        let mut context = Context::new(&SHA256);
        context.update(&self.hash);
        context.update(&encoding(sequence, recorded_at_ms, new));
        let mut hash = [0; 32];
        // SHA-256 has 32 bytes.
        hash.copy_from_slice(context.finish().as_ref());
        Self { sequence, hash }
    }

    /// The hash in hexadecimal.
    pub(crate) fn hex(&self) -> String {
        hex(&self.hash)
    }
}

/// Bytes in hexadecimal, as hashes are shown.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The hash that `text` shows; none if it shows none.
pub(crate) fn from_hex(text: &str) -> Option<Hash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    };
    pairs.map(byte).collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// The one encoding of an event: two numbers of 8 bytes, then each text after its length in
/// 8 bytes, all big-endian. No two events have the same.
fn encoding(sequence: u64, recorded_at_ms: u64, event: &NewEvent) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(recorded_at_ms.to_be_bytes());
    for text in [&event.key, &event.actor, &event.action] {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str, actor: &str, action: &str) -> NewEvent {
        NewEvent {
            key: key.to_owned(),
            actor: actor.to_owned(),
            action: action.to_owned(),
        }
    }

    #[test]
    fn the_hash_is_that_of_the_documented_encoding() {
        let head = Head::START.next(&event("k", "ab", "c"), 258);
        assert_eq!(head.sequence, 1);
        // Computed by another program (Python's hashlib) from the documentation alone.
        let expected = "fde4878f0895d63000bd9e29addbe5e5389a9340232e7dacb7f548ddb4b9889c";
        assert_eq!(head.hex(), expected);
        assert_eq!(from_hex(expected), Some(head.hash));
    }

    #[test]
    fn every_part_of_an_event_and_all_before_it_count() {
        let first = Head::START.next(&event("a", "b", "c"), 1);
        for other in [
            Head::START.next(&event("x", "b", "c"), 1),
            Head::START.next(&event("a", "x", "c"), 1),
            Head::START.next(&event("a", "b", "x"), 1),
            Head::START.next(&event("ab", "", "c"), 1),
            Head::START.next(&event("a", "b", "c"), 2),
            first.next(&event("a", "b", "c"), 1),
        ] {
            assert_ne!(other.hash, first.hash);
        }
    }
}
