//! Tokens that are not good, each for a reason of its own.

use super::{chain_with, log_in, me};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn part(json: &Value) -> String {
    BASE64.encode(json.to_string())
}

fn decoded(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
}

/// `claims` under `header`, signed by somebody else.
fn forged(header: &Value, claims: &Value) -> String {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = BASE64.encode(pair.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Signed with HMAC under the public key, for whoever lets the header choose the algorithm.
fn confused(token: &str) -> String {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let public = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public.public_key().as_ref());
    let mut header = decoded(token, 0);
    header["alg"] = json!("HS256");
    let signed = format!("{}.{}", part(&header), part(&decoded(token, 1)));
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(tag))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_is_refused_whatever_is_wrong_with_it() {
    let chain = chain_with(|_, service| service);
    let good = log_in(&chain).await;
    assert_eq!(me(&chain, &good).await.0, 200);
    let (header, claims) = (decoded(&good, 0), decoded(&good, 1));
    let changed = |field: &str, value: Value| {
        let mut claims = claims.clone();
        claims[field] = value;
        part(&claims)
    };
    let parts: Vec<_> = good.split('.').collect();
    let with_claims = |claims: String| format!("{}.{claims}.{}", parts[0], parts[2]);
    let none = part(&json!({ "alg": "none", "typ": "JWT" }));
    let mut later = claims.clone();
    later["exp"] = json!(u64::MAX);
    for bad in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        parts[..2].join("."),
        format!("{good}.x"),
        format!("{good}="),
        good[..good.len() - 1].to_owned(),
        with_claims(changed("sub", json!("user-2"))),
        with_claims(changed("exp", json!(u64::MAX))),
        with_claims(changed("roles", json!(["admin"]))),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        forged(&header, &claims),
        forged(&header, &later),
        forged(
            &json!({ "alg": "EdDSA", "typ": "JWT", "kid": "other" }),
            &claims,
        ),
        forged(
            &json!({ "alg": "EdDSA", "typ": "JWT", "jwk": {}, "jku": "http://127.0.0.1:1" }),
            &claims,
        ),
        confused(&good),
        "x".repeat(20_000),
    ] {
        let (status, problem) = me(&chain, &bad).await;
        assert_eq!(status, 401, "{bad}: {problem}");
        assert_eq!(problem["code"], "unauthorized");
        assert!(
            !problem.to_string().contains(&bad) || bad.len() < 6,
            "{problem}"
        );
    }
    assert_eq!(me(&chain, &good).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_says_so_and_at_a_logout_at_once() {
    let chain = chain_with(|name, service| match name {
        "auth" => service.arg("--token-lifetime=5s"),
        _ => service,
    });
    let give_up = Instant::now() + Duration::from_mins(1);
    let (first, second) = loop {
        let (first, second) = (log_in(&chain).await, log_in(&chain).await);
        // On a busy machine the first may have ended before it was used.
        if me(&chain, &first).await.0 == 200 && me(&chain, &second).await.0 == 200 {
            break (first, second);
        }
        assert!(Instant::now() < give_up, "no token is ever good");
    };
    let logout = super::client().post(chain.url("gateway", "/v1/logout"));
    let answer = logout.bearer_auth(&second).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(me(&chain, &second).await.0, 401);
    while me(&chain, &first).await.0 != 401 {
        assert!(Instant::now() < give_up, "the token is good for ever");
        sleep(Duration::from_millis(100)).await;
    }
}
