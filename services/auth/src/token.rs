//! Signed tokens: JWT (RFC 7519) as compact JWS (RFC 7515) with `EdDSA` (RFC 8037).
//!
//! Only this service makes tokens, and only this service reads them. So there is exactly one
//! header for each key, and a token with any other header is not ours: no field of a header
//! that somebody else wrote is ever looked at, and no algorithm can be chosen by the sender
//! (RFC 8725, section 3.1).

use crate::key::Key;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::auth::LoginResponse;

const ISSUER: &str = "nines-auth";
const AUDIENCE: &str = "nines";
/// Ours have some 300 bytes.
const MAX_TOKEN: usize = 4096;

/// What a token says (RFC 7519, section 4.1). Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub iat: u64,
    pub exp: u64,
}

impl Claims {
    fn are_good(&self, now: u64) -> bool {
        self.iss == ISSUER && self.aud == AUDIENCE && now < self.exp
    }
}

/// Makes tokens, and tells good ones from others.
pub(crate) struct Tokens {
    /// In the order in which they came: the last one signs. Never empty.
    keys: Vec<(Key, String)>,
    lifetime: u64,
}

impl Tokens {
    pub(crate) fn new(keys: Vec<Key>, lifetime: Duration) -> Self {
        let with_header = |key: Key| {
            let header = header(&key);
            (key, header)
        };
        Self {
            keys: keys.into_iter().map(with_header).collect(),
            // A token's times are whole seconds; one shorter than that would never be good.
            lifetime: lifetime.as_secs().max(1),
        }
    }

    /// A token for `subject`; none if there is no key to sign it.
    pub(crate) fn issue(&self, subject: &str, now: u64) -> Option<LoginResponse> {
        let expires_at = now.saturating_add(self.lifetime);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.to_owned(),
            iat: now,
            exp: expires_at,
        };
        let (key, header) = self.keys.last()?;
        let token = sign(key, header, &serde_json::to_vec(&claims).ok()?);
        Some(LoginResponse { token, expires_at })
    }

    /// What `token` says, if it is one of ours and good at the time `now`.
    pub(crate) fn check(&self, token: &str, now: u64) -> Option<Claims> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let (key, _) = self.keys.iter().find(|(_, ours)| ours == header)?;
        // The decoder refuses padding and stray bits: a token has one spelling.
        let signature = BASE64.decode(signature).ok()?;
        if !key.has_signed(signed.as_bytes(), &signature) {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
        claims.are_good(now).then_some(claims)
    }
}

/// The one header of tokens signed by `key`.
fn header(key: &Key) -> String {
    let json = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, key.id());
    BASE64.encode(json)
}

/// Compact serialisation (RFC 7515, section 7.1).
fn sign(key: &Key, header: &str, payload: &[u8]) -> String {
    let signed = format!("{header}.{}", BASE64.encode(payload));
    let signature = BASE64.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key() -> Key {
        Key::load(&Key::generate().unwrap()).unwrap()
    }

    fn tokens(keys: Vec<Key>) -> Tokens {
        Tokens::new(keys, Duration::from_hours(1))
    }

    fn token(tokens: &Tokens) -> String {
        tokens.issue("user-1", NOW).unwrap().token
    }

    /// `token` with one of its three parts replaced.
    fn with_part(token: &str, part: usize, text: &str) -> String {
        let mut parts: Vec<_> = token.split('.').collect();
        parts[part] = text;
        parts.join(".")
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_says_whose_it_is() {
        let tokens = tokens(vec![key()]);
        let issued = tokens.issue("user-1", NOW).unwrap();
        assert_eq!(issued.expires_at, NOW + 3600);
        assert_eq!(tokens.check(&issued.token, NOW).unwrap().sub, "user-1");
        assert!(tokens.check(&issued.token, NOW + 3599).is_some());
        assert!(tokens.check(&issued.token, NOW + 3600).is_none());
    }

    #[test]
    fn older_keys_still_verify_and_the_last_one_signs() {
        let (older, newer) = (Key::generate().unwrap(), Key::generate().unwrap());
        let load = |pkcs8: &[u8]| Key::load(pkcs8).unwrap();
        let before = tokens(vec![load(&older)]);
        let after = tokens(vec![load(&older), load(&newer)]);
        assert!(after.check(&token(&before), NOW).is_some());
        assert!(before.check(&token(&after), NOW).is_none());
    }

    #[test]
    fn a_token_signed_by_another_key_is_refused_even_under_our_key_id() {
        let (ours, theirs) = (tokens(vec![key()]), key());
        let forged = sign(&theirs, &ours.keys[0].1, br#"{"sub":"user-1"}"#);
        assert!(ours.check(&forged, NOW).is_none());
        assert!(ours.check(&token(&tokens(vec![theirs])), NOW).is_none());
    }

    #[test]
    fn a_changed_payload_or_header_is_refused() {
        let tokens = tokens(vec![key()]);
        let good = token(&tokens);
        let payload = good.split('.').nth(1).unwrap();
        let mut claims: Claims = serde_json::from_slice(&BASE64.decode(payload).unwrap()).unwrap();
        claims.sub = "user-2".to_owned();
        let changed = BASE64.encode(serde_json::to_vec(&claims).unwrap());
        assert!(tokens.check(&with_part(&good, 1, &changed), NOW).is_none());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"typ":"JWT","alg":"EdDSA"}"#,
        ] {
            let forged = with_part(&good, 0, &BASE64.encode(header));
            assert!(tokens.check(&forged, NOW).is_none(), "{header}");
            let unsigned = with_part(&forged, 2, "");
            assert!(tokens.check(&unsigned, NOW).is_none(), "{header}");
        }
    }

    #[test]
    fn claims_meant_for_somebody_else_are_refused_though_signed() {
        let tokens = tokens(vec![key()]);
        let (key, header) = &tokens.keys[0];
        let claims = |iss: &str, aud: &str, extra: &str| {
            format!(
                r#"{{"iss":"{iss}","aud":"{aud}","sub":"u","iat":{NOW},"exp":{}{extra}}}"#,
                NOW + 9
            )
        };
        let check = |payload: String| {
            tokens
                .check(&sign(key, header, payload.as_bytes()), NOW)
                .is_some()
        };
        assert!(check(claims(ISSUER, AUDIENCE, "")));
        assert!(!check(claims("other", AUDIENCE, "")));
        assert!(!check(claims(ISSUER, "other", "")));
        assert!(!check(claims(ISSUER, AUDIENCE, r#","nbf":0"#)));
    }

    #[test]
    fn a_token_has_exactly_one_spelling() {
        let tokens = tokens(vec![key()]);
        let good = token(&tokens);
        for at in 0..good.len() {
            for letter in ['A', 'z', '.', '=', ' '] {
                let mut other = good.clone();
                other.replace_range(at..=at, &letter.to_string());
                assert_eq!(tokens.check(&other, NOW).is_some(), other == good, "{at}");
            }
            assert!(tokens.check(&good[..at], NOW).is_none(), "{at}");
        }
        let long = format!("{good}{}", "A".repeat(MAX_TOKEN));
        for bad in [
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            long,
        ] {
            assert!(tokens.check(&bad, NOW).is_none(), "{bad:?}");
        }
    }
}
