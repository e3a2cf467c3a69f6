//! Names that go into a path as they are: users, collections, records.

/// What a name may be, for messages.
pub const NAME_ALLOWED: &str = "1 to 64 letters, digits, `.`, `_` or `-`, and not `.` or `..`";

/// Whether `text` is a name: 1 to 64 letters, digits, `.`, `_` or `-`.
///
/// `.` and `..` are none: in a path they would mean another place (RFC 3986, section 5.2.4).
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_short_and_stays_where_it_is_put() {
        for good in ["user-1", "a.b_c", "...", &"x".repeat(64)] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", "a%2f", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
