//! What happened when: counts by stretches of time, and what breakers did.

use crate::story::{OK, attempted, call, failed, tell};
use traces::{AnalysisOptions, BreakerChange, Span, analyse, analysis::Transition};
use types::{BreakerState, Cause, StoppedBy};

/// When the story of `trace` begins.
fn begin(trace: u64) -> u64 {
    1_700_000_000_000_000_000 + trace * 1_000_000_000
}

/// Two requests in one second each: one served at the second attempt, one refused by the
/// breaker of the gateway, two seconds later.
fn spans() -> Vec<Span> {
    let served = call("gateway", OK, vec![call("auth", OK, vec![])]);
    let mut refused = attempted("auth", failed(Cause::Timeout), vec![]);
    refused.stopped_by = Some(StoppedBy::BreakerOpen);
    let lost = call("gateway", failed(Cause::Timeout), vec![refused]);
    let mut spans = tell(1, "r-1", &served);
    spans.extend(tell(3, "r-2", &lost));
    spans
}

#[test]
fn requests_and_calls_count_in_the_stretch_in_which_they_began() {
    let options = AnalysisOptions {
        stretches: vec![begin(1)..begin(2), begin(2)..begin(4), begin(1)..begin(4)],
        ..AnalysisOptions::default()
    };
    let analysis = analyse(&spans(), &options);
    let [first, second, both] = &analysis.stretches[..] else {
        panic!("{:?}", analysis.stretches);
    };
    assert_eq!((first.requests.offered, first.requests.ok), (1, 1));
    assert_eq!((second.requests.offered, second.requests.ok), (1, 0));
    assert_eq!((both.requests.offered, both.requests.ok), (2, 1));
    let auth = |at: usize| analysis.stretches[at].hops["auth"];
    assert_eq!(
        (auth(0).calls, auth(0).attempts, auth(0).refused),
        (1, 1, 0)
    );
    assert_eq!(
        (auth(1).calls, auth(1).attempts, auth(1).refused),
        (1, 0, 1)
    );
    assert_eq!(auth(2).calls, 2);
    let answered = first.first_answer.unwrap();
    assert!(answered > 0 && answered < 1_000_000, "{answered} ns");
    assert_eq!(second.first_answer, None);
    assert_eq!(first.latency.unwrap().count, 1);
}

#[test]
fn what_breakers_did_is_told_in_the_order_of_time() {
    let mut spans = spans();
    let change = |at, from, to| BreakerChange {
        at,
        callee: "auth".into(),
        replica: None,
        from,
        to,
    };
    let called_auth = |span: &&mut Span| &*span.service == "gateway" && span.call_outcome.is_some();
    let mut calls: Vec<_> = spans.iter_mut().filter(called_auth).collect();
    let late = change(begin(3), BreakerState::HalfOpen, BreakerState::Closed);
    let early = change(begin(1), BreakerState::Closed, BreakerState::Open);
    calls[0].breaker_changes = Some(Box::new(vec![late, early]));
    let told = analyse(&spans, &AnalysisOptions::default()).transitions;
    assert_eq!(told.len(), 2);
    assert_eq!(
        (told[0].from, told[0].to),
        (BreakerState::Closed, BreakerState::Open)
    );
    assert_eq!((&*told[0].caller, &*told[0].callee), ("gateway", "auth"));
    assert_eq!(told[1].to, BreakerState::Closed);
}

#[test]
fn each_replica_of_a_caller_has_a_breaker_of_its_own() {
    let mut spans = spans();
    let called_auth = |span: &&mut Span| &*span.service == "gateway" && span.call_outcome.is_some();
    let calls = spans.iter_mut().filter(called_auth);
    for (nth, call) in (0..2).zip(calls) {
        call.instance = Some(format!("gateway-{nth}").into());
        call.breaker_changes = Some(Box::new(vec![BreakerChange {
            at: begin(1 + nth),
            callee: "auth".into(),
            replica: None,
            from: BreakerState::Closed,
            to: BreakerState::Open,
        }]));
    }
    let told = analyse(&spans, &AnalysisOptions::default()).transitions;
    let breakers: Vec<_> = told.iter().map(Transition::breaker).collect();
    assert_eq!(breakers, [("gateway-0", "auth"), ("gateway-1", "auth")]);
}

#[test]
fn the_load_on_a_hop_has_a_mean_and_a_spread_over_requests() {
    let twice = attempted(
        "gateway",
        OK,
        vec![
            crate::story::served(failed(Cause::Error), vec![]),
            crate::story::served(OK, vec![]),
        ],
    );
    let mut spans = tell(1, "r-1", &twice);
    spans.extend(tell(2, "r-2", &call("gateway", OK, vec![])));
    let analysis = analyse(&spans, &AnalysisOptions::default());
    let gateway = analysis.hop("gateway").unwrap();
    assert_eq!(gateway.load_amplification, Some(1.5));
    // Of 2 and 1: the sample standard deviation is √½.
    assert!((gateway.load_deviation.unwrap() - 0.5_f64.sqrt()).abs() < 1e-12);
    let one = analyse(&tell(1, "r-1", &twice), &AnalysisOptions::default());
    assert_eq!(one.hop("gateway").unwrap().load_deviation, None);
}
