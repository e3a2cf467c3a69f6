//! What holds for any story, however it ends.

use crate::story::*;
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;
use traces::{Analysis, AnalysisOptions, Ratio, Span, analyse};
use types::{Cause, Outcome};

fn any_end() -> impl Strategy<Value = End> {
    let causes = prop::sample::select(Cause::ALL);
    prop_oneof![3 => Just(OK), 1 => Just(DEGRADED), 3 => causes.prop_map(failed)]
}

fn any_call() -> impl Strategy<Value = Call> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d"]);
    let leaf = (name(), any_end()).prop_map(|(callee, end)| call(callee, end, vec![]));
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let request = (any_end(), vec(inner, 0..3)).prop_map(|(end, calls)| Request {
            end,
            fault: None,
            calls,
        });
        let attempt = (any_end(), prop::option::weighted(0.9, request))
            .prop_map(|(end, request)| Attempt { end, request });
        (name(), any_end(), vec(attempt, 0..3))
            .prop_map(|(callee, end, attempts)| attempted(callee, end, attempts))
    })
}

fn any_run() -> impl Strategy<Value = Vec<Call>> {
    vec(any_call(), 1..8)
}

fn spans_of(run: &[Call]) -> Vec<Span> {
    (1..)
        .zip(run)
        .flat_map(|(trace, root)| tell(trace, "r", root))
        .collect()
}

fn analysed(spans: &[Span]) -> Analysis {
    analyse(spans, &AnalysisOptions::default())
}

fn is_failed(end: End) -> bool {
    end.outcome == Outcome::Failed
}

/// The hop a failed call is to be blamed on, told from the story itself.
fn origin(call: &Call) -> &str {
    let attempt = call
        .attempts
        .iter()
        .rfind(|a| is_failed(a.end))
        .or(call.attempts.last());
    let request = attempt
        .filter(|a| is_failed(a.end))
        .and_then(|a| a.request.as_ref());
    let below = request.filter(|r| is_failed(r.end));
    match below.and_then(last_to_blame) {
        Some(child) => origin(child),
        None => &call.callee,
    }
}

fn last_to_blame(request: &Request) -> Option<&Call> {
    let mut calls = request.calls.iter();
    calls.rfind(|call| is_failed(call.end) && !is_dropped(call, request))
}

/// Whether a request that failed for another reason dropped this call, or could not make it.
fn is_dropped(call: &Call, request: &Request) -> bool {
    let is_other = |call: &Call| is_failed(call.end) && call.end != CANCELLED;
    let last = call.attempts.last().map(|attempt| attempt.end);
    call.end == failed(Cause::Exhausted)
        || call.end == CANCELLED
            && match request.end.cause {
                Some(Cause::Cancelled) => false,
                Some(Cause::Timeout) => {
                    last != Some(failed(Cause::Timeout)) && request.calls.iter().any(is_other)
                }
                _ => true,
            }
}

proptest! {
    #[test]
    fn every_failed_root_request_is_lost_at_exactly_one_hop(run in any_run()) {
        let analysis = analysed(&spans_of(&run));
        let mut expected = BTreeMap::new();
        for root in run.iter().filter(|root| is_failed(root.end)) {
            *expected.entry(origin(root)).or_insert(0) += 1;
        }
        let found = analysis.hops.iter().filter(|hop| hop.lost_here > 0);
        let found: BTreeMap<_, _> = found.map(|hop| (hop.hop.as_str(), hop.lost_here)).collect();
        prop_assert_eq!(found, expected);
        let failed = analysis.root.outcomes.failed.total;
        prop_assert_eq!(analysis.hops.iter().map(|hop| hop.lost_here).sum::<u64>(), failed);
        prop_assert_eq!(analysis.failures.len() as u64, failed);
    }

    #[test]
    fn the_staircase_only_goes_down_and_ends_at_the_roots_availability(run in any_run()) {
        let analysis = analysed(&spans_of(&run));
        let steps: Vec<_> = analysis.hops.iter().map(|hop| hop.cumulative).collect();
        prop_assert!(steps.windows(2).all(|pair| pair[0].successes() >= pair[1].successes()));
        prop_assert_eq!(*steps.last().unwrap(), analysis.root.outcomes.availability());
    }

    #[test]
    fn every_call_and_every_attempt_is_counted_once(run in any_run()) {
        let analysis = analysed(&spans_of(&run));
        for hop in &analysis.hops {
            let (calls, own) = (&hop.calls, &hop.own);
            let accounted = calls.self_failures + calls.propagated + calls.not_tried
                + calls.abandoned;
            prop_assert_eq!(calls.outcomes.failed.total, accounted);
            prop_assert_eq!(hop.effective, Ratio::new(
                calls.outcomes.ok + calls.outcomes.degraded, accounted - calls.abandoned));
            prop_assert!(own.entry + own.late + own.propagated <= own.reached);
            prop_assert!(own.reached <= hop.attempts.first && hop.attempts.first <= calls.outcomes.offered);
            prop_assert!(own.value().is_none_or(|own| (0.0..=1.0).contains(&own)));
            prop_assert_eq!(hop.attempts.outcomes.offered, hop.requests.outcomes.offered
                + hop.unpaired.refused + hop.unpaired.others());
        }
        prop_assert_eq!(analysis.completeness.orphans, 0);
        prop_assert_eq!(analysis.completeness.attempts_missing, 0);
    }

    #[test]
    fn the_order_of_arrival_changes_nothing(
        (spans, shuffled) in any_run().prop_map(|run| spans_of(&run))
            .prop_flat_map(|spans| (Just(spans.clone()), Just(spans).prop_shuffle())),
    ) {
        prop_assert_eq!(analysed(&spans), analysed(&shuffled));
    }

    #[test]
    fn spans_that_come_twice_change_nothing_but_the_count_of_duplicates(run in any_run()) {
        let mut spans = spans_of(&run);
        let once = analysed(&spans);
        spans.extend(spans.clone());
        let mut twice = analysed(&spans);
        prop_assert_eq!(twice.completeness.duplicates, once.completeness.spans);
        twice.completeness.duplicates = 0;
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn spans_in_any_disorder_are_analysed_without_harm(
        run in any_run(),
        harm in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..5), 0..20),
    ) {
        let mut spans = spans_of(&run);
        for (one, other, what) in harm {
            let (one, other) = (one.index(spans.len()), other.index(spans.len()));
            match what {
                0 => spans[one].parent = Some(spans[other].id),
                1 => spans[one].id = spans[other].id,
                2 => spans[one].end = spans[other].start,
                3 => spans[one].trace = spans[other].trace,
                _ => spans[one].kind = spans[other].kind,
            }
        }
        let analysis = analysed(&spans);
        let lost: u64 = analysis.hops.iter().map(|hop| hop.lost_here).sum();
        prop_assert_eq!(lost, analysis.root.outcomes.failed.total);
        let kept = analysis.completeness.spans + analysis.completeness.duplicates;
        prop_assert_eq!(kept, spans.len() as u64);
    }
}
