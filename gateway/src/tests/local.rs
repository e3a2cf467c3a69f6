//! Tokens verified by the keys of auth, without asking it.

use super::{queued::until, *};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chassis::RequestContext;
use futures_util::future::join_all;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use std::time::{Duration, SystemTime};
use token::{Claims, PublicKey, TokenId};
use tokio::time::Instant;
use types::{Cause, auth::Role};

struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl Signer {
    fn new() -> Self {
        let kept = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(kept.as_ref()).unwrap();
        let public = PublicKey::new(pair.public_key().as_ref()).unwrap();
        Self { pair, public }
    }

    /// A token for `user-1` that is good for so many seconds from `begin` on.
    fn token(&self, begin: u64, lifetime: u64) -> String {
        let id = TokenId::from([7; 16]);
        let claims = Claims::new(id, "user-1", &[Role::User], begin, lifetime);
        token::sign(self.public.header(), &claims, |message| {
            self.pair.sign(message).as_ref().to_vec()
        })
    }

    fn key_set(&self) -> Value {
        json!({ "keys": [self.public.to_jwk()] })
    }
}

const KEYS: &str = "/.well-known/jwks.json";

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

async fn local(services: &Below) -> Router {
    gateway_with(services, 4, &["--verify=local"]).await.0
}

/// How often the keys were asked for.
fn fetched(services: &Below) -> usize {
    let asked = services.paths();
    asked.iter().filter(|path| path.contains(KEYS)).count()
}

/// More often than that nobody may have asked since `begin`: once a second, and at once.
fn most_fetched(begin: Instant) -> usize {
    let seconds = begin.elapsed().as_secs();
    usize::try_from(seconds).unwrap() + 2
}

/// Why nobody can say whose token it is.
async fn refused(chain: &Chain, token: &str) -> Problem {
    let context = RequestContext::new("r-1");
    let who = chain.who(&context, token.to_owned()).await;
    *who.unwrap_err().0
}

/// Sends the token until the answer has the status `expected`.
async fn until_answered(gateway: &Router, token: &str, expected: u16) {
    let answered = async {
        while send(gateway, get(token)).await.0 != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), answered)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_is_verified_without_asking_auth_about_it() {
    let signer = Signer::new();
    let services = Below::answering(KEYS, 200, signer.key_set());
    let gateway = local(&services).await;
    let token = signer.token(now(), 60);
    assert_eq!(send(&gateway, get(&token)).await.0, 200);
    assert_eq!(send(&gateway, get(&token)).await.0, 200);
    let asked = services.paths();
    assert!(
        !asked.contains(&"POST /v1/introspect".to_owned()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn whoever_has_a_token_that_is_not_good_is_refused() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let gateway = local(&Below::answering(KEYS, 200, signer.key_set())).await;
    let good = signer.token(now(), 60);
    let expired = signer.token(now() - 61, 60);
    let mut parts: Vec<_> = good.split('.').map(str::to_owned).collect();
    let other = BASE64.decode(&parts[1]).unwrap();
    let other = String::from_utf8(other)
        .unwrap()
        .replace("user-1", "user-2");
    parts[1] = BASE64.encode(other);
    for bad in [&expired, &parts.join("."), &stranger.token(now(), 60), "t"] {
        assert_eq!(send(&gateway, get(bad)).await.0, 401, "{bad}");
    }
    assert_eq!(send(&gateway, get(&good)).await.0, 200);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_the_first_token_comes_that_names_it() {
    let (old, new) = (Signer::new(), Signer::new());
    let services = Below::default();
    services.replies(KEYS, 200, old.key_set());
    let gateway = local(&services).await;
    assert_eq!(send(&gateway, get(&old.token(now(), 60))).await.0, 200);
    services.replies(KEYS, 200, new.key_set());
    // Keys are fetched once a second at most.
    until_answered(&gateway, &new.token(now(), 60), 200).await;
}

#[tokio::test]
async fn tokens_under_unknown_keys_do_not_make_the_gateway_ask_and_ask() {
    let services = Below::answering(KEYS, 200, Signer::new().key_set());
    let begin = Instant::now();
    let gateway = local(&services).await;
    for _ in 0..20 {
        let stranger = Signer::new().token(now(), 60);
        assert_eq!(send(&gateway, get(&stranger)).await.0, 401);
    }
    assert!(fetched(&services) <= most_fetched(begin));
}

#[tokio::test]
async fn while_the_keys_cannot_be_had_nobody_is_refused_and_all_is_well_afterwards() {
    let signer = Signer::new();
    let services = Below::default();
    services.replies(KEYS, 503, json!("down"));
    let (gateway, chain) = gateway_with(&services, 4, &["--verify=local"]).await;
    let token = signer.token(now(), 60);
    assert_eq!(send(&gateway, get(&token)).await.0, 503);
    let problem = refused(&chain, &token).await;
    assert_eq!((problem.status, &*problem.code), (503, "keys-unavailable"));
    assert_eq!(problem.hop.as_deref(), Some("auth"));
    assert_eq!(problem.cause, Some(Cause::Shed));
    assert!(problem.retryable);
    services.replies(KEYS, 200, signer.key_set());
    until_answered(&gateway, &token, 200).await;
    // Now auth has said which keys there are.
    let stranger = Signer::new().token(now(), 60);
    assert_eq!(send(&gateway, get(&stranger)).await.0, 401);
}

#[tokio::test]
async fn without_auth_the_keys_that_are_known_still_serve_and_others_fail() {
    let (known, new) = (Signer::new(), Signer::new());
    let services = Below::default();
    services.replies(KEYS, 200, known.key_set());
    let gateway = local(&services).await;
    let token = known.token(now(), 60);
    assert_eq!(send(&gateway, get(&token)).await.0, 200);
    // Keys of which none can be used are not what auth promises.
    services.replies(KEYS, 200, json!({ "keys": [] }));
    until_answered(&gateway, &new.token(now(), 60), 503).await;
    assert_eq!(send(&gateway, get(&token)).await.0, 200);
}

#[tokio::test]
async fn tokens_that_come_before_the_keys_wait_for_them_and_for_one_fetch_only() {
    let signer = Signer::new();
    let services = Below::answering(KEYS, 200, signer.key_set());
    let closed = services.gate.write().await;
    let gateway = local(&services).await;
    let token = signer.token(now(), 60);
    let pages = join_all((0..10).map(|_| send(&gateway, get(&token))));
    let keys_come = async {
        until(|| fetched(&services) == 1).await;
        drop(closed);
    };
    let (pages, ()) = tokio::join!(pages, keys_come);
    assert!(pages.iter().all(|(status, _)| *status == 200), "{pages:?}");
    assert_eq!(fetched(&services), 1);
}

#[tokio::test]
async fn where_auth_hangs_each_waits_for_one_fetch_at_most() {
    let services = Below::default();
    let _closed = services.gate.write().await;
    let begin = Instant::now();
    let flags = ["--verify=local", "--attempt-timeout=100ms"];
    let (gateway, chain) = gateway_with(&services, 4, &flags).await;
    let token = Signer::new().token(now(), 60);
    let at_once = join_all((0..20).map(|_| refused(&chain, &token)));
    for problem in at_once.await {
        assert_eq!((problem.status, problem.cause), (503, Some(Cause::Timeout)));
    }
    for _ in 0..20 {
        assert_eq!(send(&gateway, get(&token)).await.0, 503);
    }
    assert!(fetched(&services) <= most_fetched(begin));
}
