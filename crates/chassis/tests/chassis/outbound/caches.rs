//! Calls whose answers are used again.

use crate::support::{Callee, Caller, Reply, attribute};
use chassis::{Answer, Call, CallError};
use opentelemetry::trace::SpanKind;
use resilience::cache::{CachePolicy, CacheSettings};
use std::time::Duration;
use testkit::HeldClock;
use types::Outcome;

/// A caller that remembers answers: fresh for so many milliseconds, and then to stand in for
/// a failure.
fn remembering(fresh_ms: u64) -> Caller {
    let settings = CacheSettings {
        fresh: Duration::from_millis(fresh_ms),
        stale: Some(Duration::from_hours(1)),
        ..CacheSettings::default()
    };
    let mut caller = Caller::new();
    caller.policy.cache = Some(CachePolicy::new(settings).unwrap());
    caller
}

const LONG: u64 = 3_600_000;

fn ok(body: &str) -> Reply {
    Reply::answer(200, "", body)
}

struct Asking {
    gateway: Caller,
    callee: Callee,
    upstream: chassis::Upstream,
}

impl Asking {
    async fn start(fresh_ms: u64, replies: impl Into<Vec<Reply>>) -> Self {
        let gateway = remembering(fresh_ms);
        let callee = Callee::start(replies).await;
        let upstream = gateway.upstream("auth", &callee.url);
        Self {
            gateway,
            callee,
            upstream,
        }
    }

    async fn ask(&self) -> Result<Answer, CallError> {
        let call = Call::get("auth.ask", "/v1/ask").cacheable();
        self.upstream.call(&self.gateway.context, call).await
    }
}

#[tokio::test]
async fn a_fresh_answer_is_used_again_and_the_span_says_so() {
    let auth = Asking::start(LONG, [ok("1"), ok("2")]).await;
    for _ in 0..3 {
        let answer = auth.ask().await.unwrap();
        assert_eq!(
            (&answer.response().body()[..], answer.outcome()),
            (&b"1"[..], Outcome::Ok)
        );
    }
    assert_eq!(auth.callee.heard().len(), 1);
    let calls = auth.gateway.watch.spans(&SpanKind::Internal);
    let found: Vec<_> = calls
        .iter()
        .filter_map(|call| attribute(call, "nines.cache.found"))
        .collect();
    assert_eq!(found, ["none", "fresh", "fresh"]);
    let count = |found| {
        let labels = [("peer", "auth"), ("found", found)];
        auth.gateway
            .watch
            .count("nines_cache_lookups_total", &labels)
    };
    assert_eq!((count("none"), count("fresh")), (1, 2));
}

#[tokio::test]
async fn an_old_answer_stands_in_for_a_failure_marked_and_with_its_age() {
    let clock = HeldClock::hold();
    let auth = Asking::start(1, [ok("1"), Reply::answer(500, "", "")]).await;
    auth.ask().await.unwrap();
    clock.advance(Duration::from_millis(5)).await;
    let answer = auth.ask().await.unwrap();
    assert_eq!(&answer.response().body()[..], b"1");
    assert_eq!(answer.outcome(), Outcome::Degraded);
    let age = answer.response().headers()["age"].to_str().unwrap();
    assert!(age.parse::<u64>().is_ok(), "{age}");
    let calls = auth.gateway.watch.spans(&SpanKind::Internal);
    let outcome = attribute(&calls[1], "nines.call.outcome");
    assert_eq!(outcome.as_deref(), Some("degraded"));
    assert!(attribute(&calls[1], "nines.cache.age_ms").is_some());
}

#[tokio::test]
async fn a_denial_is_told_and_takes_away_what_was_kept() {
    let clock = HeldClock::hold();
    for status in [401, 403, 404] {
        let denial = Reply::answer(status, "", "");
        let auth = Asking::start(1, [ok("1"), denial, Reply::answer(500, "", "")]).await;
        auth.ask().await.unwrap();
        clock.advance(Duration::from_millis(5)).await;
        assert_eq!(auth.ask().await.unwrap().status(), status);
        assert!(auth.ask().await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn what_is_incomplete_is_not_kept() {
    let degraded = Reply::answer(200, "nines-outcome: degraded\r\n", "half");
    let auth = Asking::start(LONG, [degraded, ok("whole")]).await;
    assert_eq!(auth.ask().await.unwrap().outcome(), Outcome::Degraded);
    assert_eq!(auth.ask().await.unwrap().outcome(), Outcome::Ok);
    assert_eq!(auth.callee.heard().len(), 2);
}

#[tokio::test]
async fn a_call_that_does_not_say_that_it_may_is_never_answered_from_the_cache() {
    let auth = Asking::start(LONG, [ok("1"), ok("2")]).await;
    for _ in 0..2 {
        let call = Call::get("auth.ask", "/v1/ask");
        auth.upstream
            .call(&auth.gateway.context, call)
            .await
            .unwrap();
    }
    assert_eq!(auth.callee.heard().len(), 2);
}
