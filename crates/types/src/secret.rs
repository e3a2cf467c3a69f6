//! Texts that are secrets, as they come in.

use serde::{Deserializer, de};
use std::fmt;

/// Takes a text, and refuses anything else without repeating it.
///
/// Usual error messages name the value they found. Somebody whose password is a number may
/// send it as one, and it is a secret all the same.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(Text)
}

struct Text;

impl Text {
    fn refuse<E: de::Error>() -> Result<String, E> {
        Err(E::custom("a number was found; allowed: a text"))
    }
}

impl de::Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<String, E> {
        Self::refuse()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<String, E> {
        Self::refuse()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<String, E> {
        Self::refuse()
    }
}

#[cfg(test)]
mod tests {
    use crate::auth::LoginRequest;

    #[test]
    fn a_password_is_a_text_and_what_is_none_is_not_repeated() {
        let parse = |password: &str| {
            let json = format!(r#"{{"username":"ann","password":{password}}}"#);
            serde_json::from_str::<LoginRequest>(&json)
        };
        assert_eq!(parse(r#""hush \" hush""#).unwrap().password, "hush \" hush");
        for secret in [
            "8675309",
            "-8675309",
            "86.75309",
            "86753098675309867530986753090",
        ] {
            let error = parse(secret).unwrap_err().to_string();
            assert!(error.contains("allowed: a text"), "{error}");
            assert!(!error.contains("753"), "{error}");
        }
        for other in ["null", "true", "[]", "{}"] {
            assert!(
                parse(other)
                    .unwrap_err()
                    .to_string()
                    .contains("expected a text")
            );
        }
    }
}
