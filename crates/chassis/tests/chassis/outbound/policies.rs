//! Policies that are replaced while calls are made.

use crate::support::{Callee, Caller, Reply};
use chassis::{Call, CallError, Policy, PolicyControl, Upstream, outbound, outbound::Outbound};
use resilience::{
    circuit_breaker::{BreakerPolicy, BreakerSettings},
    retry::{BudgetSettings, RetryPolicy, RetrySettings},
};
use std::time::Duration;
use testkit::HeldClock;
use types::StoppedBy;

/// How often the policy is replaced while calls are under way.
const SWAPS: u32 = 400;
/// How many calls are made at once, and how many in all.
const LANES: u64 = 16;
const CALLS: u64 = 2_000;

fn ok() -> Reply {
    Reply::answer(200, "", "{}")
}

fn broken() -> Reply {
    Reply::answer(500, "", "")
}

/// A retry that pauses for as short as can be.
fn retry(retries: u32) -> RetryPolicy {
    let pause = Duration::from_millis(1);
    RetryPolicy::new(RetrySettings {
        retries,
        backoff: pause,
        max_backoff: pause,
        budget: Some(BudgetSettings {
            ratio: 0.0,
            floor: 0.0,
            capacity: 4,
        }),
        ..RetrySettings::default()
    })
    .unwrap()
}

/// A breaker that opens at the failure number `consecutive` and stays open.
fn breaker(consecutive: u32) -> BreakerPolicy {
    let hour = Duration::from_hours(1);
    BreakerPolicy::new(BreakerSettings {
        consecutive: Some(consecutive),
        open: hour,
        max_open: hour,
        jitter: 0.0,
        ..BreakerSettings::default()
    })
    .unwrap()
}

/// `callee`, called by `caller` under a policy that can be replaced.
fn upstream(gateway: &Caller, callee: &Callee) -> (Upstream, PolicyControl) {
    let policy = PolicyControl::default();
    let upstream = Upstream::new(&Outbound {
        callee: "auth".into(),
        replicas: [callee.url.clone()].into(),
        tracer: gateway.watch.tracer(),
        instruments: gateway.watch.instruments.clone(),
        client: outbound::client().unwrap(),
        policy: policy.clone(),
    });
    (upstream, policy)
}

async fn ask(gateway: &Caller, auth: &Upstream) -> Result<(), CallError> {
    let call = Call::get("auth.ask", "/v1/ask");
    auth.call(&gateway.context, call).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_the_policy_is_replaced_hundreds_of_times() {
    let gateway = Caller::new();
    let callee = Callee::start([ok()]).await;
    let (auth, policy) = upstream(&gateway, &callee);
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        let (auth, context) = (auth.clone(), gateway.context.clone());
        lanes.spawn(async move {
            let mut answered = 0;
            for _ in 0..CALLS / LANES {
                let call = Call::get("auth.ask", "/v1/ask");
                auth.call(&context, call).await.unwrap();
                answered += 1;
            }
            answered
        });
    }
    for swap in 0..SWAPS {
        policy.set(Policy {
            attempt_timeout: Some(Duration::from_secs(30 + u64::from(swap))),
            retry: (swap % 2 == 0).then(|| retry(1 + swap % 3)),
            breaker: (swap % 3 == 0).then(|| breaker(1 + swap % 5)),
            ..Policy::default()
        });
        tokio::task::yield_now().await;
    }
    let answered: u64 = lanes.join_all().await.into_iter().sum();
    assert_eq!(answered, CALLS);
    assert_eq!(callee.heard().len() as u64, CALLS);
    let labels = [("outcome", "ok"), ("peer", "auth")];
    let counted = gateway.watch.count("nines_calls_total", &labels);
    assert_eq!(counted.unsigned_abs(), CALLS);
}

#[tokio::test]
async fn the_next_call_has_the_new_policy() {
    let gateway = Caller::new();
    let callee = Callee::start([broken()]).await;
    let (auth, policy) = upstream(&gateway, &callee);
    let error = ask(&gateway, &auth).await.unwrap_err();
    assert!(!error.settled, "nobody tries again here yet");
    assert_eq!(callee.heard().len(), 1);
    policy.set(Policy {
        retry: Some(retry(2)),
        ..Policy::default()
    });
    let error = ask(&gateway, &auth).await.unwrap_err();
    assert!(error.settled, "it was tried again here");
    assert_eq!(callee.heard().len(), 1 + 3);
    policy.set(Policy::default());
    assert!(!ask(&gateway, &auth).await.unwrap_err().settled);
    assert_eq!(callee.heard().len(), 1 + 3 + 1);
}

#[tokio::test]
async fn a_call_keeps_the_policy_it_began_with() {
    let gateway = Caller::new();
    let callee = Callee::start([Reply::silence()]).await;
    let (auth, policy) = upstream(&gateway, &callee);
    let clock = HeldClock::hold();
    let patience = Duration::from_millis(300);
    let limit = Duration::from_millis(1);
    let under_way = async {
        let call = Call::get("auth.ask", "/v1/ask").patience(patience);
        auth.call(&gateway.context, call).await.unwrap_err()
    };
    let replace = async {
        callee.hears(1).await;
        policy.set(Policy {
            attempt_timeout: Some(limit),
            ..Policy::default()
        });
        let call = Call::get("auth.ask", "/v1/ask").patience(Duration::from_secs(30));
        let time = async {
            callee.hears(2).await;
            clock.advance(limit).await;
        };
        let (answer, ()) = tokio::join!(auth.call(&gateway.context, call), time);
        let error = answer.unwrap_err();
        assert_eq!(error.stopped_by, StoppedBy::Attempts, "the new limit");
        clock.advance(patience).await;
    };
    let (error, ()) = tokio::join!(under_way, replace);
    assert_eq!(error.stopped_by, StoppedBy::Deadline, "its own patience");
}

#[tokio::test]
async fn what_did_not_change_keeps_what_it_knows() {
    let gateway = Caller::new();
    let callee = Callee::start([broken()]).await;
    let (auth, policy) = upstream(&gateway, &callee);
    let guarded = Policy {
        retry: Some(retry(1)),
        breaker: Some(breaker(4)),
        ..Policy::default()
    };
    policy.set(guarded);
    // Two calls of two attempts each: the budget of four has two left, the breaker is open.
    for _ in 0..2 {
        ask(&gateway, &auth).await.unwrap_err();
    }
    let budget = |left| {
        gateway
            .watch
            .count("nines_retry_budget", &[("peer", "auth")])
            == left
    };
    let state = || {
        gateway
            .watch
            .count("nines_breaker_state", &[("peer", "auth")])
    };
    assert!(budget(2) && state() == 2);
    policy.set(Policy {
        attempt_timeout: Some(Duration::from_secs(5)),
        ..guarded
    });
    let error = ask(&gateway, &auth).await.unwrap_err();
    assert_eq!(error.stopped_by, StoppedBy::BreakerOpen);
    assert_eq!(callee.heard().len(), 4);
    assert!(budget(2) && state() == 2);
    policy.set(Policy {
        breaker: Some(breaker(3)),
        ..guarded
    });
    ask(&gateway, &auth).await.unwrap_err();
    assert_eq!(callee.heard().len(), 6, "a new breaker is closed");
    assert!(budget(1) && state() == 0);
    policy.set(Policy::default());
    for metric in ["nines_retry_budget", "nines_breaker_state"] {
        assert!(
            !gateway.watch.metrics().contains(metric),
            "{metric} is gone before the next call"
        );
    }
}
