//! What Jaeger's answer says: one chunk or several, each with spans or with an error.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde::Deserialize;
use serde_json::Value;

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Wrong {
    #[error("{0}")]
    NotJson(#[from] serde_json::Error),
    #[error("an object with neither `result` nor `error`")]
    Neither,
    #[error("Jaeger says: {0}")]
    Said(String),
}

/// A streamed answer is a chunk after the other, with or without white space in between.
#[derive(Deserialize)]
struct Chunk {
    result: Option<ExportTraceServiceRequest>,
    error: Option<Value>,
}

/// The spans of all chunks; none of an empty answer.
pub(super) fn spans(body: &[u8]) -> Result<ExportTraceServiceRequest, Wrong> {
    let mut all = ExportTraceServiceRequest::default();
    for chunk in serde_json::Deserializer::from_slice(body).into_iter::<Chunk>() {
        match chunk? {
            Chunk {
                error: Some(error), ..
            } => return Err(Wrong::Said(super::begin_of(&error.to_string()))),
            Chunk {
                result: Some(result),
                ..
            } => all.resource_spans.extend(result.resource_spans),
            Chunk { .. } => return Err(Wrong::Neither),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use proptest::prelude::*;

    const SPAN: &str = r#"{"result":{"resourceSpans":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"auth"}}]},"scopeSpans":[{"spans":[{
        "traceId":"5b8aa5a2d2c872e8321cf37308d69df2","spanId":"051581bf3cb55c13",
        "name":"GET /","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}}"#;

    #[test]
    fn the_spans_of_all_chunks_are_one_answer() {
        for between in ["", " ", "\n"] {
            let body = [SPAN, between, SPAN].concat();
            let spans = decode(&spans(body.as_bytes()).unwrap()).spans;
            assert_eq!(spans.len(), 2);
            assert_eq!(&*spans[1].service, "auth");
        }
        assert!(spans(b"").unwrap().resource_spans.is_empty());
        assert!(
            spans(br#"{"result":{}}"#)
                .unwrap()
                .resource_spans
                .is_empty()
        );
    }

    #[test]
    fn an_answer_that_holds_no_spans_says_what_is_wrong_with_it() {
        for (body, why) in [
            (r#"{"error":{"message":"no storage"}}"#, "no storage"),
            ("{}", "neither"),
            ("[]", "expected"),
            ("nonsense", "expected"),
            (&SPAN[..100], "EOF"),
            (r#"{"result":{"resourceSpans":7}}"#, "expected"),
        ] {
            let said = spans(body.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(why), "{body}: {said}");
        }
        let halfway = [SPAN, r#"{"error":"the rest is lost"}"#].concat();
        assert!(spans(halfway.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = spans(&body);
        }

        #[test]
        fn no_answer_that_is_nearly_right_breaks_it(
            at in 0..SPAN.len(),
            byte in any::<u8>(),
            cut in 0..=SPAN.len(),
        ) {
            let mut body = SPAN.as_bytes().to_vec();
            body[at] = byte;
            body.truncate(cut);
            if let Ok(spans) = spans(&body) {
                decode(&spans);
            }
        }
    }
}
