//! What a request says besides its body.

use crate::{
    once::IdempotencyKey,
    store::{Author, Place},
};
use axum::extract::{FromRequestParts, Path, Query};
use chassis::{Refusal, RequestContext, conditional::Preconditions};
use http::request::Parts;
use serde::Deserialize;
use std::fmt;
use types::{NAME_ALLOWED, header::ACTOR, is_name, not_valid};
use utoipa::IntoParams;

/// The most records read at once.
const MAX: u32 = 100;
const ACTOR_ALLOWED: &str = "1 to 128 visible ASCII characters";

/// Which records of a collection are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Exactly these, in this order, separated by commas; `limit` and `cursor` then say nothing.
    #[param(
        nullable = false,
        pattern = "^([A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(,[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,99})?$"
    )]
    keys: Option<String>,
    /// How many records a page has.
    #[param(nullable = false, minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: `next` of the page before.
    #[param(nullable = false, pattern = "^([2-7][0-9a-f]){1,64}$")]
    cursor: Option<String>,
}

impl Wanted {
    /// The keys in the list; an empty list has none.
    pub(super) fn keys(&self) -> Result<Option<Vec<&str>>, Refusal> {
        let Some(list) = &self.keys else {
            return Ok(None);
        };
        let keys: Vec<_> = list.split(',').filter(|_| !list.is_empty()).collect();
        if keys.len() > MAX as usize {
            let count = keys.len();
            let detail = format!("keys: {count} are asked for; allowed: up to {MAX}");
            return Err(Refusal::bad_request(detail));
        }
        keys.iter().try_for_each(|key| name("keys", key))?;
        Ok(Some(keys))
    }

    pub(super) fn limit(&self) -> Result<u32, Refusal> {
        let limit = self.limit.unwrap_or(MAX);
        if (1..=MAX).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("limit: {limit} is not valid; allowed: 1 to {MAX}");
        Err(Refusal::bad_request(detail))
    }

    /// Where the page begins; at the start if nothing is said.
    pub(super) fn cursor(&self) -> Result<Cursor, Refusal> {
        match &self.cursor {
            Some(text) => Cursor::parse(text)
                .ok_or_else(|| wrong("cursor", text, "what `next` of the page before said")),
            None => Ok(Cursor::default()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let wanted = Query::from_request_parts(parts, state).await;
        let Query(wanted): Query<Self> =
            wanted.map_err(|error| Refusal::bad_request(error.body_text()))?;
        wanted.limit()?;
        wanted.cursor()?;
        Ok(wanted)
    }
}

/// A place in the order of the keys: right after one of them, which may be gone by now. So
/// pages neither repeat nor leave out what stays, whatever comes and goes meanwhile.
///
/// In hexadecimal, so that nobody takes it for a key that has to exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor(String);

impl Cursor {
    pub(super) fn after(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// The key after which the page begins.
    pub(super) fn key(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| {
            (byte as char)
                .to_digit(16)
                .filter(|_| !byte.is_ascii_uppercase())
        };
        let pairs = text.as_bytes().chunks(2);
        let key: Option<String> = pairs
            .map(|pair| match pair {
                [high @ b'2'..=b'7', low] => char::from_u32(digit(*high)? * 16 + digit(*low)?),
                _ => None,
            })
            .collect();
        key.filter(|key| (1..=64).contains(&key.len())).map(Self)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A request to change a record, but for the new content.
#[derive(Debug)]
pub(super) struct Asked {
    pub place: Place,
    pub preconditions: Preconditions,
    pub once: Option<String>,
    pub author: Author,
}

/// The headers of a request to change a record.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the headers, which others read")]
pub(super) struct WriteHeaders {
    /// Under the same key the same change happens once, and every repetition gets the answer
    /// of the first. A key is remembered for a day.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        pattern = "^[!-~]{1,192}$"
    )]
    idempotency_key: Option<String>,
    /// On whose behalf the change is made.
    #[param(rename = "nines-actor", nullable = false, pattern = "^[!-~]{1,128}$")]
    actor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        let Path((collection, key)): Path<(String, String)> =
            path.map_err(|error| Refusal::bad_request(error.body_text()))?;
        name("collection", &collection)?;
        name("key", &key)?;
        let preconditions = Preconditions::from_request_parts(parts, state).await?;
        let IdempotencyKey(once) = IdempotencyKey::from_request_parts(parts, state).await?;
        let Ok(context) = RequestContext::from_request_parts(parts, state).await;
        Ok(Self {
            place: Place { collection, key },
            preconditions,
            once,
            author: Author {
                actor: actor(parts)?,
                request_id: context.request_id.to_string(),
            },
        })
    }
}

/// The actor that the edge names; a dash where it names none.
fn actor(parts: &Parts) -> Result<String, Refusal> {
    let Some(value) = parts.headers.get(ACTOR) else {
        return Ok("-".to_owned());
    };
    let text = value.to_str().unwrap_or_default();
    let is_actor = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if is_actor {
        return Ok(text.to_owned());
    }
    let shown = String::from_utf8_lossy(value.as_bytes());
    Err(wrong("header nines-actor", &shown, ACTOR_ALLOWED))
}

/// Refuses what is no name.
pub(super) fn name(field: &str, value: &str) -> Result<(), Refusal> {
    if is_name(value) {
        return Ok(());
    }
    Err(wrong(field, value, NAME_ALLOWED))
}

fn wrong(field: &str, value: &str, allowed: &str) -> Refusal {
    Refusal::bad_request(not_valid(field, value, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_where_it_is_and_nothing_else_is_one() {
        for key in ["a", "user-1.x_Y", &"~".repeat(64)] {
            let cursor = Cursor::after(key);
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor), "{key}");
        }
        for bad in [
            "",
            "6",
            "6g",
            "6G",
            "6A",
            "1f",
            "80",
            "é",
            "+6",
            &"61".repeat(65),
        ] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
