//! How calls end, and what is told and counted of it.

use crate::support::{Callee, Caller, Reply, attribute, nobody};
use chassis::CallError;
use opentelemetry::trace::Status;
use resilience::deadline::Deadline;
use serde::Deserialize;
use std::{pin::pin, time::Duration};
use tokio::time::Instant;
use types::{Cause, Outcome, StoppedBy};

/// An hour: a limit that no test can reach.
const AMPLE: Duration = Duration::from_hours(1);

fn ok(headers: &str) -> Reply {
    Reply::answer(200, headers, r#"{"active":true}"#)
}

fn ends(error: &CallError) -> (Cause, StoppedBy) {
    (error.cause, error.stopped_by)
}

#[tokio::test]
async fn an_answer_is_one_call_of_one_attempt() {
    let (gateway, auth) = (Caller::new(), Callee::start([ok("")]).await);
    let answer = gateway.ask(&auth).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.response().body(), r#"{"active":true}"#);
    let (call, attempt) = gateway.saw_one(Outcome::Ok, None);
    assert_eq!((&*call.name, &*attempt.name), ("auth.ask", "GET /v1/ask"));
    assert_eq!(
        (call.status, attempt.status),
        (Status::Unset, Status::Unset)
    );
}

#[tokio::test]
async fn a_client_over_its_limit_is_no_failure_of_the_service_that_refuses_it() {
    let refusal = Reply::answer(429, "retry-after: 7\r\n", "");
    let (gateway, auth) = (Caller::new(), Callee::start([refusal]).await);
    let error = gateway.ask(&auth).await.unwrap_err();
    assert_eq!(error.status.unwrap(), 429);
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    let (call, attempt) = gateway.saw_one(Outcome::Ok, None);
    assert_eq!(call.status, Status::Unset);
    assert_eq!(attribute(&call, "nines.call.stopped_by"), None);
    let status = attribute(&attempt, "http.response.status_code");
    assert_eq!(status.as_deref(), Some("429"));
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_refuses() {
    let gateway = Caller::new();
    let (_kept, url) = nobody();
    let error = gateway.call(&url).await.unwrap_err();
    assert_eq!(ends(&error), (Cause::Refused, StoppedBy::Attempts));
    assert_eq!((error.status, error.origin()), (None, "auth"));
    let (call, attempt) = gateway.saw_one(Outcome::Failed, Some(Cause::Refused));
    assert_eq!(
        attribute(&attempt, "error.type").as_deref(),
        Some("refused")
    );
    for span in [call, attempt] {
        assert_eq!(span.status, Status::error("refused"));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_complete_is_a_reset() {
    let half = Reply::half_an_answer();
    for reply in [
        Reply::Reset,
        Reply::SendAndClose(String::new()),
        Reply::SendAndClose("HTTP/1.1 200".to_owned()),
        Reply::SendAndClose(half),
    ] {
        let (gateway, auth) = (Caller::new(), Callee::start([reply.clone()]).await);
        let error = gateway.ask(&auth).await.unwrap_err();
        assert_eq!(
            ends(&error),
            (Cause::Reset, StoppedBy::Attempts),
            "{reply:?}"
        );
        let (call, _) = gateway.saw_one(Outcome::Failed, Some(Cause::Reset));
        let stopped_by = attribute(&call, "nines.call.stopped_by");
        assert_eq!(stopped_by.as_deref(), Some("attempts"));
        assert_eq!(auth.heard().len(), 1, "nothing is tried again in secret");
    }
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_a_reset_too_and_nothing_is_sent_twice() {
    let (gateway, auth) = (Caller::new(), Callee::start([ok(""), Reply::Reset]).await);
    let upstream = gateway.upstream("auth", &auth.url);
    let ask = || chassis::Call::get("auth.ask", "/v1/ask");
    upstream.call(&gateway.context, ask()).await.unwrap();
    let error = upstream.call(&gateway.context, ask()).await.unwrap_err();
    assert_eq!(error.cause, Cause::Reset);
    assert_eq!((auth.connections(), auth.heard().len()), (1, 2));
}

#[tokio::test]
async fn a_callee_that_does_not_answer_in_an_attempts_time_times_out() {
    let half = Reply::half_an_answer();
    for reply in [Reply::silence(), Reply::SendAndHang(half)] {
        let (gateway, auth) = (Caller::impatient(), Callee::start([reply]).await);
        let error = gateway.ask(&auth).await.unwrap_err();
        assert_eq!(ends(&error), (Cause::Timeout, StoppedBy::Attempts));
        gateway.saw_one(Outcome::Failed, Some(Cause::Timeout));
    }
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_has_no_other_limit() {
    let (mut gateway, auth) = (Caller::new(), Callee::start([Reply::silence()]).await);
    let upstream = gateway.upstream("auth", &auth.url);
    gateway.context.deadline = Deadline::after(Instant::now(), Duration::from_millis(80));
    let ask = chassis::Call::get("auth.ask", "/v1/ask");
    let error = upstream.call(&gateway.context, ask).await.unwrap_err();
    assert_eq!(ends(&error), (Cause::Timeout, StoppedBy::Deadline));
    let (call, _) = gateway.saw_one(Outcome::Failed, Some(Cause::Timeout));
    let stopped_by = attribute(&call, "nines.call.stopped_by");
    assert_eq!(stopped_by.as_deref(), Some("deadline"));
}

#[tokio::test]
async fn once_the_deadline_has_passed_no_attempt_is_made() {
    let auth = Callee::start([ok("")]).await;
    let late = Caller::with_deadline(Duration::ZERO);
    let error = late.ask(&auth).await.unwrap_err();
    assert_eq!(ends(&error), (Cause::Timeout, StoppedBy::Deadline));
    late.saw_a_call_without_attempts(Cause::Timeout);
    // The callee hears of a call in time, and of no other.
    Caller::with_deadline(AMPLE).ask(&auth).await.unwrap();
    assert_eq!((auth.connections(), auth.heard().len()), (1, 1));
}

#[tokio::test]
async fn a_failing_callee_passes_on_the_cause_and_the_hop_in_which_it_began() {
    let body = r#"{"type":"t","title":"T","status":502,"code":"upstream-failed",
        "hop":"database","cause":"refused","stopped_by":"attempts","retryable":true}"#;
    let auth = Callee::start([Reply::answer(502, "", body)]).await;
    let gateway = Caller::new();
    let error = gateway.ask(&auth).await.unwrap_err();
    assert_eq!(ends(&error), (Cause::Refused, StoppedBy::Attempts));
    assert_eq!((error.origin(), &*error.callee), ("database", "auth"));
    assert_eq!(error.status.map(|status| status.as_u16()), Some(502));
    assert_eq!(
        error.to_string(),
        "call to auth failed: refused, stopped by attempts; it originated in database"
    );
    let (_, attempt) = gateway.saw_one(Outcome::Failed, Some(Cause::Refused));
    assert_eq!(
        attribute(&attempt, "http.response.status_code").as_deref(),
        Some("502")
    );
    assert_eq!(attribute(&attempt, "error.type").as_deref(), Some("502"));
}

#[tokio::test]
async fn a_failing_callee_that_says_nothing_of_it_just_failed() {
    for body in ["", "oops", "{}"] {
        let (gateway, auth) = (
            Caller::new(),
            Callee::start([Reply::answer(500, "", body)]).await,
        );
        let error = gateway.ask(&auth).await.unwrap_err();
        assert_eq!((error.cause, error.origin()), (Cause::Error, "auth"));
        gateway.saw_one(Outcome::Failed, Some(Cause::Error));
    }
}

#[tokio::test]
async fn not_found_is_an_answer_although_conventions_mark_its_attempt_as_an_error() {
    let (gateway, auth) = (
        Caller::new(),
        Callee::start([Reply::answer(404, "", "")]).await,
    );
    assert_eq!(gateway.ask(&auth).await.unwrap().status(), 404);
    let (call, attempt) = gateway.saw_one(Outcome::Ok, None);
    assert_eq!(call.status, Status::Unset);
    assert_eq!(attempt.status, Status::error("404"));
    assert_eq!(attribute(&attempt, "error.type").as_deref(), Some("404"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Reply::answer(302, "location: /elsewhere\r\n", "");
    let (gateway, auth) = (Caller::new(), Callee::start([elsewhere]).await);
    assert_eq!(gateway.ask(&auth).await.unwrap().status(), 302);
    gateway.saw_one(Outcome::Ok, None);
    assert_eq!(auth.heard().len(), 1);
}

#[tokio::test]
async fn an_answer_marked_as_degraded_counts_as_degraded() {
    let (gateway, auth) = (
        Caller::new(),
        Callee::start([ok("nines-outcome: degraded\r\n")]).await,
    );
    gateway.ask(&auth).await.unwrap();
    let (call, attempt) = gateway.saw_one(Outcome::Degraded, None);
    assert_eq!(
        attribute(&attempt, "nines.outcome").as_deref(),
        Some("degraded")
    );
    assert_eq!(
        (call.status, attempt.status),
        (Status::Unset, Status::Unset)
    );
}

#[tokio::test]
async fn a_call_that_its_caller_drops_is_cancelled_and_counted_once() {
    let (gateway, auth) = (Caller::new(), Callee::start([Reply::silence()]).await);
    {
        let mut call = pin!(gateway.ask(&auth));
        tokio::select! {
            answer = &mut call => panic!("answered by silence: {answer:?}"),
            () = auth.hears(1) => {}
        }
    }
    gateway.saw_one(Outcome::Failed, Some(Cause::Cancelled));
}

#[tokio::test]
async fn a_call_that_was_never_begun_is_neither_a_span_nor_a_count() {
    let (gateway, auth) = (Caller::new(), Callee::start([ok("")]).await);
    drop(gateway.ask(&auth));
    assert_eq!(gateway.watch.count("nines_calls_total", &[]), 0);
    assert!(
        gateway
            .watch
            .spans(&opentelemetry::trace::SpanKind::Internal)
            .is_empty()
    );
}

#[tokio::test]
async fn an_answer_of_another_shape_than_promised_is_corrupt() {
    #[derive(Debug, Deserialize)]
    struct Promised {
        #[expect(dead_code, reason = "only its presence counts")]
        subject: String,
    }
    for reply in [
        ok(""),
        Reply::answer(200, "", "{"),
        Reply::answer(404, "", r#"{"subject":"s"}"#),
    ] {
        let (gateway, auth) = (Caller::new(), Callee::start([reply]).await);
        let answer = gateway.ask(&auth).await.unwrap();
        let error = answer.json::<Promised>().unwrap_err();
        assert_eq!(ends(&error), (Cause::Corrupt, StoppedBy::NotRetryable));
        assert_eq!(error.origin(), "auth");
        assert_eq!(error.status, Some(answer.status()));
    }
}
