//! Calls that are tried again: what the callee hears, what the spans say, who above may try.

use crate::support::{Callee, Caller, Reply, attribute};
use chassis::Call;
use http::Method;
use opentelemetry::trace::SpanKind;
use resilience::retry::{BudgetSettings, RetryPolicy, RetrySettings};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use types::{Cause, Outcome, StoppedBy};

const MS: Duration = Duration::from_millis(1);

/// A caller that tries twice again, after next to no pause.
fn persistent(change: impl FnOnce(&mut RetrySettings)) -> Caller {
    let mut settings = RetrySettings {
        backoff: MS,
        ..RetrySettings::default()
    };
    change(&mut settings);
    let mut caller = Caller::new();
    caller.policy.retry = Some(RetryPolicy::new(settings).unwrap());
    caller
}

fn ok() -> Reply {
    Reply::answer(200, "", "{}")
}

/// An answer of the service `hop` that it failed.
fn failure(hop: &str, retryable: bool) -> Reply {
    let body = format!(
        r#"{{"type":"t","title":"T","status":502,"code":"c","hop":"{hop}","cause":"error","retryable":{retryable}}}"#
    );
    Reply::answer(502, "", &body)
}

#[tokio::test]
async fn each_attempt_has_a_span_that_says_which_resend_it_is() {
    let gateway = persistent(|_| ());
    let auth = Callee::start([Reply::Reset, failure("auth", true), ok()]).await;
    gateway.ask(&auth).await.unwrap();
    let call = gateway.only_call(Outcome::Ok, None);
    assert_eq!(attribute(&call, "nines.call.attempts").unwrap(), "3");
    let scheduled = call
        .events
        .iter()
        .filter(|event| event.name == "retry.scheduled");
    assert_eq!(scheduled.count(), 2);
    let attempts = gateway.watch.spans(&SpanKind::Client);
    let said = |name| -> Vec<_> { attempts.iter().map(|span| attribute(span, name)).collect() };
    let words = |words: [Option<&str>; 3]| words.map(|word| word.map(str::to_owned));
    assert_eq!(
        said("http.request.resend_count"),
        words([None, Some("1"), Some("2")])
    );
    assert_eq!(
        said("nines.cause"),
        words([Some("reset"), Some("error"), None])
    );
    for attempt in &attempts {
        assert_eq!(attempt.parent_span_id, call.span_context.span_id());
    }
    let count = |labels: &[_]| gateway.watch.count("nines_attempts_total", labels);
    assert_eq!((count(&[]), count(&[("outcome", "failed")])), (3, 2));
}

#[tokio::test]
async fn the_callee_can_tell_the_attempts_apart() {
    let gateway = persistent(|_| ());
    let auth = Callee::start([Reply::Reset, ok()]).await;
    gateway.ask(&auth).await.unwrap();
    let heard = auth.heard();
    assert!(heard[0].contains("nines-attempt: auth:0\r\n"), "{heard:?}");
    assert!(heard[1].contains("nines-attempt: auth:1\r\n"), "{heard:?}");
}

#[tokio::test]
async fn a_call_that_fails_for_good_says_what_ended_the_trying() {
    let gateway = persistent(|_| ());
    let auth = Callee::start([Reply::Reset]).await;
    let error = gateway.ask(&auth).await.unwrap_err();
    assert_eq!(
        (error.cause, error.stopped_by),
        (Cause::Reset, StoppedBy::Attempts)
    );
    assert_eq!(auth.heard().len(), 3);
    let call = gateway.only_call(Outcome::Failed, Some(Cause::Reset));
    assert_eq!(
        attribute(&call, "nines.call.stopped_by").unwrap(),
        "attempts"
    );
    let stopped = [("stopped_by", "attempts"), ("outcome", "failed")];
    assert_eq!(gateway.watch.count("nines_calls_total", &stopped), 1);
}

#[tokio::test]
async fn a_failure_from_further_down_is_tried_again_by_nobody_but_its_own_caller() {
    let from_below = || [failure("database", false), ok()];
    let (local, auth) = (persistent(|_| ()), Callee::start(from_below()).await);
    let error = local.ask(&auth).await.unwrap_err();
    assert_eq!(error.stopped_by, StoppedBy::NotRetryable);
    assert_eq!((error.origin(), auth.heard().len()), ("database", 1));

    let (all, auth) = (
        persistent(|settings| settings.propagated = true),
        Callee::start(from_below()).await,
    );
    all.ask(&auth).await.unwrap();
    assert_eq!(auth.heard().len(), 2);
}

#[tokio::test]
async fn a_caller_that_has_tried_tells_those_above_that_they_need_not() {
    for (caller, settled) in [(persistent(|_| ()), true), (Caller::new(), false)] {
        let auth = Callee::start([Reply::Reset]).await;
        let error = caller.ask(&auth).await.unwrap_err();
        let problem = chassis::Refusal::from(error).0;
        assert_eq!(problem.retryable, !settled);
    }
}

#[tokio::test]
async fn an_empty_budget_ends_the_trying_and_says_so() {
    let gateway = persistent(|settings| {
        settings.budget = Some(BudgetSettings {
            ratio: 0.0,
            floor: 0.0,
            capacity: 1,
        });
    });
    let callee = Callee::start([Reply::Reset]).await;
    let auth = gateway.upstream("auth", &callee.url);
    let left = |peer| gateway.watch.count("nines_retry_budget", &[("peer", peer)]);
    let _other = gateway.upstream("profile", &callee.url);
    assert_eq!((left("auth"), left("profile")), (1, 1));
    let ask = Call::get("auth.ask", "/v1/ask");
    let error = auth.call(&gateway.context, ask).await.unwrap_err();
    assert_eq!(
        (error.stopped_by, callee.heard().len()),
        (StoppedBy::Budget, 2)
    );
    assert_eq!((left("auth"), left("profile")), (0, 1));
    let call = gateway.only_call(Outcome::Failed, Some(Cause::Reset));
    assert_eq!(attribute(&call, "nines.call.stopped_by").unwrap(), "budget");
}

#[tokio::test]
async fn a_post_is_repeated_only_where_the_call_says_it_may_be() {
    for (call, heard) in [
        (Call::post("auth.login", "/v1/login"), 1),
        (
            Call::post("auth.introspect", "/v1/introspect").repeatable(),
            2,
        ),
        (
            Call::new("auth.patch", Method::PATCH, "/").header("idempotency-key", "k"),
            2,
        ),
    ] {
        let (gateway, auth) = (
            persistent(|_| ()),
            Callee::start([Reply::Reset, ok()]).await,
        );
        let _ = gateway
            .upstream("auth", &auth.url)
            .call(&gateway.context, call)
            .await;
        assert_eq!(auth.heard().len(), heard);
    }
}

#[tokio::test]
async fn the_deadline_bounds_all_attempts_and_no_retry_begins_that_can_not_fit() {
    let mut gateway = persistent(|settings| settings.retries = 10);
    gateway.policy.attempt_timeout = Some(40 * MS);
    let auth = Callee::start([Reply::silence()]).await;
    gateway.context.deadline = resilience::deadline::Deadline::after(Instant::now(), 100 * MS);
    let error = gateway.ask(&auth).await.unwrap_err();
    assert_eq!(
        (error.cause, error.stopped_by),
        (Cause::Timeout, StoppedBy::Deadline)
    );
    let attempts = gateway.watch.spans(&SpanKind::Client);
    assert!((..=3).contains(&attempts.len()), "{attempts:#?}");
    for attempt in attempts {
        assert_eq!(attribute(&attempt, "nines.cause").unwrap(), "timeout");
    }
}

#[tokio::test]
async fn patience_bounds_all_attempts_and_is_nobody_elses_business() {
    let gateway = persistent(|_| ());
    let auth = Callee::start([Reply::silence()]).await;
    let call = Call::get("auth.ask", "/v1/ask").patience(50 * MS);
    let error = gateway
        .upstream("auth", &auth.url)
        .call(&gateway.context, call)
        .await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.cause, error.stopped_by),
        (Cause::Timeout, StoppedBy::Deadline)
    );
    assert_eq!(auth.header("nines-deadline-ms"), None);
}

#[tokio::test]
async fn a_callee_that_is_too_busy_is_asked_again_when_it_says_so() {
    let busy = Reply::answer(503, "retry-after: 0\r\n", "");
    let (gateway, auth) = (persistent(|_| ()), Callee::start([busy, ok()]).await);
    gateway.ask(&auth).await.unwrap();
    let attempts = gateway.watch.spans(&SpanKind::Client);
    assert_eq!(attribute(&attempts[0], "nines.cause").unwrap(), "shed");
}

#[tokio::test]
async fn too_many_requests_is_a_failure_that_names_its_time_in_seconds_or_as_a_date() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    for (header, least) in [("3600", 3600), (&*date, 3500), ("soon", 0)] {
        let reply = Reply::answer(429, &format!("retry-after: {header}\r\n"), "");
        let auth = Callee::start([reply]).await;
        let error = persistent(|_| ()).ask(&auth).await.unwrap_err();
        assert_eq!(error.status.unwrap(), 429);
        assert_eq!(error.cause, Cause::Shed);
        let asked = error.retry_after.unwrap_or_default();
        assert!(asked >= Duration::from_secs(least), "{header}: {asked:?}");
        let ended = if least > 0 {
            StoppedBy::NotRetryable
        } else {
            StoppedBy::Attempts
        };
        assert_eq!(error.stopped_by, ended, "{header}");
    }
}

#[tokio::test]
async fn a_call_given_up_while_it_pauses_is_one_call_with_the_attempts_it_made() {
    let gateway = persistent(|settings| {
        settings.backoff = Duration::from_hours(1);
        settings.max_backoff = Duration::from_hours(1);
    });
    let auth = Callee::start([Reply::Reset]).await;
    tokio::select! {
        answer = gateway.ask(&auth) => panic!("answered: {answer:?}"),
        () = async {
            while gateway.watch.spans(&SpanKind::Client).is_empty() {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let call = gateway.only_call(Outcome::Failed, Some(Cause::Cancelled));
    assert_eq!(attribute(&call, "nines.call.attempts").unwrap(), "1");
}
