//! Who may call what, cell by cell, through the routes.

use super::*;

/// Nobody, somebody with a bad token, and users with their roles.
const CALLERS: [Option<&str>; 5] = [None, Some("bad"), Some("t"), Some("auditor"), Some("admin")];

/// What each of them gets: `t` is `user-1`, `auditor` is `user-2`, and `admin` is `user-3`.
const TABLE: [(&str, &str, [u16; 5]); 10] = [
    ("POST", "/v1/accounts", [201, 201, 201, 201, 201]),
    ("POST", "/v1/login", [200, 200, 200, 200, 200]),
    ("POST", "/v1/logout", [401, 204, 204, 204, 204]),
    ("GET", "/v1/me", [401, 401, 200, 200, 200]),
    ("PUT", "/v1/me", [401, 401, 200, 200, 200]),
    ("GET", "/v1/users/user-1", [401, 401, 200, 403, 200]),
    ("PUT", "/v1/users/user-1", [401, 401, 200, 403, 403]),
    ("GET", "/v1/users/user-2", [401, 401, 403, 200, 200]),
    ("PUT", "/v1/users/user-2", [401, 401, 403, 200, 403]),
    ("GET", "/v1/events", [401, 401, 403, 200, 200]),
];

fn body(method: &str, path: &str) -> Value {
    match (method, path) {
        ("POST", "/v1/accounts" | "/v1/login") => {
            json!({ "username": "user-1", "password": "password-1" })
        }
        ("PUT", _) => json!({ "key": "a", "value": 1 }),
        _ => Value::Null,
    }
}

fn request(method: &str, path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::IDEMPOTENCY_KEY, "once")
        .header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = body(method, path).to_string();
    request.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn everybody_gets_what_the_table_says_cell_by_cell() {
    let gateway = gateway(&Below::with_events(), 4).await;
    for (method, path, expected) in TABLE {
        for (caller, expected) in CALLERS.into_iter().zip(expected) {
            let (status, answer) = send(&gateway, request(method, path, caller)).await;
            assert_eq!(status, expected, "{method} {path} by {caller:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_table_has_a_line_for_every_route() {
    let document = chassis::openapi::document("gateway", &crate::routes());
    let document = serde_json::to_value(&document).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{user}", "user-1");
        for method in item.as_object().unwrap().keys() {
            let listed =
                |(of, at, _): &(&str, &str, _)| of.eq_ignore_ascii_case(method) && *at == path;
            assert!(TABLE.iter().any(listed), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn whoever_may_not_learns_nothing_about_what_is_there() {
    let services = Below::default();
    let gateway = gateway(&services, 4).await;
    for path in ["/v1/users/user-2", "/v1/users/nobody"] {
        assert_eq!(send(&gateway, request("GET", path, Some("t"))).await.0, 403);
    }
    assert!(
        services
            .paths()
            .iter()
            .all(|path| path == "POST /v1/introspect")
    );
}

#[tokio::test]
async fn an_admin_who_reads_anothers_page_is_recorded_as_such() {
    let services = Below::default();
    let gateway = gateway(&services, 4).await;
    send(&gateway, request("GET", "/v1/users/user-1", Some("admin"))).await;
    let event = services.asked()[3].2.clone();
    assert_eq!(
        (&event["actor"], &event["action"]),
        (&json!("user-3"), &json!("page.read:user-1"))
    );
}

#[tokio::test]
async fn what_is_no_name_is_refused_before_anybody_is_called() {
    let services = Below::default();
    let gateway = gateway(&services, 4).await;
    for path in ["/v1/users/a%20b", "/v1/users/.a", "/v1/users/a%2Fb"] {
        let (status, _) = send(&gateway, request("GET", path, Some("t"))).await;
        assert_eq!(status, 400, "{path}");
    }
    assert!(services.paths().is_empty());
}
