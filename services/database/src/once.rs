//! A write that may be sent again without being done twice: `Idempotency-Key`.
//!
//! Whoever got no answer does not know whether the write was done. Under the same key it is
//! done once, and every repetition gets the answer of the first. The key stands for one
//! request: another request under the same key is a mistake of the caller, and refused.

use crate::store::{Change, Place};
use axum::extract::FromRequestParts;
use chassis::Refusal;
use http::request::Parts;
use ring::digest::{Context, SHA256};
use types::header::IDEMPOTENCY_KEY;

/// The longest key, in bytes: room for a user and the key that the user chose.
const MAX_KEY: usize = 192;

/// The value of the header `Idempotency-Key`, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default();
        if !is_key(text) {
            let detail = format!(
                "header Idempotency-Key: {value:?} is not valid; allowed: 1 to {MAX_KEY} visible ASCII characters"
            );
            return Err(Refusal::bad_request(detail));
        }
        Ok(Self(Some(text.to_owned())))
    }
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// SHA-256 of what is asked: the same for the same request, and only for that.
pub(crate) fn fingerprint(change: &Change) -> Vec<u8> {
    let (method, value) = match &change.value {
        Some(value) => ("PUT", value.to_string()),
        None => ("DELETE", String::new()),
    };
    let Place { collection, key } = &change.place;
    let preconditions = change.preconditions.to_string();
    let mut context = Context::new(&SHA256);
    for part in [method, collection, key, &value, &preconditions] {
        // The length first: `a` and `bc` are not `ab` and `c`.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::conditional::Preconditions;
    use http::{Request, header::IF_MATCH};
    use serde_json::{Value, json};

    async fn key(value: Option<&[u8]>) -> Result<Option<String>, Refusal> {
        let mut request = Request::new(());
        if let Some(value) = value {
            let value = http::HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().insert(IDEMPOTENCY_KEY, value);
        }
        let mut parts = request.into_parts().0;
        let key = IdempotencyKey::from_request_parts(&mut parts, &()).await;
        key.map(|key| key.0)
    }

    #[tokio::test]
    async fn a_key_is_short_and_visible_or_not_there_at_all() {
        assert_eq!(key(None).await.unwrap(), None);
        let longest = "k".repeat(MAX_KEY);
        for good in ["a", "\"q\"", &longest] {
            assert_eq!(
                key(Some(good.as_bytes())).await.unwrap().as_deref(),
                Some(good)
            );
        }
        let too_long = "k".repeat(MAX_KEY + 1);
        for bad in ["", "a b", "é", &too_long] {
            let Refusal(problem) = key(Some(bad.as_bytes())).await.unwrap_err();
            assert_eq!(problem.status, 400, "{bad}");
            assert!(
                problem.detail.unwrap().contains("allowed: 1 to 192"),
                "{bad}"
            );
        }
    }

    async fn change(collection: &str, key: &str, value: Option<Value>, tag: &str) -> Change {
        let request = Request::builder().header(IF_MATCH, tag).body(()).unwrap();
        let mut parts = request.into_parts().0;
        let preconditions = Preconditions::from_request_parts(&mut parts, &()).await;
        Change {
            place: Place {
                collection: collection.to_owned(),
                key: key.to_owned(),
            },
            value: value.map(Into::into),
            preconditions: preconditions.unwrap(),
            once: None,
            event: None,
            at_ms: 0,
        }
    }

    #[tokio::test]
    async fn a_fingerprint_changes_with_every_part() {
        let of = async |collection, key, value, tag| {
            fingerprint(&change(collection, key, value, tag).await)
        };
        let first = of("a", "bc", Some(json!(1)), "*").await;
        assert_eq!(of("a", "bc", Some(json!(1)), " *").await, first);
        for other in [
            of("ab", "c", Some(json!(1)), "*").await,
            of("a", "bd", Some(json!(1)), "*").await,
            of("a", "bc", Some(json!("1")), "*").await,
            of("a", "bc", None, "*").await,
            of("a", "bc", Some(json!(1)), "\"1\"").await,
        ] {
            assert_ne!(other, first);
        }
    }
}
