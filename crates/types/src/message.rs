//! What people are told of what is wrong.

use std::error::Error;

/// How much of a value is shown, in characters.
const SHOWN: usize = 120;

/// Names the field, the value as far as it helps, and what is allowed.
pub fn not_valid(field: &str, value: &str, allowed: &str) -> String {
    let shown: String = value.chars().take(SHOWN).collect();
    let more = if shown.len() < value.len() { "…" } else { "" };
    format!("{field}: {shown:?}{more} is not valid; allowed: {allowed}")
}

/// An error with everything that led to it: the outermost alone never says why.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{not_valid, with_sources};
    use std::{error::Error, fmt, io};

    #[derive(Debug)]
    struct Unread(io::Error);

    impl fmt::Display for Unread {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the file can't be read")
        }
    }

    impl Error for Unread {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_is_told_with_what_led_to_it() {
        let error = Unread(io::Error::other("the disk is gone"));
        assert_eq!(
            with_sources(&error),
            "the file can't be read: the disk is gone"
        );
    }

    #[test]
    fn a_value_is_named_and_a_long_one_not_in_full() {
        let told = not_valid("limit", "x\n", "1 to 9");
        assert_eq!(told, r#"limit: "x\n" is not valid; allowed: 1 to 9"#);
        let told = not_valid("key", &"é".repeat(100_000), "less");
        let expected = format!("key: \"{}\"… is not valid; allowed: less", "é".repeat(120));
        assert_eq!(told, expected);
    }
}
