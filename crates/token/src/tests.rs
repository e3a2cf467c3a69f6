//! What is a token, and what is none.

use super::*;
use ring::signature::{Ed25519KeyPair, KeyPair};

const NOW: u64 = 1_800_000_000;

fn claims() -> Claims {
    Claims::new(TokenId::from([7; 16]), "user-1", &[Role::User], NOW, 3600)
}

/// A key with both of its parts.
struct Key {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl Key {
    fn header(&self) -> &str {
        self.public.header()
    }
}

fn key() -> Key {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let public = PublicKey::new(pair.public_key().as_ref()).unwrap();
    Key { pair, public }
}

fn sign(key: &Key, claims: &Claims) -> String {
    sign_text(key, &serde_json::to_string(claims).unwrap())
}

fn sign_text(key: &Key, payload: &str) -> String {
    let sign = |message: &[u8]| key.pair.sign(message).as_ref().to_vec();
    sign_bytes(key.header(), payload.as_bytes(), sign)
}

fn check(key: &Key, token: &str) -> Option<Claims> {
    verify(token, |header| {
        (header == key.header()).then_some(&key.public)
    })
}

/// `token` with one of its three parts replaced.
fn with_part(token: &str, part: usize, text: &str) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    parts[part] = text;
    parts.join(".")
}

#[test]
fn a_token_says_what_it_was_made_to_say_and_holds_until_it_expires() {
    let key = key();
    let found = check(&key, &sign(&key, &claims())).unwrap();
    assert_eq!(found, claims());
    assert!(found.hold(NOW + 3599));
    assert!(!found.hold(NOW + 3600));
}

#[test]
fn a_token_has_a_name_of_its_own_that_can_be_read_back() {
    let (one, two) = (TokenId::random().unwrap(), TokenId::random().unwrap());
    assert_ne!(one, two);
    assert_eq!(TokenId::try_from(one.to_string()), Ok(one));
    assert_eq!(TokenId::try_from(one.as_bytes().to_vec()), Ok(one));
    for bad in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAA!", &"A".repeat(44)] {
        assert_eq!(TokenId::try_from(bad.to_owned()), Err(NotATokenId), "{bad}");
    }
}

#[test]
fn a_token_signed_by_another_key_is_refused_even_under_our_key_id() {
    let (ours, theirs) = (key(), key());
    let foreign = sign(&theirs, &claims());
    assert_eq!(check(&ours, &foreign), None);
    let forged = with_part(&foreign, 0, ours.header());
    assert_eq!(check(&ours, &forged), None);
}

#[test]
fn a_changed_payload_or_header_is_refused() {
    let key = key();
    let good = sign(&key, &claims());
    let other = Claims {
        sub: "user-2".to_owned(),
        ..claims()
    };
    let changed = BASE64.encode(serde_json::to_vec(&other).unwrap());
    assert_eq!(check(&key, &with_part(&good, 1, &changed)), None);
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"typ":"JWT","alg":"EdDSA"}"#,
    ] {
        let forged = with_part(&good, 0, &BASE64.encode(header));
        assert_eq!(check(&key, &forged), None, "{header}");
        let unsigned = with_part(&forged, 2, "");
        assert_eq!(check(&key, &unsigned), None, "{header}");
    }
}

#[test]
fn claims_meant_for_somebody_else_are_refused_though_signed() {
    let key = key();
    let says = |name: &str, value: &str| {
        let mut claims = serde_json::to_value(claims()).unwrap();
        claims[name] = serde_json::from_str(value).unwrap();
        check(&key, &sign_text(&key, &claims.to_string())).is_some()
    };
    assert!(says("sub", r#""user-2""#));
    assert!(!says("iss", r#""other""#));
    assert!(!says("aud", r#""other""#));
    assert!(!says("nbf", "0"));
    assert!(!says("jti", r#""short""#));
    assert!(!says("roles", r#"["root"]"#));
}

#[test]
fn a_token_has_exactly_one_spelling() {
    let key = key();
    let good = sign(&key, &claims());
    for at in 0..good.len() {
        for letter in ['A', 'z', '.', '=', ' '] {
            let mut other = good.clone();
            other.replace_range(at..=at, &letter.to_string());
            assert_eq!(check(&key, &other).is_some(), other == good, "{at}");
        }
        assert_eq!(check(&key, &good[..at]), None, "{at}");
    }
    let long = format!("{good}{}", "A".repeat(MAX_TOKEN));
    for bad in [
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        long,
    ] {
        assert_eq!(check(&key, &bad), None, "{bad:?}");
    }
}
