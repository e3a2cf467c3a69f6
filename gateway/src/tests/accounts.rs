//! Registration, login and logout.

use super::*;

fn post(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(path).header(CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

fn credentials() -> Value {
    json!({ "username": "user-1", "password": "password-1" })
}

#[tokio::test]
async fn a_login_is_passed_to_auth_and_its_answer_back() {
    let services = Below::default();
    let login = || post("/v1/login", &credentials());
    let (status, body) = send(&gateway(&services, 3).await, login()).await;
    assert_eq!((status, body), (200, usual("/v1/login", &Value::Null)));
    assert_eq!(services.asked()[0].2, credentials());
    let wrong = json!(Problem::new(401, "wrong-credentials", "Title"));
    let services = Below::answering("/v1/login", 401, wrong);
    assert_eq!(send(&gateway(&services, 3).await, login()).await.0, 401);
}

#[tokio::test]
async fn whoever_logs_in_too_often_hears_it_and_not_that_a_service_failed() {
    let problem = json!(Problem::new(429, "too-many-logins", "Title"));
    let services = Below::answering("/v1/login", 429, problem);
    let gateway = gateway(&services, 3).await;
    let login = post("/v1/login", &credentials());
    assert_eq!(send(&gateway, login).await.0, 429);
}

#[tokio::test]
async fn a_registration_creates_the_account_then_its_profile_and_is_recorded_once() {
    let services = Below::default();
    let gateway = gateway(&services, 4).await;
    for _ in 0..2 {
        let (status, body) = send(&gateway, post("/v1/accounts", &credentials())).await;
        assert_eq!((status, body), (201, profile()));
    }
    let steps = [
        "POST /v1/accounts",
        "PUT /v1/profiles/user-1",
        "POST /v1/events",
    ];
    assert_eq!(services.paths(), [steps, steps].concat());
    let asked = services.asked();
    let event =
        json!({ "key": "account.create:user-1", "actor": "user-1", "action": "account.create" });
    assert_eq!((&asked[2].2, &asked[5].2), (&event, &event));
}

#[tokio::test]
async fn a_profile_that_is_there_already_stays_and_is_the_answer() {
    let exists = json!(Problem::new(412, "precondition-failed", "Title"));
    let services = Below {
        special: Some(("PUT /v1/profiles/user-1", 412, exists)),
        ..Below::default()
    };
    let gateway = gateway(&services, 3).await;
    let (status, body) = send(&gateway, post("/v1/accounts", &credentials())).await;
    assert_eq!((status, body), (201, profile()));
    assert_eq!(services.paths()[2], "GET /v1/profiles/user-1");
}

#[tokio::test]
async fn what_auth_has_against_a_registration_is_passed_on() {
    for (status, code) in [(409, "name-taken"), (400, "bad-request"), (429, "too-many")] {
        let problem = json!(Problem::new(status, code, "Title"));
        let services = Below::answering("/v1/accounts", status, problem);
        let gateway = gateway(&services, 3).await;
        let (found, _) = send(&gateway, post("/v1/accounts", &credentials())).await;
        assert_eq!(found, status);
        assert_eq!(services.paths().len(), 1);
    }
}

#[tokio::test]
async fn a_logout_revokes_the_token_that_it_carries() {
    let services = Below::default();
    let request = Request::post("/v1/logout").header(AUTHORIZATION, "Bearer t");
    let request = request.body(Body::empty()).unwrap();
    assert_eq!(send(&gateway(&services, 3).await, request).await.0, 204);
    assert_eq!(services.paths(), ["POST /v1/revoke"]);
    assert_eq!(services.asked()[0].2, json!({ "token": "t" }));
}
