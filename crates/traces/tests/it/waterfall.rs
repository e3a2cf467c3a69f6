//! Which traces are shown, and what of them.

use crate::story::{self, Call, End, OK, attempted, call, failed, fault, served, tell};
use traces::{
    AnalysisOptions, Kind, Span, SpanId, Waterfall, analyse,
    waterfall::{MOST, MOST_BARS, Role, Why},
    waterfalls,
};
use types::{Cause, Outcome, StoppedBy};

fn chosen(stories: &[Call]) -> Vec<Waterfall> {
    let each = (1..).zip(stories);
    let spans: Vec<Span> = each
        .flat_map(|(trace, root)| tell(trace, &format!("r{trace}"), root))
        .collect();
    waterfalls(&spans, &AnalysisOptions::default())
}

fn ok() -> Call {
    call("gateway", OK, vec![call("auth", OK, vec![])])
}

fn lost_in(hop: &str, cause: Cause) -> Call {
    call("gateway", failed(cause), vec![fault(hop, cause)])
}

fn refused() -> Call {
    let end: End = failed(Cause::Timeout);
    let mut refused = attempted("auth", end, vec![]);
    refused.stopped_by = Some(StoppedBy::BreakerOpen);
    call("gateway", end, vec![refused])
}

fn retried(attempts: usize) -> Call {
    let bad = served(failed(Cause::Error), vec![]);
    let all = vec![bad; attempts - 1]
        .into_iter()
        .chain([served(OK, vec![])]);
    call("gateway", OK, vec![attempted("auth", OK, all.collect())])
}

#[test]
fn each_trace_is_chosen_for_its_own_reason_and_the_most_frequent_failure_first() {
    let auth = || lost_in("auth", Cause::Error);
    let stories = [
        ok(),
        ok(),
        ok(),
        auth(),
        lost_in("profile", Cause::Error),
        auth(),
        retried(3),
        retried(2),
        refused(),
    ];
    let why: Vec<_> = chosen(&stories)
        .into_iter()
        .map(|waterfall| waterfall.why)
        .collect();
    let failed = Why::Failed {
        hop: "auth".into(),
        cause: Some(Cause::Error),
        of: 2,
    };
    assert_eq!(
        why,
        [
            Why::Typical { of: 5 },
            failed,
            Why::MostAttempts { attempts: 4 },
            Why::Refused { of: 1 },
        ]
    );
}

#[test]
fn room_that_is_left_goes_to_the_next_most_frequent_failures() {
    let causes = [
        Cause::Error,
        Cause::Reset,
        Cause::Timeout,
        Cause::Refused,
        Cause::Shed,
    ];
    let found = chosen(&causes.map(|cause| lost_in("auth", cause)));
    assert_eq!(found.len(), MOST);
    assert!(
        found
            .iter()
            .all(|waterfall| waterfall.outcome == Outcome::Failed)
    );
    assert_eq!(chosen(&[]), []);
}

#[test]
fn a_trace_is_shown_once_and_a_refusal_is_no_failure_of_its_own() {
    let reasons = |stories: &[Call]| -> Vec<Why> {
        let found = chosen(stories).into_iter();
        found.map(|waterfall| waterfall.why).collect()
    };
    assert_eq!(reasons(&[retried(3)]), [Why::Typical { of: 1 }]);
    assert_eq!(reasons(&[refused()]), [Why::Refused { of: 1 }]);
}

#[test]
fn bars_tell_calls_attempts_and_requests_with_all_that_befell_them() {
    let found = chosen(&[lost_in("auth", Cause::Error)]);
    let bars = &found[0].bars;
    let told: Vec<_> = bars
        .iter()
        .map(|bar| (bar.depth, bar.role, bar.callee.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (0, Role::Call, "gateway"),
            (1, Role::Attempt(0), "gateway"),
            (2, Role::Request, "gateway"),
            (3, Role::Call, "auth"),
            (4, Role::Attempt(0), "auth"),
            (5, Role::Request, "auth"),
        ]
    );
    assert_eq!(bars[5].fault.as_deref(), Some("auth-fault"));
    assert_eq!(bars[4].cause, Some(Cause::Error));
    assert_eq!((bars[0].start, bars[0].by.as_str()), (0, "client"));
    assert!(bars.windows(2).all(|pair| pair[0].start < pair[1].start));
    assert_eq!(found[0].nanos, bars[0].nanos);
}

/// A statement of `of`, executed for `parent`, as our services tell of it.
fn statement(parent: &Span, id: u64) -> Span {
    let id = SpanId::new(id).unwrap();
    Span {
        parent: Some(parent.id),
        start: parent.start + 1,
        end: parent.end - 1,
        name: "SELECT records".into(),
        is_statement: true,
        outcome: Some(Outcome::Failed),
        cause: Some(Cause::Timeout),
        ..Span::new(parent.trace, id, Kind::Client, parent.service.clone())
    }
}

/// The requests received in `spans`.
fn received(spans: &[Span]) -> Vec<Span> {
    let is_received = |span: &&Span| span.kind == Kind::Server;
    spans.iter().filter(is_received).cloned().collect()
}

#[test]
fn statements_stand_below_their_request_in_the_order_of_time() {
    let mut spans = tell(1, "r1", &ok());
    let gateway = received(&spans).remove(0);
    spans.push(statement(&gateway, 1 << 60));
    let found = waterfalls(&spans, &AnalysisOptions::default());
    let bars: Vec<_> = found[0]
        .bars
        .iter()
        .map(|bar| (bar.depth, bar.role, bar.callee.as_str()))
        .collect();
    let below = [
        (3, Role::Statement, "SELECT records"),
        (3, Role::Call, "auth"),
    ];
    assert_eq!(bars[3..5], below);
    let bar = &found[0].bars[3];
    assert_eq!(
        (bar.outcome, bar.cause),
        (Outcome::Failed, Some(Cause::Timeout))
    );
}

#[test]
fn a_statement_is_neither_a_call_nor_an_attempt_nor_an_orphan() {
    let told = tell(1, "r1", &ok());
    let without = analyse(&told, &AnalysisOptions::default());
    let mut spans = told.clone();
    for (id, request) in (1 << 60..).zip(received(&told)) {
        spans.push(statement(&request, id));
    }
    // One whose request is lost with the process that served it.
    let lost = Span {
        parent: SpanId::new(1 << 61),
        ..statement(&told[0], 1 << 62)
    };
    spans.push(lost);
    let with = analyse(&spans, &AnalysisOptions::default());
    assert_eq!((&with.hops, &with.root), (&without.hops, &without.root));
    assert_eq!(with.completeness.orphans, 0);
    assert_eq!(with.completeness.missing(), 0);
    assert!(with.completeness.is_complete());
    assert_eq!(with.completeness.spans, spans.len() as u64);
}

#[test]
fn retries_are_numbered_and_a_storm_is_cut_with_its_rest_counted() {
    let bars = &chosen(&[retried(3)])[0].bars;
    let attempts: Vec<_> = bars
        .iter()
        .filter(|bar| bar.callee == "auth")
        .map(|bar| bar.role)
        .collect();
    let expected = [
        Role::Call,
        Role::Attempt(0),
        Role::Request,
        Role::Attempt(1),
        Role::Request,
        Role::Attempt(2),
        Role::Request,
    ];
    assert_eq!(attempts, expected);
    let storm = &chosen(&[retried(100)])[0];
    assert_eq!(storm.bars.len(), MOST_BARS);
    assert_eq!(storm.left_out, 3 + 1 + 200 - MOST_BARS);
}

#[test]
fn the_median_is_a_request_that_was_made() {
    // A retry makes a story longer: of five, the middle one has three attempts.
    let stories = [retried(6), retried(2), retried(3), retried(2), retried(5)];
    let typical = &chosen(&stories)[0];
    assert_eq!(typical.why, Why::Typical { of: 5 });
    let attempts = typical
        .bars
        .iter()
        .filter(|bar| matches!(bar.role, Role::Attempt(_)));
    assert_eq!(attempts.count(), 1 + 3);
    assert_eq!(typical.nanos % story::TICK, 0);
}
