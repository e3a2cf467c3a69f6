//! The service as its clients see it, without its sockets.

use super::*;
use crate::{
    limit::Limits,
    login::login,
    moment::Moment,
    password::{
        Passwords,
        tests::{Occupier, cheap, with_memory, work},
    },
    seed,
    store::{self, Store, Terms},
    tokens::{Rotation, Tokens},
};
use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{Request, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::time::Duration;
use stores::StoreUrl;
use tower::ServiceExt;
use types::{
    auth::{LoginRequest, RegisterRequest, Role},
    header::CLIENT_ADDRESS,
};

/// The users `user-1` and `user-2`, and a lease that is over at once.
async fn auth() -> Arc<Auth> {
    with(cheap().await, "none").await
}

async fn with(passwords: Passwords, per_account: &str) -> Arc<Auth> {
    let store = store::open(&StoreUrl::MEMORY).await.unwrap();
    seed::accounts(&*store, &passwords, 2).await.unwrap();
    sharing(store, passwords, per_account).await
}

async fn sharing(store: Arc<dyn Store>, passwords: Passwords, per_account: &str) -> Arc<Auth> {
    let terms = Terms {
        lease: Duration::from_nanos(1),
        lifetime_s: 60,
    };
    let rotation = Rotation {
        lead: Duration::from_mins(5),
        every: None,
    };
    let tokens = Tokens::join(store.clone(), terms, rotation, Moment::now());
    Arc::new(Auth {
        tokens: tokens.await.unwrap(),
        store,
        passwords,
        limits: Limits::new(per_account.parse().unwrap(), "4/1m".parse().unwrap()),
    })
}

/// Each asks from another address, unless told otherwise.
async fn send_from(
    auth: &Arc<Auth>,
    address: &str,
    path: &str,
    body: Value,
) -> (StatusCode, http::HeaderMap, Value) {
    let request = Request::post(path).header(CONTENT_TYPE, "application/json");
    let request = request.header(CLIENT_ADDRESS, address);
    let request = request.body(Body::from(body.to_string())).unwrap();
    let router: Router = router().with_state(auth.clone()).into();
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    (head.status, head.headers, body)
}

async fn send(auth: &Arc<Auth>, path: &str, body: Value) -> (StatusCode, Value) {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let address = std::net::Ipv4Addr::from(NEXT.fetch_add(1, SeqCst)).to_string();
    let (status, _, body) = send_from(auth, &address, path, body).await;
    (status, body)
}

fn credentials(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

async fn token(auth: &Arc<Auth>) -> String {
    let (status, answer) = send(auth, "/v1/login", credentials("user-1", "password-1")).await;
    assert_eq!(status, 200);
    answer["token"].as_str().unwrap().to_owned()
}

async fn introspection(auth: &Arc<Auth>, token: &str) -> Value {
    let (status, body) = send(auth, "/v1/introspect", json!({ "token": token })).await;
    assert_eq!(status, 200);
    body
}

#[tokio::test]
async fn a_token_from_a_login_is_active_and_names_the_user_and_the_roles() {
    let auth = auth().await;
    auth.store.grant("user-2", Role::Auditor).await.unwrap();
    let login = credentials("user-2", "password-2");
    let (status, answer) = send(&auth, "/v1/login", login).await;
    assert_eq!(status, 200);
    let body = introspection(&auth, answer["token"].as_str().unwrap()).await;
    let expected = json!({
        "active": true,
        "subject": "user-2",
        "expires_at": answer["expires_at"],
        "roles": ["user", "auditor"],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer_after_the_same_work() {
    let auth = auth().await;
    let mut seen = Vec::new();
    for (username, password) in [
        ("user-1", "password-2"),
        ("user-3", "password-1"),
        ("", ""),
        ("\0", "x"),
    ] {
        let before = work(&auth.passwords).await;
        let answer = send(&auth, "/v1/login", credentials(username, password)).await;
        seen.push((answer, work(&auth.passwords).await - before));
    }
    assert_eq!(seen[0].0.0, 401);
    assert!(seen[0].1 > 0, "the work is counted");
    assert!(seen.iter().all(|it| *it == seen[0]), "{seen:?}");
    let before = work(&auth.passwords).await;
    let long = LoginRequest {
        username: "user-1".to_owned(),
        password: "ä".repeat(1025),
    };
    let refused = login(State(auth.clone()), address(), Json(long)).await;
    let refused = refused.err().unwrap();
    assert_eq!(refused.problem().status, 400);
    let detail = refused.problem().detail.as_ref().unwrap();
    assert!(detail.contains("password: has 1025 characters"), "{detail}");
    assert_eq!(work(&auth.passwords).await, before);
}

fn address() -> crate::address::ClientAddress {
    crate::address::ClientAddress([192, 0, 2, 1].into())
}

#[tokio::test]
async fn somebody_new_registers_and_logs_in() {
    let auth = auth().await;
    let ann = || credentials("ann", "correct horse");
    let expected = (StatusCode::CREATED, json!({ "user": "ann" }));
    assert_eq!(send(&auth, "/v1/accounts", ann()).await, expected);
    // The answer may have been lost.
    assert_eq!(send(&auth, "/v1/accounts", ann()).await, expected);
    assert_eq!(send(&auth, "/v1/login", ann()).await.0, 200);
    let other = credentials("ann", "battery staple");
    assert_eq!(send(&auth, "/v1/accounts", other.clone()).await.0, 409);
    assert_eq!(send(&auth, "/v1/login", other).await.0, 401);
}

#[tokio::test]
async fn of_many_who_register_a_name_at_once_those_with_one_password_have_it() {
    let auth = auth().await;
    let passwords: Vec<_> = (0..8)
        .map(|number| format!("password {}", number % 4))
        .collect();
    let all = passwords
        .iter()
        .map(|password| send(&auth, "/v1/accounts", credentials("ann", password)));
    let answers = futures_util::future::join_all(all).await;
    let created: Vec<_> = (0..8).filter(|at| answers[*at].0 == 201).collect();
    assert!(
        answers
            .iter()
            .all(|(status, _)| [201, 409].contains(&status.as_u16()))
    );
    assert_eq!(created.len(), 2, "{created:?}");
    assert_eq!(passwords[created[0]], passwords[created[1]]);
    let login = send(
        &auth,
        "/v1/login",
        credentials("ann", &passwords[created[0]]),
    )
    .await;
    assert_eq!(login.0, 200);
}

#[tokio::test]
async fn a_name_or_a_password_that_cannot_be_is_refused_and_said_why() {
    let auth = auth().await;
    for (username, password, expected) in [
        ("", "long enough", "username: \"\"; allowed: 1 to 48"),
        ("Ann", "long enough", "lower-case"),
        (".", "long enough", "beginning with a letter or digit"),
        (
            "ann",
            "short",
            "password: has 5 characters; allowed: 8 to 1024",
        ),
        ("ann", &"x".repeat(1025), "has 1025 characters"),
    ] {
        let request = RegisterRequest {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        let refused = registration::register(State(auth.clone()), address(), Json(request)).await;
        let problem = refused.err().unwrap().problem().clone();
        let detail = problem.detail.unwrap();
        assert_eq!(problem.status, 400);
        assert!(detail.contains(expected), "{detail}");
        assert!(!detail.contains(password), "{detail}");
    }
}

#[tokio::test]
async fn a_login_makes_a_weak_hash_stronger_and_a_strong_one_stays() {
    let store = store::open(&StoreUrl::MEMORY).await.unwrap();
    seed::accounts(&*store, &with_memory(8).await, 2)
        .await
        .unwrap();
    let hash = async |name| store.account(name).await.unwrap().unwrap().password_hash;
    let weak = hash("user-1").await;
    let auth = sharing(store.clone(), with_memory(16).await, "none").await;
    let wrong = credentials("user-1", "password-2");
    assert_eq!(send(&auth, "/v1/login", wrong).await.0, 401);
    assert_eq!(hash("user-1").await, weak);
    token(&auth).await;
    let strong = hash("user-1").await;
    assert!(strong.contains("m=16"), "{strong}");
    assert!(hash("user-2").await.contains("m=8"));
    token(&auth).await;
    assert_eq!(hash("user-1").await, strong);
    let weaker = sharing(store.clone(), with_memory(8).await, "none").await;
    token(&weaker).await;
    assert_eq!(hash("user-1").await, strong);
}

#[tokio::test]
async fn an_account_tried_too_often_is_left_alone_whether_it_exists_or_not() {
    let auth = with(cheap().await, "2/1m").await;
    let mut answers = Vec::new();
    for name in ["user-1", "nobody"] {
        for _ in 0..2 {
            assert_eq!(
                send(&auth, "/v1/login", credentials(name, "wrong")).await.0,
                401
            );
        }
        let before = work(&auth.passwords).await;
        // Registering would tell whether the password is right, too.
        for path in ["/v1/login", "/v1/accounts"] {
            answers.push(send(&auth, path, credentials(name, "password-1")).await);
        }
        assert_eq!(work(&auth.passwords).await, before);
    }
    assert_eq!(answers[0].0, 429);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(
        send(&auth, "/v1/login", credentials("user-2", "password-2"))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn an_address_that_tries_too_often_is_told_when_it_may_again() {
    let auth = auth().await;
    for number in 0..4 {
        let login = credentials(&format!("user-{number}"), "wrong");
        let (status, _, _) = send_from(&auth, "192.0.2.7", "/v1/login", login).await;
        assert_eq!(status, 401);
    }
    let login = credentials("user-1", "password-1");
    let (status, headers, _) = send_from(&auth, "192.0.2.7", "/v1/login", login.clone()).await;
    assert_eq!(status, 429);
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=15).contains(&wait), "{wait}");
    let (status, ..) = send_from(&auth, "192.0.2.8", "/v1/login", login).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_login_for_which_there_is_no_room_is_shed_and_a_later_one_is_served() {
    let auth = auth().await;
    let login = || send(&auth, "/v1/login", credentials("user-1", "password-1"));
    let occupier = Occupier::come(&auth.passwords);
    let (status, _) = login().await;
    assert_eq!(status, 503);
    occupier.go().await;
    assert_eq!(login().await.0, 200);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_inactive_and_no_failure() {
    let auth = auth().await;
    let theirs = token(&self::auth().await).await;
    let inactive = json!({ "active": false });
    for token in ["", "garbage", "a.b.c", &theirs] {
        assert_eq!(introspection(&auth, token).await, inactive, "{token}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_inactive_and_any_other_gets_the_same_answer() {
    let auth = auth().await;
    let (one, two) = (token(&auth).await, token(&auth).await);
    for token in [&*one, &one, "garbage", ""] {
        let answer = send(&auth, "/v1/revoke", json!({ "token": token })).await;
        assert_eq!(answer, (StatusCode::OK, json!({ "active": false })));
    }
    assert_eq!(introspection(&auth, &one).await["active"], false);
    assert_eq!(introspection(&auth, &two).await["active"], true);
}

#[tokio::test]
async fn the_key_set_verifies_a_token_and_may_be_kept_for_a_while() {
    let auth = auth().await;
    let token = token(&auth).await;
    let router: Router = router().with_state(auth).into();
    let request = Request::get("/.well-known/jwks.json")
        .body(Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["cache-control"], "public, max-age=150");
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let set: JwkSet = serde_json::from_slice(&body).unwrap();
    let key = token::PublicKey::from_jwk(&set.keys[0]).unwrap();
    assert!(token.starts_with(&format!("{}.", key.header())));
}

#[tokio::test]
async fn a_new_key_by_hand_is_published_and_shown_without_its_secret() {
    let auth = auth().await;
    let request = Request::post("/keys/rotate").body(Body::empty()).unwrap();
    let router = crate::admin::router(auth);
    let body = router.oneshot(request).await.unwrap().into_body();
    let shown: Value = serde_json::from_slice(&to_bytes(body, 1 << 20).await.unwrap()).unwrap();
    let stages = [&shown[0]["stage"], &shown[1]["stage"]];
    assert_eq!(stages, ["signing", "published"]);
    assert_eq!(shown[0].as_object().unwrap().len(), 2, "a name and a stage");
}

#[tokio::test]
async fn a_body_that_is_not_what_it_should_be_is_refused() {
    let auth = auth().await;
    for path in ["/v1/accounts", "/v1/login", "/v1/introspect", "/v1/revoke"] {
        assert_eq!(send(&auth, path, json!({ "x": 1 })).await.0, 422);
        let plain = Request::post(path).body(Body::from("{}")).unwrap();
        let router: Router = router().with_state(auth.clone()).into();
        assert_eq!(router.oneshot(plain).await.unwrap().status(), 415);
    }
}

#[test]
fn the_routes_are_those_described() {
    let document = chassis::openapi::text("auth", &router());
    testkit::golden(
        concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"),
        &document,
    );
}
