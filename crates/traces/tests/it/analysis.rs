//! Stories with a known truth: the analysis finds exactly that.

use crate::story::*;
use std::{collections::BTreeMap, sync::Arc};
use traces::{
    Analysis, AnalysisOptions, HopAnalysis, OriginKind, Ratio, Requests, RootView, Span, SpanId,
    analyse,
};
use types::{Cause, StoppedBy};

/// Tells each story as often as asked, one trace each.
fn tell_all(stories: &[(usize, Call)]) -> Vec<Span> {
    let roots = stories
        .iter()
        .flat_map(|(times, root)| std::iter::repeat_n(root, *times));
    (1..)
        .zip(roots)
        .flat_map(|(trace, root)| tell(trace, &format!("r-{trace}"), root))
        .collect()
}

fn analysed(stories: &[(usize, Call)]) -> Analysis {
    analyse(&tell_all(stories), &AnalysisOptions::default())
}

fn hop<'a>(analysis: &'a Analysis, name: &str) -> &'a HopAnalysis {
    analysis
        .hop(name)
        .unwrap_or_else(|| panic!("no hop {name}"))
}

fn names(analysis: &Analysis) -> Vec<&str> {
    analysis.hops.iter().map(|hop| hop.hop.as_str()).collect()
}

fn lost(analysis: &Analysis) -> Vec<u64> {
    analysis.hops.iter().map(|hop| hop.lost_here).collect()
}

fn gateway(end: End, calls: Vec<Call>) -> Call {
    call("gateway", end, calls)
}

fn ok(callee: &str) -> Call {
    call(callee, OK, vec![])
}

/// One thousand requests through gateway → auth, profile, database.
fn sequence() -> Vec<(usize, Call)> {
    let error = failed(Cause::Error);
    let retried = attempted("auth", OK, vec![served(error, vec![]), served(OK, vec![])]);
    vec![
        (
            940,
            gateway(OK, vec![ok("auth"), ok("profile"), ok("database")]),
        ),
        (10, fault("gateway", Cause::Error)),
        (20, gateway(error, vec![fault("auth", Cause::Error)])),
        (
            5,
            gateway(error, vec![ok("auth"), unseen("profile", Cause::Refused)]),
        ),
        (
            7,
            gateway(
                error,
                vec![ok("auth"), ok("profile"), timed_out("database", vec![])],
            ),
        ),
        (4, gateway(OK, vec![retried, ok("profile"), ok("database")])),
        (
            6,
            gateway(
                DEGRADED,
                vec![ok("auth"), ok("profile"), fault("database", Cause::Error)],
            ),
        ),
        (
            8,
            gateway(error, vec![ok("auth"), ok("profile"), ok("database")]),
        ),
    ]
}

#[test]
fn in_a_sequence_every_loss_is_found_where_it_originated() {
    let analysis = analysed(&sequence());
    assert_eq!(names(&analysis), ["gateway", "auth", "profile", "database"]);
    assert_eq!(lost(&analysis), [18, 20, 5, 7]);
    let root = &analysis.root;
    assert_eq!(root.view, RootView::ClientCall);
    assert_eq!(
        (
            root.outcomes.ok,
            root.outcomes.degraded,
            root.outcomes.failed.total
        ),
        (944, 6, 50)
    );
    let cumulative: Vec<_> = analysis
        .hops
        .iter()
        .map(|hop| hop.cumulative.successes())
        .collect();
    assert_eq!(cumulative, [982, 962, 957, 950]);
    assert_eq!(analysis.hops[3].cumulative, root.outcomes.availability());
}

#[test]
fn in_a_sequence_every_hop_is_counted_by_calls_attempts_and_requests() {
    let analysis = analysed(&sequence());
    let auth = hop(&analysis, "auth");
    assert_eq!(auth.effective, Ratio::new(970, 20));
    assert_eq!(auth.actual, Ratio::new(970, 24));
    assert_eq!(
        (auth.attempts.outcomes.offered, auth.attempts.first),
        (994, 990)
    );
    assert_eq!(auth.load_amplification, Some(0.994));
    assert_eq!(auth.own.exact(), Some(Ratio::new(966, 24)));
    assert_eq!(
        auth.lost_by_fault,
        BTreeMap::from([("auth-fault".to_owned(), 20)])
    );

    let profile = hop(&analysis, "profile");
    assert_eq!(
        profile.calls.outcomes.failed.by_cause,
        BTreeMap::from([(Cause::Refused, 5)])
    );
    assert_eq!((profile.calls.self_failures, profile.calls.unseen), (5, 5));
    assert_eq!(
        (profile.requests.outcomes.offered, profile.unpaired.refused),
        (965, 5)
    );

    let database = hop(&analysis, "database");
    assert_eq!(
        (database.calls.self_failures, database.calls.unseen),
        (13, 0)
    );
    assert_eq!(
        database.lost_by_cause,
        BTreeMap::from([(Cause::Timeout, 7)])
    );
    assert_eq!(
        database.requests.outcomes.failed.by_cause[&Cause::Cancelled],
        7
    );
    assert_eq!(
        database.requests.faults,
        BTreeMap::from([("database-fault".to_owned(), 6)])
    );
}

#[test]
fn what_fails_before_and_after_the_calls_both_belong_to_the_hops_own_work() {
    let own = hop(&analysed(&sequence()), "gateway").own;
    assert_eq!(
        (own.reached, own.entry, own.late, own.propagated),
        (1000, 10, 8, 32)
    );
    assert_eq!(own.exact(), None);
    let expected = (1.0 - 10.0 / 1000.0) * (1.0 - 8.0 / (1000.0 - 10.0 - 32.0));
    assert!((own.value().unwrap() - expected).abs() < 1e-12);
}

#[test]
fn a_failure_below_that_was_answered_all_the_same_is_absorbed() {
    let analysis = analysed(&sequence());
    let gateway = hop(&analysis, "gateway");
    assert_eq!(
        (gateway.requests.absorbed, gateway.calls.propagated),
        (6, 32)
    );
    assert_eq!(gateway.calls.self_failures, 18);
}

/// client → a → b → c, each calling the next.
fn nested(innermost: Call, between: fn(&str, Vec<Call>) -> Call) -> Call {
    between("a", vec![between("b", vec![innermost])])
}

fn passing(end: End) -> fn(&str, Vec<Call>) -> Call {
    match end.outcome {
        types::Outcome::Failed => |name, calls| call(name, failed(Cause::Error), calls),
        _ => |name, calls| call(name, OK, calls),
    }
}

#[test]
fn in_a_nested_chain_a_failure_is_followed_to_the_deepest_hop() {
    let analysis = analysed(&[
        (90, nested(ok("c"), passing(OK))),
        (
            4,
            nested(fault("c", Cause::Error), passing(failed(Cause::Error))),
        ),
        (
            3,
            call("a", failed(Cause::Error), vec![fault("b", Cause::Shed)]),
        ),
        (2, fault("a", Cause::Reset)),
        (
            1,
            nested(unseen("c", Cause::Refused), passing(failed(Cause::Error))),
        ),
    ]);
    assert_eq!(
        (names(&analysis), lost(&analysis)),
        (vec!["a", "b", "c"], vec![2, 3, 5])
    );
    let curve = [
        ("c", Ratio::new(90, 5)),
        ("b", Ratio::new(90, 8)),
        ("a", Ratio::new(90, 10)),
    ];
    assert_eq!(analysis.depth_curve(), curve);
    assert_eq!(hop(&analysis, "b").own.exact(), Some(Ratio::new(95, 3)));
    assert_eq!(hop(&analysis, "c").lost_by_cause[&Cause::Refused], 1);
}

#[test]
fn when_the_client_loses_patience_the_hop_it_waited_for_is_found_with_the_clients_cause() {
    let hanging = timed_out("a", vec![cut_off("b", vec![cut_off("c", vec![])])]);
    let analysis = analysed(&[(9, nested(ok("c"), passing(OK))), (1, hanging)]);
    assert_eq!(lost(&analysis), [0, 0, 1]);
    let origin = &analysis.failures[0].origin;
    assert_eq!(
        (origin.hop.as_str(), origin.cause),
        ("c", Some(Cause::Timeout))
    );
    assert_eq!(origin.kind, OriginKind::SelfFailure);
    assert_eq!(hop(&analysis, "b").calls.propagated, 1);
}

#[test]
fn an_answer_lost_on_the_way_is_unseen_unless_the_hop_was_told_to_lose_it() {
    let answered = |fault: Option<&str>| {
        let mut lost = attempted("a", failed(Cause::Lost), vec![served(OK, vec![])]);
        lost.attempts[0].end = failed(Cause::Lost);
        lost.attempts[0].request.as_mut().unwrap().fault = fault.map(str::to_owned);
        lost
    };
    let analysis = analysed(&[(1, answered(None)), (1, answered(Some("lose")))]);
    let kinds: Vec<_> = analysis
        .failures
        .iter()
        .map(|failure| failure.origin.kind)
        .collect();
    assert_eq!(kinds, [OriginKind::Unseen, OriginKind::SelfFailure]);
    assert_eq!(
        analysis.failures[1].origin.fault_id.as_deref(),
        Some("lose")
    );
    assert_eq!(hop(&analysis, "a").requests.outcomes.ok, 2);
}

#[test]
fn a_refusal_by_the_breaker_is_a_failed_call_without_attempts_and_shown_apart() {
    let refused = Call {
        stopped_by: Some(StoppedBy::BreakerOpen),
        ..attempted("auth", failed(Cause::Error), vec![])
    };
    let analysis = analysed(&[
        (3, gateway(failed(Cause::Error), vec![refused])),
        (1, gateway(OK, vec![ok("auth")])),
    ]);
    let auth = hop(&analysis, "auth");
    assert_eq!(
        (
            auth.calls.not_tried,
            auth.calls.self_failures,
            auth.lost_here
        ),
        (3, 0, 3)
    );
    assert_eq!(auth.calls.stopped_by[&StoppedBy::BreakerOpen], 3);
    assert_eq!(
        (auth.actual, auth.own.exact()),
        (Ratio::new(1, 0), Some(Ratio::new(1, 0)))
    );
    assert_eq!(analysis.failures[0].origin.kind, OriginKind::NotTried);
    assert_eq!(analysis.completeness.missing(), 0);
}

#[test]
fn the_loser_of_a_hedge_is_abandoned_and_nobodys_failure() {
    let hedged = attempted(
        "auth",
        OK,
        vec![served(CANCELLED, vec![]), served(OK, vec![])],
    );
    let analysis = analysed(&[(5, gateway(OK, vec![hedged]))]);
    let auth = hop(&analysis, "auth");
    assert_eq!(
        (auth.attempts.abandoned, auth.actual),
        (5, Ratio::new(5, 0))
    );
    assert_eq!(auth.own.reached, 0);
    assert_eq!(auth.load_amplification, Some(2.0));
}

#[test]
fn only_the_requests_chosen_are_counted() {
    let mut spans = tell(1, "warm-1", &fault("gateway", Cause::Error));
    spans.extend(tell(2, "run-1", &ok("gateway")));
    spans.extend(tell(3, "run-2", &ok("gateway")));
    let mut nameless = tell(4, "run-3", &ok("gateway"));
    for span in &mut nameless {
        span.request = None;
    }
    spans.extend(nameless);
    let offered = |requests| {
        let analysis = analyse(
            &spans,
            &AnalysisOptions {
                requests,
                ..AnalysisOptions::default()
            },
        );
        (
            analysis.root.outcomes.offered,
            analysis.completeness.unidentified_traces,
        )
    };
    assert_eq!(offered(Requests::All), (4, 0));
    assert_eq!(offered(Requests::Prefix("run-".into())), (2, 1));
    assert_eq!(
        offered(Requests::Accept(Arc::new(|id| id == "warm-1"))),
        (1, 1)
    );
}

#[test]
fn latencies_and_concurrency_are_read_from_the_spans() {
    let mut spans = tell(1, "r", &ok("gateway"));
    spans.extend(tell(2, "r", &fault("gateway", Cause::Error)));
    let shift = spans[3].start - spans[0].start;
    for span in &mut spans[3..] {
        (span.start, span.end) = (span.start - shift, span.end - shift + 5 * TICK);
    }
    let analysis = analyse(&spans, &AnalysisOptions::default());
    let (all, ok) = (
        analysis.root.latency.unwrap(),
        analysis.root.latency_ok.unwrap(),
    );
    assert_eq!((all.count, ok.count), (2, 1));
    assert!((ok.max_ms - 0.005).abs() < 1e-9 && (all.max_ms - 0.010).abs() < 1e-9);
    assert_eq!(
        (
            analysis.root.max_concurrency,
            analysis.hops[0].max_concurrency
        ),
        (2, 2)
    );
}

#[test]
fn a_lost_server_span_is_neither_success_nor_failure_and_is_reported() {
    let mut lost = ok("auth");
    lost.attempts[0].request = None;
    let analysis = analysed(&[
        (1, gateway(OK, vec![lost])),
        (9, gateway(OK, vec![ok("auth")])),
    ]);
    let auth = hop(&analysis, "auth");
    assert_eq!(
        (auth.effective, auth.requests.outcomes.offered),
        (Ratio::new(10, 0), 9)
    );
    let completeness = &analysis.completeness;
    assert_eq!(
        (completeness.unpaired.answered, completeness.complete_traces),
        (1, 9)
    );
    assert_eq!(
        completeness.to_string(),
        "10 traces, 59 spans, none orphaned, 1 missing"
    );
}

#[test]
fn a_lost_attempt_orphans_what_is_below_it_and_decides_nothing() {
    let mut spans = tell_all(&[(10, gateway(OK, vec![ok("auth")]))]);
    spans.remove(4); // the attempt on auth in the first trace
    let analysis = analyse(&spans, &AnalysisOptions::default());
    let completeness = &analysis.completeness;
    assert_eq!(
        (completeness.orphans, completeness.attempts_missing),
        (1, 1)
    );
    assert_eq!((completeness.roots, completeness.complete_traces), (10, 9));
    let auth = hop(&analysis, "auth");
    assert_eq!(
        (auth.effective, auth.actual),
        (Ratio::new(10, 0), Ratio::new(9, 0))
    );
    assert_eq!(auth.requests.outcomes.offered, 10);
}

#[test]
fn a_lost_call_leaves_its_attempt_to_speak_for_it_and_the_trace_incomplete() {
    let mut spans = tell_all(&[(10, gateway(OK, vec![ok("auth")]))]);
    spans.remove(3); // the call to auth in the first trace
    let analysis = analyse(&spans, &AnalysisOptions::default());
    let completeness = &analysis.completeness;
    assert_eq!((completeness.orphans, completeness.missing()), (1, 0));
    assert_eq!((completeness.roots, completeness.complete_traces), (10, 9));
    assert!(!completeness.is_complete());
    assert_eq!(hop(&analysis, "auth").effective, Ratio::new(10, 0));
}

#[test]
fn an_attempt_delivered_twice_is_decided_by_the_first_request_it_became() {
    let mut spans = tell(1, "r", &fault("gateway", Cause::Error));
    let mut again = spans[2].clone();
    again.id = SpanId::new(999).unwrap();
    again.start += 1;
    again.fault_id = None;
    spans.push(again);
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(analysis.hops[0].requests.outcomes.offered, 2);
    assert_eq!(analysis.hops[0].attempts.outcomes.offered, 1);
    assert_eq!(
        analysis.failures[0].origin.fault_id.as_deref(),
        Some("gateway-fault")
    );
}

#[test]
fn a_trace_that_lost_its_root_is_no_request_and_is_reported() {
    let mut spans = tell_all(&[(10, gateway(OK, vec![ok("auth")]))]);
    spans.drain(..2);
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(
        (
            analysis.root.outcomes.offered,
            analysis.completeness.rootless_traces
        ),
        (9, 1)
    );
    assert_eq!(hop(&analysis, "gateway").calls.outcomes.offered, 9);
}

#[test]
fn services_that_were_expected_and_sent_nothing_are_silent() {
    let spans = tell_all(&[(1, gateway(OK, vec![]))]);
    let expected_services = vec!["gateway".into(), "audit".into()];
    let options = AnalysisOptions {
        expected_services,
        ..AnalysisOptions::default()
    };
    let completeness = analyse(&spans, &options).completeness;
    assert_eq!(completeness.silent, ["audit"]);
    assert!(!completeness.is_complete());
    assert!(completeness.to_string().ends_with("; silent: audit"));
}

#[test]
fn without_spans_there_is_nothing_and_no_number_is_made_up() {
    let analysis = analyse(&[], &AnalysisOptions::default());
    assert_eq!((analysis.hops.len(), analysis.root.latency), (0, None));
    assert_eq!(analysis.root.outcomes.availability().value(), None);
    assert_eq!(analysis.completeness.ratio(), None);
}

#[test]
fn a_circle_of_parents_neither_hangs_nor_counts_twice() {
    let mut spans = tell_all(&[(1, gateway(OK, vec![ok("auth")]))]);
    spans[3].parent = Some(spans[5].id);
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(analysis.completeness.cycles, 1);
    assert_eq!(hop(&analysis, "auth").calls.outcomes.offered, 1);
}

#[test]
fn a_trace_as_deep_as_it_is_long_is_walked_without_recursion() {
    let mut spans = tell(1, "r", &ok("gateway"));
    for id in 1..100_000 {
        let mut inner = spans[2].clone();
        inner.id = SpanId::new(1 << 40 | id).unwrap();
        inner.parent = Some(spans.last().unwrap().id);
        inner.kind = traces::Kind::Internal;
        spans.push(inner);
    }
    assert_eq!(
        analyse(&spans, &AnalysisOptions::default())
            .root
            .outcomes
            .ok,
        1
    );
}

#[test]
fn three_hundred_thousand_spans_are_analysed() {
    let stories: Vec<_> = sequence()
        .into_iter()
        .map(|(times, root)| (times * 26, root))
        .collect();
    let spans = tell_all(&stories);
    assert!(spans.len() > 300_000, "{}", spans.len());
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(lost(&analysis), [18 * 26, 20 * 26, 5 * 26, 7 * 26]);
    assert_eq!(analysis.completeness.spans, spans.len() as u64);
}

#[test]
fn the_results_serialise_under_their_names() {
    let json = serde_json::to_value(analysed(&sequence())).unwrap();
    assert_eq!(json["root"]["view"], "client_call");
    assert_eq!(json["root"]["offered"], 1000);
    assert_eq!(json["hops"][1]["hop"], "auth");
    assert_eq!(json["hops"][1]["effective"]["trials"], 990);
    assert_eq!(json["hops"][2]["lost_by_cause"]["refused"], 5);
    assert_eq!(json["completeness"]["unpaired"]["refused"], 5);
}
