//! Calls that ask a second replica where the first is slow.

use crate::support::{Callee, Caller, Reply, attribute};
use chassis::Call;
use http::Method;
use opentelemetry::trace::SpanKind;
use resilience::{
    hedge::{HedgePolicy, HedgeSettings},
    retry::BudgetSettings,
};
use std::time::Duration;
use types::{Cause, Outcome};

/// A caller that asks once more after 10 ms, `capacity` times at most.
fn hedging(capacity: u32) -> Caller {
    let settings = HedgeSettings {
        delay: Duration::from_millis(10),
        budget: BudgetSettings {
            ratio: 0.0,
            floor: 0.0,
            capacity,
        },
        ..HedgeSettings::default()
    };
    let mut caller = Caller::new();
    caller.policy.hedge = Some(HedgePolicy::new(settings).unwrap());
    caller
}

/// The same, which gives an attempt a time in which nothing will answer: long enough for whatever
/// is sent to be heard.
fn impatient(capacity: u32) -> Caller {
    let mut caller = hedging(capacity);
    caller.policy.attempt_timeout = Some(Duration::from_millis(300));
    caller
}

fn ok() -> Reply {
    Reply::answer(200, "", "{}")
}

#[tokio::test]
async fn the_second_answer_serves_where_the_first_does_not_come_and_both_have_their_spans() {
    let gateway = hedging(1);
    let auth = Callee::start([Reply::silence(), ok()]).await;
    gateway.ask(&auth).await.unwrap();
    let call = gateway.only_call(Outcome::Ok, None);
    assert_eq!(attribute(&call, "nines.call.attempts").unwrap(), "2");
    let hedges = call
        .events
        .iter()
        .filter(|event| event.name == "hedge.sent");
    assert_eq!(hedges.count(), 1);
    let attempts = gateway.watch.spans(&SpanKind::Client);
    let cause = |span| attribute(span, "nines.cause");
    let causes: Vec<_> = attempts.iter().map(cause).collect();
    assert!(causes.contains(&Some("cancelled".to_owned())), "{causes:?}");
    assert!(causes.contains(&None), "{causes:?}");
    // The callee can tell them apart, so that faults strike each for itself.
    assert!(auth.heard()[1].contains("nines-attempt: auth:1\r\n"));
}

#[tokio::test]
async fn once_the_budget_is_spent_there_is_no_second_request() {
    let gateway = impatient(1);
    let auth = Callee::start([Reply::silence()]).await;
    let upstream = gateway.upstream("auth", &auth.url);
    for heard in [2, 3, 4] {
        let call = Call::get("auth.ask", "/v1/ask");
        let error = upstream.call(&gateway.context, call).await.unwrap_err();
        assert_eq!((error.cause, auth.heard().len()), (Cause::Timeout, heard));
    }
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_not_sent_twice() {
    let gateway = impatient(5);
    let auth = Callee::start([Reply::silence(), ok()]).await;
    let call = Call::new("auth.do", Method::POST, "/v1/do");
    let upstream = gateway.upstream("auth", &auth.url);
    assert!(upstream.call(&gateway.context, call).await.is_err());
    assert_eq!(auth.heard().len(), 1);
}
