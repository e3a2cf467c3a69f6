//! A client, a service in the middle and its callee: one story, told hop by hop.

use crate::support::{Callee, Caller, Desk, Reply, attribute, get, nobody, problem, url};
use axum::{Router, extract::State, routing::get as on_get};
use chassis::{Call, Refusal, RequestContext, Upstream};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use resilience::circuit_breaker::{BreakerPolicy, BreakerSettings};
use serde::Deserialize;
use std::time::Duration;
use tokio::net::TcpListener;
use tower::ServiceExt;
use types::{Cause, Outcome, Problem, StoppedBy, header};
use url::Url;

async fn pass_on(
    State(auth): State<Upstream>,
    context: RequestContext,
) -> Result<&'static str, Refusal> {
    auth.call(&context, Call::get("auth.ask", "/v1/ask"))
        .await?;
    Ok("passed on")
}

/// Insists on an answer that the callee does not give.
async fn insist(
    State(auth): State<Upstream>,
    context: RequestContext,
) -> Result<&'static str, Refusal> {
    #[derive(Deserialize)]
    struct Never {
        #[expect(dead_code, reason = "only its presence counts")]
        subject: String,
    }
    let answer = auth
        .call(&context, Call::get("auth.ask", "/v1/ask"))
        .await?;
    answer.json::<Never>()?;
    Ok("had it")
}

/// The service in the middle; its own calls are seen by `middle`, requests by `desk`.
fn wrap(desk: &Desk, middle: &Caller, below: &Url) -> Router {
    let router = Router::new()
        .route("/v1/ask", on_get(pass_on))
        .route("/v1/insist", on_get(insist));
    desk.inbound
        .wrap(router.with_state(middle.upstream("auth", below)))
}

/// The service in the middle, on a socket of its own.
async fn serve(desk: &Desk, middle: &Caller, below: &Url) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = wrap(desk, middle, below);
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, app).await });
    url(address)
}

fn is_child(child: &SpanData, parent: &SpanData) -> bool {
    child.parent_span_id == parent.span_context.span_id()
        && child.span_context.trace_id() == parent.span_context.trace_id()
}

async fn well() -> Callee {
    Callee::start([Reply::answer(200, "", "[]")]).await
}

#[tokio::test]
async fn spans_of_a_chain_are_one_tree_call_attempt_request_call_attempt() {
    let (client, desk, middle) = (Caller::new(), Desk::new(), Caller::new());
    let callee = well().await;
    let middle_url = serve(&desk, &middle, &callee.url).await;
    client.call(&middle_url).await.unwrap();

    let (root, to_middle) = client.saw_one(Outcome::Ok, None);
    let server = desk.saw_one(Outcome::Ok, None);
    let (call, to_callee) = middle.saw_one(Outcome::Ok, None);
    assert!(is_child(&to_middle, &root));
    assert!(is_child(&server, &to_middle));
    assert!(is_child(&call, &server));
    assert!(is_child(&to_callee, &call));
    let context = &to_callee.span_context;
    let below = format!("00-{}-{}-01", context.trace_id(), context.span_id());
    assert_eq!(callee.header("traceparent"), Some(below));
}

#[tokio::test]
async fn the_request_id_stays_and_the_attempt_path_grows_hop_by_hop() {
    let (client, desk, middle) = (Caller::new(), Desk::new(), Caller::new());
    let callee = well().await;
    let middle_url = serve(&desk, &middle, &callee.url).await;
    let gateway = client.upstream("gateway", &middle_url);
    let call = Call::get("gateway.ask", "/v1/ask");
    gateway.call(&client.context, call).await.unwrap();

    let server = desk.saw_one(Outcome::Ok, None);
    assert_eq!(
        attribute(&server, "nines.attempt.path").as_deref(),
        Some("gateway:0")
    );
    assert_eq!(
        callee.header(header::ATTEMPT_PATH).as_deref(),
        Some("gateway:0/auth:0")
    );
    assert_eq!(callee.header(header::REQUEST_ID).as_deref(), Some("r-1"));
}

/// What the service in the middle says of its calls while it answers `client`.
async fn timing(desk: &Desk, middle: &Caller, below: &Url, path: &str) -> Option<String> {
    let app = wrap(desk, middle, below);
    let answer = app.oneshot(get(path)).await.unwrap();
    let timing = answer.headers().get(header::SERVER_TIMING)?;
    Some(timing.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_answer_says_how_long_the_services_took_that_were_called_for_it_if_that_is_wanted() {
    let (mut desk, middle) = (Desk::new(), Caller::new());
    let callee = well().await;
    let said = timing(&desk, &middle, &callee.url, "/v1/ask")
        .await
        .unwrap();
    let parts: Vec<_> = said.split(';').collect();
    let ms: f64 = parts[1].strip_prefix("dur=").unwrap().parse().unwrap();
    assert_eq!((parts[0], parts[2]), ("auth", "desc=\"ok\""), "{said}");
    assert!(ms > 0.0, "{said}");
    let (_held, dead) = nobody();
    let failed = timing(&desk, &middle, &dead, "/v1/ask").await.unwrap();
    assert!(failed.ends_with("desc=\"failed\""), "{failed}");
    assert_eq!(timing(&desk, &middle, &callee.url, "/nowhere").await, None);
    desk.inbound.server_timing = false;
    assert_eq!(timing(&desk, &middle, &callee.url, "/v1/ask").await, None);
}

#[tokio::test]
async fn the_time_that_is_left_shrinks_hop_by_hop() {
    let hour = Duration::from_hours(1);
    let (client, desk, middle) = (Caller::with_deadline(hour), Desk::new(), Caller::new());
    let callee = well().await;
    let middle_url = serve(&desk, &middle, &callee.url).await;
    client.call(&middle_url).await.unwrap();

    let (_, to_middle) = client.saw_one(Outcome::Ok, None);
    let sent = attribute(&to_middle, "nines.deadline.remaining_ms").unwrap();
    let server = desk.saw_one(Outcome::Ok, None);
    assert_eq!(
        attribute(&server, "nines.deadline.budget_ms").as_ref(),
        Some(&sent)
    );
    // Whole milliseconds, rounded down: less is left below, however fast the middle is.
    let (sent, below): (u64, u64) = (
        sent.parse().unwrap(),
        callee.header(header::DEADLINE_MS).unwrap().parse().unwrap(),
    );
    assert!(below < sent, "{below} of {sent}");
}

#[tokio::test]
async fn a_services_own_limit_is_passed_on_where_its_caller_sets_none() {
    let (client, desk, middle) = (Caller::new(), Desk::new(), Caller::new());
    desk.allow(Duration::from_mins(1));
    let callee = well().await;
    let middle_url = serve(&desk, &middle, &callee.url).await;
    client.call(&middle_url).await.unwrap();
    let left: u64 = callee.header(header::DEADLINE_MS).unwrap().parse().unwrap();
    assert!((1..60_000).contains(&left), "{left}");
}

/// What the caller of the middle is told when it asks for `path`.
async fn told(middle: &Caller, below: &Url, path: &str) -> Problem {
    let desk = Desk::new();
    let app = wrap(&desk, middle, below);
    let answer = problem(app.oneshot(get(path)).await.unwrap()).await;
    desk.saw_one(Outcome::Failed, answer.cause);
    answer
}

#[tokio::test]
async fn a_failure_below_is_told_with_the_hop_the_cause_and_what_ended_the_trying() {
    let (_kept, refusing) = nobody();
    let middle = Caller::new();
    let answer = told(&middle, &refusing, "/v1/ask").await;
    middle.saw_one(Outcome::Failed, Some(Cause::Refused));
    assert_eq!((answer.status, &*answer.code), (502, "upstream-failed"));
    assert_eq!(answer.hop.as_deref(), Some("auth"));
    assert_eq!(answer.cause, Some(Cause::Refused));
    assert_eq!(answer.stopped_by, Some(StoppedBy::Attempts));
    assert!(answer.retryable);
}

#[tokio::test]
async fn a_refusal_by_a_circuit_breaker_is_answered_as_one_and_not_as_the_failure_before_it() {
    let callee = Callee::start([Reply::silence()]).await;
    let mut middle = Caller::impatient();
    let settings = BreakerSettings {
        consecutive: Some(1),
        open: Duration::from_hours(1),
        max_open: Duration::from_hours(1),
        ..BreakerSettings::default()
    };
    middle.policy.breaker = Some(BreakerPolicy::new(settings).unwrap());
    let desk = Desk::new();
    let app = wrap(&desk, &middle, &callee.url);
    let mut codes = Vec::new();
    for _ in 0..2 {
        let answer = app.clone().oneshot(get("/v1/ask")).await.unwrap();
        let answer = problem(answer).await;
        assert_eq!(answer.cause, Some(Cause::Timeout));
        codes.push((answer.status, answer.code.to_string()));
    }
    let code = |status, code: &str| (status, code.to_owned());
    let expected = [code(504, "upstream-timeout"), code(503, "upstream-refused")];
    assert_eq!(codes, expected);
    let spans = desk.spans();
    let types: Vec<_> = spans.iter().map(|it| attribute(it, "error.type")).collect();
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(types, [word("timeout"), word("breaker_open")]);
}

#[tokio::test]
async fn a_time_out_below_is_told_as_one() {
    let callee = Callee::start([Reply::silence()]).await;
    let answer = told(&Caller::impatient(), &callee.url, "/v1/ask").await;
    assert_eq!((answer.status, &*answer.code), (504, "upstream-timeout"));
    assert_eq!(answer.cause, Some(Cause::Timeout));
}

#[tokio::test]
async fn what_the_callee_says_of_its_own_failure_is_told_unchanged() {
    for (retryable, cause, status) in [(true, "shed", 503), (false, "error", 502)] {
        let body = format!(
            r#"{{"type":"t","title":"T","status":503,"code":"c","hop":"database","cause":"{cause}","retryable":{retryable}}}"#
        );
        let callee = Callee::start([Reply::answer(503, "", &body)]).await;
        let answer = told(&Caller::new(), &callee.url, "/v1/ask").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.hop.as_deref(), Some("database"));
        assert_eq!(answer.cause.map(Cause::as_str), Some(cause));
        assert_eq!(answer.retryable, retryable);
    }
}

#[tokio::test]
async fn a_refusal_by_a_breaker_further_down_is_told_as_one_all_the_way_up() {
    let body = r#"{"type":"t","title":"T","status":502,"code":"c","hop":"database","cause":"refused","stopped_by":"breaker_open","retryable":false}"#;
    let callee = Callee::start([Reply::answer(502, "", body)]).await;
    let answer = told(&Caller::new(), &callee.url, "/v1/ask").await;
    assert_eq!(answer.stopped_by, Some(StoppedBy::BreakerOpen));
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_promised_is_not_worth_asking_for_again() {
    let middle = Caller::new();
    let answer = told(&middle, &well().await.url, "/v1/insist").await;
    // The exchange itself went well; what the handler makes of it is the request's failure.
    middle.saw_one(Outcome::Ok, None);
    assert_eq!(answer.cause, Some(Cause::Corrupt));
    assert_eq!(answer.stopped_by, Some(StoppedBy::NotRetryable));
    assert_eq!(answer.hop.as_deref(), Some("auth"));
    assert!(!answer.retryable);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_calls_made_for_it() {
    let (desk, middle) = (Desk::new(), Caller::new());
    let callee = Callee::start([Reply::silence()]).await;
    let request = wrap(&desk, &middle, &callee.url).oneshot(get("/v1/ask"));
    tokio::select! {
        answer = request => panic!("answered by silence: {answer:?}"),
        () = callee.hears(1) => {}
    }
    let server = desk.saw_one(Outcome::Failed, Some(Cause::Cancelled));
    let (call, _) = middle.saw_one(Outcome::Failed, Some(Cause::Cancelled));
    assert!(is_child(&call, &server));
    assert_eq!(middle.watch.spans(&SpanKind::Server).len(), 0);
}
