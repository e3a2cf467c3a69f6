//! Calls through a circuit breaker: what reaches the callee, and what the spans say.

use crate::support::{Callee, Caller, Reply, attribute};
use chassis::{Call, CallError, Upstream};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use resilience::{
    cache::{CachePolicy, CacheSettings},
    circuit_breaker::{BreakerPolicy, BreakerSettings},
    deadline::Deadline,
    retry::{RetryPolicy, RetrySettings},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;
use types::{Cause, Outcome, StoppedBy};

const MS: Duration = Duration::from_millis(1);
/// An hour: a time that no test waits for.
const AMPLE: Duration = Duration::from_hours(1);

/// A caller whose breaker opens at the second failure in a row.
fn guarded(change: impl FnOnce(&mut BreakerSettings)) -> Caller {
    let mut settings = BreakerSettings {
        consecutive: Some(2),
        open: AMPLE,
        max_open: AMPLE,
        jitter: 0.0,
        probes: 1,
        ..BreakerSettings::default()
    };
    change(&mut settings);
    let mut caller = Caller::new();
    caller.policy.breaker = Some(BreakerPolicy::new(settings).unwrap());
    caller
}

fn ok() -> Reply {
    Reply::answer(200, "", "{}")
}

async fn ask(caller: &Caller, auth: &Upstream) -> Result<(), CallError> {
    let call = Call::get("auth.ask", "/v1/ask");
    auth.call(&caller.context, call).await.map(|_| ())
}

/// The changes that the spans of calls tell of, as `from > to: why`.
fn changes(calls: &[SpanData]) -> Vec<String> {
    let events = calls.iter().flat_map(|call| call.events.iter());
    let changes = events.filter(|event| event.name == "breaker.transition");
    changes
        .map(|event| {
            let word = |key| {
                let pair = event
                    .attributes
                    .iter()
                    .find(|pair| pair.key.as_str() == key);
                pair.unwrap().value.to_string()
            };
            let (from, to) = (word("nines.breaker.from"), word("nines.breaker.to"));
            format!("{from} > {to}: {}", word("nines.breaker.why"))
        })
        .collect()
}

#[tokio::test]
async fn a_refused_call_is_a_call_without_attempts_that_names_the_last_failure() {
    let gateway = guarded(|_| ());
    let callee = Callee::start([Reply::Reset]).await;
    let auth = gateway.upstream("auth", &callee.url);
    for _ in 0..2 {
        let error = ask(&gateway, &auth).await.unwrap_err();
        assert_eq!(error.stopped_by, StoppedBy::Attempts);
    }
    let error = ask(&gateway, &auth).await.unwrap_err();
    assert_eq!(
        (error.cause, error.stopped_by),
        (Cause::Reset, StoppedBy::BreakerOpen)
    );
    assert_eq!(
        error.to_string(),
        "call to auth refused by its circuit breaker; last failure: reset"
    );
    assert_eq!(callee.heard().len(), 2, "nothing reached the callee");
    let calls = gateway.watch.spans(&SpanKind::Internal);
    let attempts = |at: usize| attribute(&calls[at], "nines.call.attempts").unwrap();
    assert_eq!([attempts(0), attempts(1), attempts(2)], ["1", "1", "0"]);
    assert_eq!(
        attribute(&calls[2], "nines.call.stopped_by").unwrap(),
        "breaker_open"
    );
    assert_eq!(attribute(&calls[2], "nines.call.cause").unwrap(), "reset");
    reads_as_refused(&calls[2]);
    assert_eq!(gateway.watch.count("nines_attempts_total", &[]), 2);
    let refused = [("stopped_by", "breaker_open")];
    assert_eq!(gateway.watch.count("nines_calls_total", &refused), 1);
}

/// The span of a call that the breaker of auth refused names the breaker, not an old failure.
#[track_caller]
fn reads_as_refused(call: &SpanData) {
    let text = "refused: the circuit breaker of auth is open; last failure: reset";
    assert_eq!(call.status, Status::error(text));
    assert_eq!(attribute(call, "error.type").unwrap(), "breaker_open");
    let events: Vec<_> = call.events.iter().collect();
    let [event] = *events else {
        panic!("{events:?}");
    };
    assert_eq!(event.name, "call.refused");
    let said = |key, value: &str| {
        let pair = event.attributes.iter().find(|it| it.key.as_str() == key);
        assert_eq!(pair.unwrap().value.as_str(), value);
    };
    said("nines.breaker.name", "auth");
    said("nines.call.stopped_by", "breaker_open");
}

#[tokio::test]
async fn without_a_call_the_gauge_says_half_open_once_the_open_time_is_over() {
    let gateway = guarded(|settings| (settings.open, settings.max_open) = (20 * MS, 20 * MS));
    let callee = Callee::start([Reply::Reset]).await;
    let auth = gateway.upstream("auth", &callee.url);
    for _ in 0..2 {
        ask(&gateway, &auth).await.unwrap_err();
    }
    let patience = Instant::now() + Duration::from_mins(1);
    while gateway.watch.count("nines_breaker_state", &[]) != 1 {
        assert!(Instant::now() < patience, "{}", gateway.watch.metrics());
        tokio::time::sleep(MS).await;
    }
    assert_eq!(callee.heard().len(), 2);
    let to = [("to", "half_open")];
    let changes = gateway.watch.count("nines_breaker_transitions_total", &to);
    assert_eq!(changes, 0, "that needs a call");
}

/// The series of all counters, without their values.
fn series(gateway: &Caller) -> BTreeSet<String> {
    let metrics = gateway.watch.metrics();
    let counters = metrics.lines().filter(|line| line.contains("_total{"));
    counters
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

#[tokio::test]
async fn every_series_of_a_callee_is_there_before_its_first_event() {
    let mut gateway = guarded(|settings| (settings.open, settings.max_open) = (MS, MS));
    gateway.policy.cache = Some(CachePolicy::new(CacheSettings::default()).unwrap());
    let callee = Callee::start([Reply::Reset, Reply::answer(500, "", ""), ok()]).await;
    let auth = gateway.upstream("auth", &callee.url);
    let before = series(&gateway);
    for outcome in ["ok", "degraded", "failed"] {
        for counter in ["requests", "calls", "attempts"] {
            let counter = format!("nines_{counter}_total{{");
            let outcome = format!("outcome=\"{outcome}\"");
            let fits = |line: &&String| line.starts_with(&counter) && line.contains(&outcome);
            assert!(before.iter().any(|line| fits(&line)), "{counter} {outcome}");
        }
    }
    let all_zero = |line: &str| !line.contains("_total{") || line.ends_with(" 0");
    assert!(gateway.watch.metrics().lines().all(all_zero));
    // Failures of two kinds, an open breaker, its way back, and what a cache had.
    let opened = async || {
        let closing = [("to", "closed")];
        while gateway
            .watch
            .count("nines_breaker_transitions_total", &closing)
            == 0
        {
            let call = Call::get("auth.ask", "/v1/ask").cacheable();
            let _ = auth.call(&gateway.context, call).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), opened())
        .await
        .unwrap();
    // The answer of the closing probe.
    let call = Call::get("auth.ask", "/v1/ask").cacheable();
    auth.call(&gateway.context, call).await.unwrap();
    assert!(
        gateway
            .watch
            .count("nines_calls_total", &[("outcome", "failed")])
            >= 2
    );
    assert_eq!(series(&gateway), before, "none has appeared since");
}

#[tokio::test]
async fn every_attempt_says_in_which_state_it_passed_and_calls_tell_of_every_change() {
    let gateway = guarded(|settings| (settings.open, settings.max_open) = (20 * MS, AMPLE));
    let callee = Callee::start([Reply::Reset, Reply::Reset, Reply::Reset, ok()]).await;
    let auth = gateway.upstream("auth", &callee.url);
    let state = |value| {
        gateway
            .watch
            .count("nines_breaker_state", &[("peer", "auth")])
            == value
    };
    assert!(state(0));
    for _ in 0..2 {
        ask(&gateway, &auth).await.unwrap_err();
    }
    // Open, or half-open on a machine that is busy for 20 ms.
    assert!(!state(0));
    // A probe that fails, and one that does not.
    for heard in [3, 4] {
        while callee.heard().len() < heard {
            let _ = ask(&gateway, &auth).await;
            tokio::task::yield_now().await;
        }
    }
    ask(&gateway, &auth).await.unwrap();
    assert!(state(0));
    let attempts = gateway.watch.spans(&SpanKind::Client);
    let states = attempts
        .iter()
        .map(|span| attribute(span, "nines.breaker.state").unwrap());
    let states: Vec<_> = states.collect();
    assert_eq!(
        states,
        ["closed", "closed", "half_open", "half_open", "closed"]
    );
    let calls = gateway.watch.spans(&SpanKind::Internal);
    let told = [
        "closed > open: consecutive",
        "open > half_open: open_time_over",
        "half_open > open: probe_failed",
        "open > half_open: open_time_over",
        "half_open > closed: probes_succeeded",
    ];
    assert_eq!(changes(&calls), told);
    let count = |labels: &[_]| {
        gateway
            .watch
            .count("nines_breaker_transitions_total", labels)
    };
    assert_eq!(
        (count(&[]), count(&[("to", "open"), ("peer", "auth")])),
        (5, 2)
    );
}

#[tokio::test]
async fn an_open_breaker_is_not_asked_again_and_counts_each_attempt() {
    let mut gateway = guarded(|_| ());
    let settings = RetrySettings {
        retries: 5,
        backoff: MS,
        ..RetrySettings::default()
    };
    gateway.policy.retry = Some(RetryPolicy::new(settings).unwrap());
    let callee = Callee::start([Reply::Reset]).await;
    let error = gateway.ask(&callee).await.unwrap_err();
    assert_eq!(
        (error.cause, error.stopped_by),
        (Cause::Reset, StoppedBy::BreakerOpen)
    );
    assert_eq!(callee.heard().len(), 2);
    let call = gateway.only_call(Outcome::Failed, Some(Cause::Reset));
    assert_eq!(attribute(&call, "nines.call.attempts").unwrap(), "2");
    assert_eq!(changes(&[call]), ["closed > open: consecutive"]);
}

#[tokio::test]
async fn answers_below_500_and_refusals_further_down_do_not_count() {
    let below = |stopped_by| {
        let body = format!(
            r#"{{"type":"t","title":"T","status":502,"code":"c","hop":"database","cause":"error","stopped_by":"{stopped_by}","retryable":false}}"#
        );
        Reply::answer(502, "", &body)
    };
    for (reply, counts) in [
        (Reply::answer(404, "", ""), false),
        (Reply::answer(429, "", ""), false),
        (below("breaker_open"), false),
        (below("bulkhead_full"), false),
        (below("attempts"), true),
        (Reply::answer(500, "", ""), true),
    ] {
        let (gateway, callee) = (guarded(|_| ()), Callee::start([reply.clone()]).await);
        let auth = gateway.upstream("auth", &callee.url);
        for _ in 0..4 {
            let _ = ask(&gateway, &auth).await;
        }
        let reached = if counts { 2 } else { 4 };
        assert_eq!(callee.heard().len(), reached, "{reply:?}");
    }
}

#[tokio::test]
async fn a_call_given_up_opens_the_breaker_and_tells_so_in_its_own_span() {
    let mut gateway = guarded(|settings| {
        settings.consecutive = Some(1);
        settings.cancelled_after = MS;
    });
    let callee = Callee::start([Reply::silence()]).await;
    let auth = gateway.upstream("auth", &callee.url);
    gateway.context.deadline = Deadline::after(Instant::now(), 50 * MS);
    let error = ask(&gateway, &auth).await.unwrap_err();
    assert_eq!(error.stopped_by, StoppedBy::Deadline);
    let calls = gateway.watch.spans(&SpanKind::Internal);
    assert_eq!(changes(&calls), ["closed > open: consecutive"]);
}

#[tokio::test]
async fn a_time_out_counts_and_is_the_cause_of_the_refusals_after_it() {
    let mut gateway = guarded(|settings| settings.consecutive = Some(1));
    gateway.policy.attempt_timeout = Some(50 * MS);
    let callee = Callee::start([Reply::silence()]).await;
    let auth = gateway.upstream("auth", &callee.url);
    for stopped_by in [StoppedBy::Attempts, StoppedBy::BreakerOpen] {
        let error = ask(&gateway, &auth).await.unwrap_err();
        assert_eq!(
            (error.cause, error.stopped_by),
            (Cause::Timeout, stopped_by)
        );
    }
}
