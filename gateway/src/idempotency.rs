//! The key under which a write is done once, however often it is sent.

use axum::extract::FromRequestParts;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chassis::Refusal;
use http::request::Parts;
use ring::digest::{Context, SHA256};
use types::header::IDEMPOTENCY_KEY;
use utoipa::IntoParams;

const MAX_KEY: usize = 64;

/// The client's key.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Header, names("Idempotency-Key"))]
pub(crate) struct IdempotencyKey(
    /// The key of this write: a new one for each, the same when it is sent again
    #[param(pattern = "^[!-~]{1,64}$")]
    String,
);

/// Takes the key from the request, which must have one.
#[derive(Debug)]
pub(crate) struct Once(pub IdempotencyKey);

impl IdempotencyKey {
    /// The key for the services below. Clients choose their keys without knowing of each
    /// other: the user is part of it, so that nobody gets the answer to another's write.
    pub(crate) fn for_user(&self, user: &str) -> String {
        let mut context = Context::new(&SHA256);
        // The length first: `a` and `bc` are not `ab` and `c`.
        context.update(&(user.len() as u64).to_be_bytes());
        context.update(user.as_bytes());
        context.update(self.0.as_bytes());
        BASE64.encode(context.finish())
    }

    fn parse(text: &str) -> Option<Self> {
        let is_short = (1..=MAX_KEY).contains(&text.len());
        let is_key = is_short && text.bytes().all(|b| b.is_ascii_graphic());
        is_key.then(|| Self(text.to_owned()))
    }
}

impl<S: Sync> FromRequestParts<S> for Once {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let value = parts.headers.get(IDEMPOTENCY_KEY);
        let text = value.map(|value| value.to_str().unwrap_or_default());
        let key = text.and_then(IdempotencyKey::parse);
        key.map(Self).ok_or_else(|| refuse(text))
    }
}

fn refuse(given: Option<&str>) -> Refusal {
    let what = match given {
        None => "missing".to_owned(),
        Some(text) => format!(
            "{:?} is not valid",
            text.chars().take(80).collect::<String>()
        ),
    };
    Refusal::bad_request(format!(
        "header Idempotency-Key: {what}; allowed: 1 to {MAX_KEY} visible ASCII characters, new for each write"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_visible() {
        let longest = "k".repeat(MAX_KEY);
        for good in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", &longest] {
            assert!(IdempotencyKey::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "é", "a\t", &"k".repeat(MAX_KEY + 1)] {
            assert!(IdempotencyKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_key_below_is_another_for_every_user_and_key() {
        let key = |key, user| IdempotencyKey::parse(key).unwrap().for_user(user);
        let first = key("bc", "a");
        assert_eq!(first, key("bc", "a"));
        assert_eq!(first.len(), 43);
        for other in [key("c", "ab"), key("bc", "b"), key("bd", "a")] {
            assert_ne!(other, first);
        }
    }
}
