//! Names that go into a path as they are: users, collections, records.

/// What a name may be, for messages.
pub const NAME_ALLOWED: &str = "1 to 64 letters, digits, `.`, `_` or `-`, not beginning with `.`";
/// What a name may be, as a regular expression (ECMA-262).
pub const NAME_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$";

/// Whether `text` is a name: 1 to 64 letters, digits, `.`, `_` or `-`, not beginning with `.`.
///
/// In a path `.` and `..` would mean another place (RFC 3986, section 5.2.4).
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_short_and_stays_where_it_is_put() {
        for good in ["user-1", "a.b_c", "-", &"x".repeat(64)] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".a",
            "a/b",
            "a b",
            "é",
            "a%2f",
            &"x".repeat(65),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
