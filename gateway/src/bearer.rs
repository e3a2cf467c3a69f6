//! The token in the request: `Authorization: Bearer …` (RFC 6750, section 2.1).

use axum::extract::FromRequestParts;
use chassis::Refusal;
use http::{HeaderMap, header::AUTHORIZATION, request::Parts};

/// A bearer token, not yet known to be good.
///
/// Taken from the head of the request, so that whoever has none is refused before a body is
/// read and before anybody is called.
pub(crate) struct Bearer(pub String);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        token(&parts.headers)
            .map(|token| Self(token.to_owned()))
            .map_err(Refusal::unauthorized)
    }
}

/// The token, or what is wrong. The header's value is never repeated: it is a secret.
fn token(headers: &HeaderMap) -> Result<&str, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, second) = (values.next(), values.next());
    let value = value.ok_or("header Authorization: missing; allowed: Bearer and a token")?;
    if second.is_some() {
        return Err("header Authorization: given more than once; allowed: once");
    }
    let text = value.to_str().unwrap_or_default();
    let token = text.split_once(' ').filter(|(scheme, token)| {
        // The name of the scheme is case-insensitive (RFC 9110, section 11.1).
        scheme.eq_ignore_ascii_case("bearer") && is_b64token(token)
    });
    let malformed = "header Authorization: not a bearer token; allowed: Bearer and a token";
    token.map(|(_, token)| token).ok_or(malformed)
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(AUTHORIZATION, value);
        }
        headers
    }

    #[test]
    fn a_bearer_token_is_taken_whatever_the_case_of_the_scheme() {
        for (value, expected) in [
            ("Bearer a.b-c_d", "a.b-c_d"),
            ("bearer x==", "x=="),
            ("BEARER ~+/", "~+/"),
        ] {
            assert_eq!(token(&headers(&[value])), Ok(expected));
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        assert!(token(&headers(&[])).unwrap_err().contains("missing"));
        assert!(
            token(&headers(&["Bearer a", "Bearer a"]))
                .unwrap_err()
                .contains("once")
        );
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Bearer ==",
            "Basic secret",
            "Bearersecret",
            "Bearer sécret",
            "Bearer a,b",
        ] {
            let error = token(&headers(&[bad])).unwrap_err();
            assert!(error.contains("not a bearer token"), "{bad:?}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
