//! Calls to a callee with several replicas: where they go, and where not.

use crate::support::{Callee, Caller, Reply, attribute, nobody};
use chassis::{
    Call, CallError, PolicyControl, Upstream,
    outbound::{self, Outbound},
};
use opentelemetry::trace::SpanKind;
use resilience::{
    balance::{BalancePolicy, BalanceSettings, CheckSettings, EjectSettings, Pick, RetryTo},
    bulkhead::{LimitPolicy, LimitSettings},
    circuit_breaker::{BreakerPolicy, BreakerSettings},
    deadline::Deadline,
    retry::{RetryPolicy, RetrySettings},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;
use types::{Cause, StoppedBy};
use url::Url;

const MS: Duration = Duration::from_millis(1);
/// Longer than any answer takes on a busy machine.
const AMPLE: Duration = Duration::from_mins(1);

fn ok() -> Reply {
    Reply::answer(200, "", "{}")
}

fn broken() -> Reply {
    Reply::answer(500, "", "")
}

/// A caller that tries once more, and spreads its calls as `change` says.
fn balanced(change: impl FnOnce(&mut BalanceSettings)) -> Caller {
    let mut settings = BalanceSettings::default();
    change(&mut settings);
    let retry = RetrySettings {
        retries: 1,
        backoff: MS,
        max_backoff: MS,
        budget: None,
        ..RetrySettings::default()
    };
    let mut caller = Caller::new();
    caller.policy.balance = Some(BalancePolicy::new(settings).unwrap());
    caller.policy.retry = Some(RetryPolicy::new(retry).unwrap());
    caller
}

async fn ask(gateway: &Caller, auth: &Upstream) -> Result<(), CallError> {
    let call = Call::get("auth.ask", "/v1/ask");
    auth.call(&gateway.context, call).await.map(drop)
}

/// Waits for `what`, and not for ever.
async fn until(what: impl AsyncFn() -> bool) {
    let waiting = async {
        while !what().await {
            tokio::time::sleep(MS).await;
        }
    };
    let came = tokio::time::timeout(AMPLE, waiting).await;
    assert!(came.is_ok(), "it never came");
}

fn urls(callees: &[&Callee]) -> Vec<Url> {
    callees.iter().map(|callee| callee.url.clone()).collect()
}

#[tokio::test]
async fn a_retry_goes_to_another_replica_and_the_spans_say_which() {
    let gateway = balanced(|settings| settings.eject = None);
    let (sick, well) = (Callee::start([broken()]).await, Callee::start([ok()]).await);
    let auth = gateway.upstream_at("auth", &urls(&[&sick, &well]));
    for _ in 0..20 {
        ask(&gateway, &auth).await.unwrap();
    }
    assert!(!sick.heard().is_empty());
    assert_eq!(well.heard().len(), 20);
    let attempts = gateway.watch.spans(&SpanKind::Client);
    let replica = |span| attribute(span, "nines.replica").unwrap();
    let named: BTreeSet<_> = attempts.iter().map(replica).collect();
    let urls = urls(&[&sick, &well]);
    assert_eq!(
        named,
        urls.iter().map(|url| url.authority().to_owned()).collect()
    );
}

#[tokio::test]
async fn a_retry_on_the_same_replica_helps_nobody_who_is_there() {
    let gateway = balanced(|settings| {
        (settings.retry, settings.eject) = (RetryTo::Same, None);
        settings.pick = Pick::Random;
    });
    let (sick, well) = (Callee::start([broken()]).await, Callee::start([ok()]).await);
    let auth = gateway.upstream_at("auth", &urls(&[&sick, &well]));
    let mut lost = 0;
    for _ in 0..60 {
        lost += usize::from(ask(&gateway, &auth).await.is_err());
    }
    assert_eq!(sick.heard().len(), 2 * lost);
    // All on one side of 60 tosses: once in 10^17.
    assert!((1..60).contains(&lost), "{lost}");
}

#[tokio::test]
async fn a_replica_that_keeps_failing_is_ejected_and_that_is_seen() {
    let gateway = balanced(|settings| {
        settings.pick = Pick::Random;
        settings.eject = Some(EjectSettings {
            consecutive: 3,
            ..EjectSettings::default()
        });
    });
    let (sick, well) = (Callee::start([broken()]).await, Callee::start([ok()]).await);
    let auth = gateway.upstream_at("auth", &urls(&[&sick, &well]));
    for _ in 0..200 {
        ask(&gateway, &auth).await.unwrap();
    }
    assert_eq!(sick.heard().len(), 3);
    let peer = [("peer", "auth")];
    assert_eq!(
        gateway.watch.count("nines_replica_ejections_total", &peer),
        1
    );
    let calls = gateway.watch.spans(&SpanKind::Internal);
    let events = calls.iter().flat_map(|call| call.events.iter());
    let ejected = events.filter(|event| event.name == "replica.ejected");
    assert_eq!(ejected.count(), 1);
}

#[tokio::test]
async fn a_replica_counts_as_left_out_while_it_is_ejected_and_no_longer() {
    let (sick, well) = (Callee::start([broken()]).await, Callee::start([ok()]).await);
    let ejecting = |time| {
        balanced(|settings| {
            settings.pick = Pick::Random;
            settings.eject = Some(EjectSettings {
                consecutive: 1,
                time,
                max_time: time,
                ..EjectSettings::default()
            });
        })
    };
    let left_out = |gateway: &Caller| gateway.watch.count("nines_replicas_left_out", &[]);
    let calls_until_ejected = async |gateway: &Caller, auth: &Upstream| {
        until(async || {
            ask(gateway, auth).await.unwrap();
            gateway.watch.count("nines_replica_ejections_total", &[]) == 1
        })
        .await;
    };
    let gateway = ejecting(AMPLE);
    let auth = gateway.upstream_at("auth", &urls(&[&sick, &well]));
    assert_eq!(left_out(&gateway), 0);
    calls_until_ejected(&gateway, &auth).await;
    assert_eq!(left_out(&gateway), 1);
    let gateway = ejecting(MS);
    let auth = gateway.upstream_at("auth", &urls(&[&sick, &well]));
    calls_until_ejected(&gateway, &auth).await;
    until(async || left_out(&gateway) == 0).await;
}

#[tokio::test]
async fn never_all_replicas_are_ejected() {
    let gateway = balanced(|settings| {
        settings.eject = Some(EjectSettings {
            consecutive: 1,
            ..EjectSettings::default()
        });
    });
    let both = [
        Callee::start([broken()]).await,
        Callee::start([broken()]).await,
    ];
    let auth = gateway.upstream_at("auth", &urls(&[&both[0], &both[1]]));
    for _ in 0..50 {
        let error = ask(&gateway, &auth).await.unwrap_err();
        assert_eq!(
            (error.cause, error.stopped_by),
            (Cause::Error, StoppedBy::Attempts)
        );
    }
}

#[tokio::test]
async fn the_breaker_of_one_replica_leaves_the_other_open_to_calls() {
    let mut gateway = balanced(|settings| {
        (settings.pick, settings.eject) = (Pick::Random, None);
    });
    gateway.policy.breaker = Some(breaker(2));
    let (sick, well) = (Callee::start([broken()]).await, Callee::start([ok()]).await);
    let auth = gateway.upstream_at("auth", &urls(&[&sick, &well]));
    for _ in 0..100 {
        ask(&gateway, &auth).await.unwrap();
    }
    assert_eq!(sick.heard().len(), 2);
    let open = [("replica", sick.url.authority())];
    assert_eq!(gateway.watch.count("nines_breaker_state", &open), 2);
    let closed = [("replica", well.url.authority())];
    assert_eq!(gateway.watch.count("nines_breaker_state", &closed), 0);
}

#[tokio::test]
async fn a_breaker_before_all_replicas_cuts_off_the_healthy_with_the_sick() {
    let mut gateway = balanced(|settings| {
        (settings.shared_breaker, settings.eject) = (true, None);
        (settings.pick, settings.retry) = (Pick::Random, RetryTo::Same);
    });
    gateway.policy.breaker = Some(breaker(2));
    let (sick, well) = (Callee::start([broken()]).await, Callee::start([ok()]).await);
    let auth = gateway.upstream_at("auth", &urls(&[&sick, &well]));
    until(async || {
        let _ = ask(&gateway, &auth).await;
        gateway.watch.count("nines_breaker_state", &[]) == 2
    })
    .await;
    let before = well.heard().len();
    let error = ask(&gateway, &auth).await.unwrap_err();
    assert_eq!(error.stopped_by, StoppedBy::BreakerOpen);
    assert_eq!(well.heard().len(), before);
}

/// Opens at the failure number `consecutive` in a row, and stays open.
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

#[tokio::test]
async fn a_full_bulkhead_refuses_at_once_and_no_breaker_opens_for_it() {
    let mut gateway = Caller::new();
    gateway.policy.breaker = Some(breaker(1));
    let one = LimitSettings {
        max: 1,
        ..LimitSettings::default()
    };
    gateway.policy.bulkhead = Some(LimitPolicy::new(one).unwrap());
    let hangs = Callee::start([Reply::silence()]).await;
    let auth = gateway.upstream("auth", &hangs.url);
    let call = ask(&gateway, &auth);
    tokio::pin!(call);
    tokio::select! {
        _ = &mut call => panic!("answered"),
        () = hangs.hears(1) => {}
    }
    for _ in 0..3 {
        let error = ask(&gateway, &auth).await.unwrap_err();
        let said = (error.cause, error.stopped_by);
        assert_eq!(said, (Cause::Shed, StoppedBy::BulkheadFull));
    }
    assert_eq!(gateway.watch.count("nines_breaker_state", &[]), 0);
    assert_eq!(hangs.heard().len(), 1);
}

#[tokio::test]
async fn heartbeats_find_out_without_a_call_that_a_replica_is_down() {
    let gateway = balanced(|settings| {
        settings.check = Some(CheckSettings {
            every: 5 * MS,
            timeout: AMPLE,
            misses: 2,
            hits: 1,
        });
    });
    let well = Callee::start([ok()]).await;
    let (_socket, gone) = nobody();
    let auth = gateway.upstream_at("auth", &[gone.clone(), well.url.clone()]);
    let down = [("peer", "auth"), ("to", "down")];
    until(async || gateway.watch.count("nines_replica_changes_total", &down) > 0).await;
    for _ in 0..50 {
        ask(&gateway, &auth).await.unwrap();
    }
    assert_eq!(gateway.watch.count("nines_replicas_left_out", &[]), 1);
    let attempts = gateway.watch.spans(&SpanKind::Client);
    let missed = |span: &&_| attribute(span, "nines.replica").unwrap() == gone.authority();
    assert_eq!(attempts.iter().filter(missed).count(), 0);
    // Heartbeats are no requests: there is no span of them.
    assert_eq!(attempts.len(), 50);
}

#[tokio::test]
async fn a_standby_takes_over_once_the_active_one_is_down() {
    let gateway = balanced(|settings| {
        settings.pick = Pick::First;
        settings.check = Some(CheckSettings {
            every: 5 * MS,
            timeout: AMPLE,
            misses: 2,
            hits: 1,
        });
    });
    let standby = Callee::start([ok()]).await;
    let (_socket, gone) = nobody();
    let auth = gateway.upstream_at("auth", &[gone, standby.url.clone()]);
    until(async || gateway.watch.count("nines_replica_failovers_total", &[]) > 0).await;
    ask(&gateway, &auth).await.unwrap();
    let told = |role: &str| {
        let role = format!("nines-role: {role}\r\n");
        standby.heard().iter().any(|head| head.contains(&role))
    };
    assert!(told("standby") && told("active"), "{:?}", standby.heard());
}

/// Two misses and it is down, one answer and it is up.
fn checked(settings: &mut BalanceSettings) {
    settings.pick = Pick::Random;
    settings.check = Some(CheckSettings {
        every: 5 * MS,
        timeout: AMPLE,
        misses: 2,
        hits: 1,
    });
}

/// The policy of `caller` in force, as others may replace it.
fn replaceable(caller: &Caller, urls: &[Url]) -> (Upstream, PolicyControl) {
    let policy = PolicyControl::from(caller.policy);
    let upstream = Upstream::new(&Outbound {
        callee: "auth".into(),
        replicas: urls.into(),
        tracer: caller.watch.tracer(),
        instruments: caller.watch.instruments.clone(),
        client: outbound::client().unwrap(),
        policy: policy.clone(),
    });
    (upstream, policy)
}

#[tokio::test]
async fn a_replica_that_is_down_when_the_policy_changes_is_called_again_once_it_is_back() {
    for still_checked in [true, false] {
        let gateway = balanced(checked);
        let mut replies = vec![broken(); 6];
        replies.push(ok());
        let (back, other) = (Callee::start(replies).await, Callee::start([ok()]).await);
        let (auth, policy) = replaceable(&gateway, &urls(&[&back, &other]));
        let down = [("to", "down")];
        until(async || gateway.watch.count("nines_replica_changes_total", &down) == 1).await;
        let changed = balanced(|settings| {
            checked(settings);
            settings.panic_below = 0.4;
            if !still_checked {
                settings.check = None;
            }
        });
        policy.set(changed.policy);
        let requests = || {
            let heads = back.heard();
            heads.iter().filter(|head| head.contains("/v1/ask")).count()
        };
        until(async || {
            ask(&gateway, &auth).await.unwrap();
            requests() > 0
        })
        .await;
    }
}

#[tokio::test]
async fn whoever_has_taken_over_is_active_also_under_another_policy() {
    let first = |settings: &mut BalanceSettings| {
        checked(settings);
        settings.pick = Pick::First;
    };
    let gateway = balanced(first);
    let mut replies = vec![broken(); 4];
    replies.push(ok());
    let (before, now) = (Callee::start(replies).await, Callee::start([ok()]).await);
    let (auth, policy) = replaceable(&gateway, &urls(&[&before, &now]));
    until(async || gateway.watch.count("nines_replica_failovers_total", &[]) == 1).await;
    let up = [("to", "up")];
    until(async || gateway.watch.count("nines_replica_changes_total", &up) == 1).await;
    let changed = balanced(|settings| {
        first(settings);
        settings.panic_below = 0.4;
    });
    policy.set(changed.policy);
    for _ in 0..20 {
        ask(&gateway, &auth).await.unwrap();
    }
    let asked = |callee: &Callee| {
        let heads = callee.heard();
        heads.iter().filter(|head| head.contains("/v1/ask")).count()
    };
    assert_eq!((asked(&before), asked(&now)), (0, 20));
}

#[tokio::test]
async fn a_replica_that_is_known_to_be_down_does_not_become_the_active_one() {
    let gateway = balanced(checked);
    let (_socket, gone) = nobody();
    let well = Callee::start([ok()]).await;
    let (auth, policy) = replaceable(&gateway, &[gone, well.url.clone()]);
    let down = [("to", "down")];
    until(async || gateway.watch.count("nines_replica_changes_total", &down) == 1).await;
    let mut changed = balanced(|settings| {
        checked(settings);
        settings.pick = Pick::First;
    });
    changed.policy.retry = None;
    policy.set(changed.policy);
    // From the very first call on.
    for _ in 0..5 {
        ask(&gateway, &auth).await.unwrap();
    }
    let failovers = gateway.watch.count("nines_replica_failovers_total", &[]);
    assert_eq!(failovers, 1);
    let is_told = |head: &String| head.contains("nines-role: active\r\n");
    until(async || well.heard().iter().any(is_told)).await;
}

#[tokio::test]
async fn one_replica_that_is_full_keeps_nobody_from_the_other() {
    let mut gateway = balanced(|settings| settings.pick = Pick::Random);
    let full = Reply::answer(503, "retry-after: 120\r\n", "");
    let (full, free) = (Callee::start([full]).await, Callee::start([ok()]).await);
    let auth = gateway.upstream_at("auth", &urls(&[&full, &free]));
    for _ in 0..20 {
        // Who waited for as long as the full one asks for would be late.
        gateway.context.deadline = Deadline::after(Instant::now(), AMPLE);
        ask(&gateway, &auth).await.unwrap();
    }
    assert!(!full.heard().is_empty());
}
