//! Work that a caller cancelled for a reason of its own is no failure of the callee.

use crate::story::*;
use traces::{Analysis, AnalysisOptions, HopAnalysis, Ratio, analyse};
use types::Cause;

fn analysed(root: &Call) -> Analysis {
    analyse(&tell(1, "r", root), &AnalysisOptions::default())
}

fn hop<'a>(analysis: &'a Analysis, name: &str) -> &'a HopAnalysis {
    analysis
        .hop(name)
        .unwrap_or_else(|| panic!("no hop {name}"))
}

fn origin(analysis: &Analysis) -> (&str, Option<Cause>) {
    let origin = &analysis.failures[0].origin;
    (origin.hop.as_str(), origin.cause)
}

fn ok(callee: &str) -> Call {
    call(callee, OK, vec![])
}

/// A request to a that calls b and c at the same time; c calls d and is cancelled.
fn parallel(end: End, b: Call) -> Call {
    let c = cut_off("c", vec![cut_off("d", vec![])]);
    call("a", end, vec![b, c])
}

#[test]
fn a_parallel_call_that_failed_is_blamed_and_not_the_calls_cancelled_because_of_it() {
    let error = failed(Cause::Error);
    let analysis = analysed(&parallel(error, fault("b", Cause::Error)));
    assert_eq!(origin(&analysis), ("b", Some(Cause::Error)));
    let lost: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| hop(&analysis, name).lost_here)
        .into();
    assert_eq!(lost, [0, 1, 0, 0]);
    for name in ["c", "d"] {
        let hop = hop(&analysis, name);
        assert_eq!(
            (hop.calls.abandoned, hop.calls.self_failures),
            (1, 0),
            "{name}"
        );
        assert_eq!(
            (hop.attempts.abandoned, hop.calls.propagated),
            (1, 0),
            "{name}"
        );
        assert_eq!(
            hop.requests.outcomes.failed.by_cause[&Cause::Cancelled],
            1,
            "{name}"
        );
    }
    assert_eq!(hop(&analysis, "a").calls.propagated, 1);
}

#[test]
fn a_hop_whose_requests_were_cancelled_by_its_caller_keeps_its_own_availability() {
    let failing = parallel(failed(Cause::Error), fault("b", Cause::Error));
    let good = call("a", OK, vec![ok("b"), call("c", OK, vec![ok("d")])]);
    let mut spans = tell(1, "r-1", &failing);
    spans.extend(tell(2, "r-2", &good));
    let analysis = analyse(&spans, &AnalysisOptions::default());
    for name in ["c", "d"] {
        let hop = hop(&analysis, name);
        assert_eq!(hop.own.exact(), Some(Ratio::new(1, 0)), "{name}");
        assert_eq!(
            (hop.actual, hop.effective),
            (Ratio::new(1, 0), Ratio::new(1, 0)),
            "{name}"
        );
    }
    assert_eq!(hop(&analysis, "b").own.exact(), Some(Ratio::new(1, 1)));
}

#[test]
fn a_parallel_call_that_timed_out_is_blamed_and_not_the_calls_cancelled_because_of_it() {
    let analysis = analysed(&parallel(failed(Cause::Timeout), timed_out("b", vec![])));
    assert_eq!(origin(&analysis), ("b", Some(Cause::Timeout)));
    assert_eq!(hop(&analysis, "d").calls.abandoned, 1);
}

#[test]
fn the_call_that_was_waited_for_at_the_deadline_is_blamed_and_not_a_soft_one_that_failed_before() {
    let mut waiting = cut_off("c", vec![]);
    waiting.attempts[0].end = failed(Cause::Timeout);
    let root = call(
        "a",
        failed(Cause::Timeout),
        vec![fault("b", Cause::Error), waiting],
    );
    let analysis = analysed(&root);
    assert_eq!(origin(&analysis), ("c", Some(Cause::Timeout)));
    assert_eq!(hop(&analysis, "c").calls.self_failures, 1);
}

#[test]
fn when_the_client_gives_up_the_call_waited_for_is_blamed_and_not_a_soft_one_that_failed_before() {
    let calls = vec![fault("b", Cause::Error), cut_off("c", vec![])];
    let analysis = analysed(&timed_out("a", calls));
    assert_eq!(origin(&analysis), ("c", Some(Cause::Timeout)));
}

#[test]
fn the_calls_of_a_hedge_that_lost_are_abandoned_with_it() {
    let loser = Attempt {
        end: CANCELLED,
        request: Some(Request {
            end: CANCELLED,
            fault: None,
            calls: vec![cut_off("d", vec![])],
        }),
    };
    let winner = served(OK, vec![ok("d")]);
    let analysis = analysed(&call(
        "a",
        OK,
        vec![attempted("c", OK, vec![loser, winner])],
    ));
    let d = hop(&analysis, "d");
    assert_eq!((d.calls.abandoned, d.calls.self_failures), (1, 0));
    assert_eq!(d.own.exact(), Some(Ratio::new(1, 0)));
}

#[test]
fn a_caller_that_drops_its_calls_and_fails_by_itself_has_lost_the_request() {
    let analysis = analysed(&call("a", failed(Cause::Error), vec![cut_off("b", vec![])]));
    assert_eq!(origin(&analysis), ("a", Some(Cause::Error)));
    assert_eq!(hop(&analysis, "b").own.reached, 0);
}

#[test]
fn an_answered_request_is_lost_by_no_hop_and_a_failed_soft_call_is_absorbed() {
    for end in [OK, DEGRADED] {
        let calls = vec![fault("b", Cause::Error), ok("c")];
        let analysis = analysed(&call("a", end, calls));
        assert_eq!(
            analysis.hops.iter().map(|hop| hop.lost_here).sum::<u64>(),
            0
        );
        assert!(analysis.failures.is_empty());
        assert_eq!(hop(&analysis, "a").requests.absorbed, 1);
        assert_eq!(hop(&analysis, "b").calls.self_failures, 1);
    }
}

#[test]
fn a_call_that_the_caller_answered_without_is_dropped_and_not_absorbed() {
    let analysis = analysed(&call("a", DEGRADED, vec![ok("b"), cut_off("c", vec![])]));
    assert_eq!(hop(&analysis, "a").requests.absorbed, 0);
    assert_eq!(hop(&analysis, "c").calls.abandoned, 1);
}

#[test]
fn a_call_for_which_its_caller_had_no_resource_left_is_a_failure_of_the_caller() {
    let exhausted = failed(Cause::Exhausted);
    let root = call("a", exhausted, vec![ok("b"), unseen("c", Cause::Exhausted)]);
    let analysis = analysed(&root);
    assert_eq!(origin(&analysis), ("a", Some(Cause::Exhausted)));
    let c = hop(&analysis, "c");
    assert_eq!((c.calls.abandoned, c.attempts.abandoned), (1, 1));
    assert_eq!(
        (c.effective, c.actual),
        (Ratio::new(0, 0), Ratio::new(0, 0))
    );
    assert_eq!((c.unpaired.refused, c.unpaired.others()), (1, 0));
    assert_eq!(hop(&analysis, "a").calls.self_failures, 1);
}
