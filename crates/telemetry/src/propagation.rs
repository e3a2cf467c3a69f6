//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>) in and out of HTTP headers.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The context in which the sender of `headers` made its request; empty if there is none.
pub fn extract(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &From(headers))
}

/// Writes `context` into `headers`.
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut Into(headers));
}

struct From<'a>(&'a HeaderMap);

impl Extractor for From<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Into<'a>(&'a mut HeaderMap);

impl Injector for Into<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::from_bytes(key.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
    };

    #[test]
    fn a_context_survives_the_way_through_headers() {
        let span = SpanContext::new(
            TraceId::from(7_u128),
            SpanId::from(9_u64),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let mut headers = HeaderMap::new();
        inject(
            &Context::new().with_remote_span_context(span.clone()),
            &mut headers,
        );
        assert_eq!(extract(&headers).span().span_context(), &span);
        assert_eq!(headers.len(), 1, "no empty tracestate is sent");
    }

    #[test]
    fn garbage_in_the_header_is_no_context() {
        let mut headers = HeaderMap::new();
        for garbage in [
            "",
            "00-xyz",
            "00-00000000000000000000000000000000-0000000000000000-01",
        ] {
            headers.insert("traceparent", HeaderValue::from_str(garbage).unwrap());
            assert!(!extract(&headers).span().span_context().is_valid());
        }
    }
}
