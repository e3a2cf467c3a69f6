//! Where callees are: read by anyone, told with the token, and followed by the next call.

use super::{Running, router, settings};
use chassis::{Call, Chassis, RequestContext, Upstream};
use http::StatusCode;
use serde_json::{Value, json};
use types::Problem;
use url::Url;

/// A service that calls `desk` at `url`, and the way in which it does.
async fn calling(url: &str) -> (Running, Upstream) {
    let settings = settings(&["--admin-token=open-sesame"]);
    let chassis = Chassis::start("caller", settings).await.unwrap();
    let desk = chassis.upstream("desk", &[url.parse::<Url>().unwrap()]);
    let running = Running {
        addresses: chassis.addresses().unwrap(),
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
        task: tokio::spawn(chassis.serve(router(), async || ())).abort_handle(),
    };
    (running, desk)
}

async fn put(caller: &Running, token: &str, body: &Value) -> reqwest::Response {
    let request = caller.admin("PUT", "/replicas").bearer_auth(token);
    request.json(body).send().await.unwrap()
}

async fn answers(desk: &Upstream) -> bool {
    let call = Call::get("desk.ok", "/ok");
    desk.call(&RequestContext::new("r-1"), call).await.is_ok()
}

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9/";

#[tokio::test]
async fn a_call_goes_where_the_last_one_who_knew_said() {
    let new = Running::start(&[]).await;
    let (caller, desk) = calling(NOWHERE).await;
    assert!(!answers(&desk).await);
    let there = format!("http://{}/", new.addresses.public);
    let answer = put(&caller, "open-sesame", &json!({"desk": [there, there]})).await;
    assert_eq!(answer.status(), StatusCode::OK);
    // Each stands there once, however often it was said.
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"desk": [there]})
    );
    let shown: Value = serde_json::from_str(&caller.look("/replicas").await).unwrap();
    assert_eq!(shown, json!({"desk": [there]}));
    assert!(answers(&desk).await);
    put(&caller, "open-sesame", &json!({"desk": [NOWHERE]})).await;
    assert!(!answers(&desk).await);
}

#[tokio::test]
async fn without_the_token_nothing_is_changed() {
    let (caller, _desk) = calling(NOWHERE).await;
    let answer = put(&caller, "sesame", &json!({"desk": ["http://127.0.0.1:7"]})).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let shown: Value = serde_json::from_str(&caller.look("/replicas").await).unwrap();
    assert_eq!(shown, json!({"desk": [NOWHERE]}));
}

#[tokio::test]
async fn what_can_not_be_is_refused_as_a_whole_with_what_is_allowed() {
    let (caller, _desk) = calling(NOWHERE).await;
    for (body, told) in [
        (
            json!({"dsek": [NOWHERE]}),
            "dsek is nobody it calls; allowed: desk",
        ),
        (
            json!({"desk": []}),
            "desk: 0 addresses; allowed: one to 1024 addresses",
        ),
        (
            json!({"desk": ["http://127.0.0.1:7", "https://a"]}),
            "desk[1]: \"https://a\" can't be; allowed: one to 1024 addresses as http://address:port",
        ),
    ] {
        let answer = put(&caller, "open-sesame", &body).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let problem: Problem = answer.json().await.unwrap();
        let detail = problem.detail.unwrap();
        assert!(detail.contains(told), "{detail}");
    }
    let shown: Value = serde_json::from_str(&caller.look("/replicas").await).unwrap();
    assert_eq!(shown, json!({"desk": [NOWHERE]}));
}
