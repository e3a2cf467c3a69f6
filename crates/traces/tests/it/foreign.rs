//! Spans of systems that follow the semantic conventions and know nothing of us.

use std::sync::Arc;
use traces::{AnalysisOptions, Kind, Ratio, RootView, Span, SpanId, TraceId, analyse};
use types::Cause;

fn span(trace: u128, id: u64, parent: u64, kind: Kind, service: &str) -> Span {
    let mut span = Span::new(
        TraceId::new(trace).unwrap(),
        SpanId::new(id).unwrap(),
        kind,
        Arc::from(service),
    );
    span.parent = SpanId::new(parent);
    (span.start, span.end) = (id, 100 - id);
    span
}

fn to_address(mut span: Span, address: &str, status: Option<u16>) -> Span {
    span.peer = Some(Arc::from(address));
    span.peer_is_address = true;
    span.http_status = status;
    span.error = status.is_none_or(|status| status >= 400);
    span
}

fn answered(mut span: Span, status: u16) -> Span {
    span.http_status = Some(status);
    span.error = status >= 500;
    span
}

/// shop → 10.0.0.7, where "stock" answers with `status`, or nobody does.
fn trace(trace: u128, status: Option<u16>) -> Vec<Span> {
    let root = if status.is_some_and(|status| status < 500) {
        200
    } else {
        502
    };
    let mut spans = vec![
        answered(span(trace, 1, 0, Kind::Server, "shop"), root),
        to_address(span(trace, 2, 1, Kind::Client, "shop"), "10.0.0.7", status),
    ];
    if let Some(status) = status {
        spans.push(answered(span(trace, 3, 2, Kind::Server, "stock"), status));
    }
    spans
}

fn traces() -> Vec<Span> {
    let answers = [Some(200), Some(404), Some(500), None];
    (1..)
        .zip(answers)
        .flat_map(|(id, status)| trace(id, status))
        .collect()
}

#[test]
fn a_client_span_is_a_call_of_one_attempt_and_a_404_is_ok() {
    let analysis = analyse(&traces(), &AnalysisOptions::default());
    let stock = analysis.hop("stock").unwrap();
    assert_eq!(
        (stock.effective, stock.actual),
        (Ratio::new(2, 2), Ratio::new(2, 2))
    );
    assert_eq!((stock.lost_here, stock.calls.unseen), (2, 1));
}

#[test]
fn an_address_is_named_after_the_service_that_answers_there_even_when_nobody_does() {
    let analysis = analyse(&traces(), &AnalysisOptions::default());
    let names: Vec<_> = analysis.hops.iter().map(|hop| hop.hop.as_str()).collect();
    assert_eq!(names, ["shop", "stock"]);
}

#[test]
fn an_address_behind_which_several_services_answer_keeps_its_own_name() {
    let mut spans = traces();
    spans[2].service = Arc::from("other");
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(analysis.hop("10.0.0.7").unwrap().lost_here, 1);
}

#[test]
fn without_a_client_the_outermost_request_is_the_root_and_the_view_says_so() {
    let analysis = analyse(&traces(), &AnalysisOptions::default());
    assert_eq!(analysis.root.view, RootView::Edge);
    assert_eq!(analysis.root.outcomes.availability(), Ratio::new(2, 2));
    assert_eq!(
        analysis.hops[1].cumulative,
        analysis.root.outcomes.availability()
    );
    let mut under_a_tracing_client = traces();
    under_a_tracing_client[0].parent = SpanId::new(99);
    let analysis = analyse(&under_a_tracing_client, &AnalysisOptions::default());
    assert_eq!(
        (
            analysis.root.outcomes.offered,
            analysis.completeness.orphans
        ),
        (4, 1)
    );
}

#[test]
fn a_trace_in_pieces_with_no_root_at_all_is_one_request_all_the_same() {
    let mut spans = trace(1, Some(200));
    spans[0].parent = SpanId::new(99);
    spans[2].parent = SpanId::new(98);
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(
        (
            analysis.root.outcomes.offered,
            analysis.completeness.orphans
        ),
        (1, 2)
    );
}

#[test]
fn a_callee_that_never_sends_spans_is_not_taken_for_missing_ones() {
    let mut query = to_address(span(1, 2, 1, Kind::Client, "shop"), "postgresql", None);
    query.error = false;
    let spans = [answered(span(1, 1, 0, Kind::Server, "shop"), 200), query];
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(
        analysis.hop("postgresql").unwrap().effective,
        Ratio::new(1, 0)
    );
    let completeness = &analysis.completeness;
    assert_eq!(
        (completeness.unpaired.uninstrumented, completeness.missing()),
        (1, 0)
    );
}

#[test]
fn a_server_without_a_client_span_above_it_still_counts_as_called() {
    let spans = [
        answered(span(1, 1, 0, Kind::Server, "shop"), 502),
        answered(span(1, 2, 1, Kind::Server, "shop"), 502), // a second layer of the framework
        answered(span(1, 3, 2, Kind::Server, "stock"), 500),
    ];
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(analysis.hop("stock").unwrap().lost_here, 1);
    assert_eq!(analysis.hop("shop").unwrap().requests.outcomes.offered, 1);
}

#[test]
fn work_on_a_queued_message_is_nobodys_failure_above() {
    let spans = [
        answered(span(1, 1, 0, Kind::Server, "shop"), 500),
        span(1, 2, 1, Kind::Producer, "shop"),
        span(1, 3, 2, Kind::Consumer, "mailer"),
        to_address(span(1, 4, 3, Kind::Client, "mailer"), "smtp", None),
    ];
    let analysis = analyse(&spans, &AnalysisOptions::default());
    assert_eq!(analysis.hop("shop").unwrap().lost_here, 1);
    assert_eq!(analysis.hop("smtp").unwrap().calls.self_failures, 1);
}

#[test]
fn a_client_that_left_without_a_word_leaves_the_cause_cancelled() {
    let mut root = span(1, 1, 0, Kind::Server, "shop");
    root.cause = Some(Cause::Cancelled);
    let analysis = analyse(&[root], &AnalysisOptions::default());
    assert_eq!(analysis.hops[0].lost_by_cause[&Cause::Cancelled], 1);
}
