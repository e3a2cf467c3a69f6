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
use testkit::HeldClock;
use types::{Cause, Outcome};

const DELAY: Duration = Duration::from_millis(10);
/// The time of an attempt, in which nothing will answer.
const TIME: Duration = Duration::from_millis(300);

/// A caller that asks once more after [`DELAY`], `capacity` times at most.
fn hedging(capacity: u32) -> Caller {
    let settings = HedgeSettings {
        delay: DELAY,
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

/// The same, which gives an attempt [`TIME`].
fn impatient(capacity: u32) -> Caller {
    let mut caller = hedging(capacity);
    caller.policy.attempt_timeout = Some(TIME);
    caller
}

fn ok() -> Reply {
    Reply::answer(200, "", "{}")
}

#[tokio::test]
async fn the_second_answer_serves_where_the_first_does_not_come_and_both_have_their_spans() {
    let gateway = hedging(1);
    let auth = Callee::start([Reply::silence(), ok()]).await;
    let clock = HeldClock::hold();
    let second_is_due = async {
        auth.hears(1).await;
        clock.advance(DELAY).await;
    };
    let (answer, ()) = tokio::join!(gateway.ask(&auth), second_is_due);
    answer.unwrap();
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

/// The time of one call: a second request is due once the callee has heard `first`, and each has
/// its whole time once it has heard `last`.
async fn passes(clock: &HeldClock, callee: &Callee, first: usize, last: usize) {
    callee.hears(first).await;
    clock.advance(DELAY).await;
    callee.hears(last).await;
    clock.advance(TIME).await;
}

#[tokio::test]
async fn once_the_budget_is_spent_there_is_no_second_request() {
    let gateway = impatient(1);
    let auth = Callee::start([Reply::silence()]).await;
    let upstream = gateway.upstream("auth", &auth.url);
    let clock = HeldClock::hold();
    for (first, heard) in [(1, 2), (3, 3), (4, 4)] {
        let call = Call::get("auth.ask", "/v1/ask");
        let asked = upstream.call(&gateway.context, call);
        let (answer, ()) = tokio::join!(asked, passes(&clock, &auth, first, heard));
        let cause = answer.unwrap_err().cause;
        assert_eq!((cause, auth.heard().len()), (Cause::Timeout, heard));
    }
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_not_sent_twice() {
    let gateway = impatient(5);
    let auth = Callee::start([Reply::silence(), ok()]).await;
    let call = Call::new("auth.do", Method::POST, "/v1/do");
    let upstream = gateway.upstream("auth", &auth.url);
    let clock = HeldClock::hold();
    let asked = upstream.call(&gateway.context, call);
    let (answer, ()) = tokio::join!(asked, passes(&clock, &auth, 1, 1));
    assert!(answer.is_err());
    assert_eq!(auth.heard().len(), 1);
}
