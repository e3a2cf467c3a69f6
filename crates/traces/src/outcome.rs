//! How a span says it ended: by its explicit word where it has one, else by the
//! conventions every instrumented system follows.

use crate::span::Span;
use types::{Cause, Outcome};

/// How a call ended. A span that is no call by its own word is read as an exchange.
pub fn of_call(span: &Span) -> Outcome {
    span.call_outcome.unwrap_or_else(|| of_exchange(span))
}

/// How an attempt or a request received ended.
///
/// Without an explicit outcome an HTTP status decides before the span's status does:
/// client spans mark every 404 as an error, though the service did its work.
pub fn of_exchange(span: &Span) -> Outcome {
    span.outcome.unwrap_or_else(|| {
        let failed = match (span.cause, span.http_status) {
            (Some(Cause::Cancelled), _) => true,
            (_, Some(status)) => status >= 500,
            (_, None) => span.error,
        };
        if failed { Outcome::Failed } else { Outcome::Ok }
    })
}

/// Why a call failed, if it did and said so.
pub fn cause_of_call(span: &Span) -> Option<Cause> {
    match of_call(span) {
        Outcome::Failed => span.call_cause.or_else(|| cause_of_exchange(span)),
        _ => None,
    }
}

/// Why an attempt or a request received failed, if it did and said so.
pub fn cause_of_exchange(span: &Span) -> Option<Cause> {
    let answered = span.http_status.is_some_and(|status| status >= 500);
    match of_exchange(span) {
        Outcome::Failed => span.cause.or(answered.then_some(Cause::Error)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{Kind, SpanId, TraceId};

    fn foreign(http_status: Option<u16>, error: bool) -> Span {
        let (trace, id) = (TraceId::new(1).unwrap(), SpanId::new(1).unwrap());
        Span {
            error,
            http_status,
            ..Span::new(trace, id, Kind::Client, "a".into())
        }
    }

    #[test]
    fn a_404_is_ok_although_client_spans_mark_it_as_an_error() {
        assert_eq!(of_exchange(&foreign(Some(404), true)), Outcome::Ok);
        assert_eq!(of_exchange(&foreign(Some(503), false)), Outcome::Failed);
        assert_eq!(
            cause_of_exchange(&foreign(Some(503), false)),
            Some(Cause::Error)
        );
    }

    #[test]
    fn without_a_status_of_http_the_status_of_the_span_decides() {
        assert_eq!(of_exchange(&foreign(None, true)), Outcome::Failed);
        assert_eq!(cause_of_exchange(&foreign(None, true)), None);
        assert_eq!(of_exchange(&foreign(None, false)), Outcome::Ok);
    }

    #[test]
    fn the_explicit_word_stands_above_everything() {
        let mut span = foreign(Some(200), false);
        span.outcome = Some(Outcome::Failed);
        span.cause = Some(Cause::Stale);
        assert_eq!(
            (of_exchange(&span), cause_of_exchange(&span)),
            (Outcome::Failed, Some(Cause::Stale))
        );
        span.call_outcome = Some(Outcome::Ok);
        assert_eq!((of_call(&span), cause_of_call(&span)), (Outcome::Ok, None));
    }
}
