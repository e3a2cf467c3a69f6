//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>) in and out of HTTP headers.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The context in which the sender of `headers` made its request; empty if there is none, or if
/// it is not written as the standard says: then the request starts a new trace (§ 4.3).
pub fn extract(headers: &HeaderMap) -> Context {
    let Some(parent) = parent(headers) else {
        return Context::new();
    };
    let from = From {
        parent,
        state: state(headers),
    };
    TraceContextPropagator::new().extract_with_context(&Context::new(), &from)
}

/// Writes `context` into `headers`.
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut Into(headers));
}

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// The most members that a `tracestate` may have (§ 3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// The one `traceparent`, if it is well formed.
fn parent(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(PARENT).iter();
    let (Some(parent), None) = (all.next(), all.next()) else {
        return None;
    };
    parent.to_str().ok().filter(|parent| is_well_formed(parent))
}

/// Whether it is a `traceparent` of version 00, or of a later one that starts like it (§ 3.2):
/// version, trace, parent and flags in lower-case hexadecimal digits, divided by dashes.
fn is_well_formed(parent: &str) -> bool {
    const LENGTHS: [usize; 4] = [2, 32, 16, 2];
    let mut parts = parent.split('-');
    let is_hex = |part: &str| {
        part.bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let fits = |length| {
        parts
            .next()
            .is_some_and(|part| part.len() == length && is_hex(part))
    };
    let all_fit = LENGTHS.into_iter().all(fits);
    // What follows belongs to a later version; 00 has nothing more, and ff is forbidden.
    let is_last = parts.next().is_none();
    all_fit && !parent.starts_with("ff") && (is_last || !parent.starts_with("00"))
}

/// All lines of `tracestate` as one; empty if it has too many members.
fn state(headers: &HeaderMap) -> String {
    let lines = headers.get_all(STATE).iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    let members = lines.iter().flat_map(|line| line.split(','));
    let members: Vec<_> = members.map(str::trim).filter(|it| !it.is_empty()).collect();
    if members.len() > MOST_MEMBERS {
        return String::new();
    }
    members.join(",")
}

struct From<'a> {
    parent: &'a str,
    state: String,
}

impl Extractor for From<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => Some(self.parent),
            STATE => Some(&self.state),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
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

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let value = |value| HeaderValue::from_str(value).unwrap();
        let lines = lines
            .iter()
            .map(|(name, line)| (HeaderName::from_static(name), value(line)));
        let mut headers = HeaderMap::new();
        lines.for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }

    fn continues(lines: &[(&'static str, &str)]) -> bool {
        let context = extract(&headers(lines));
        context.span().span_context().is_valid()
    }

    #[test]
    fn a_traceparent_that_is_not_well_formed_starts_a_new_trace() {
        for wrong in [
            String::new(),
            "00-xyz".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("+0-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-00000000000000000000000000000000-{SPAN}-01"),
        ] {
            assert!(!continues(&[(PARENT, &wrong)]), "{wrong}");
        }
        let right = format!("00-{TRACE}-{SPAN}-01");
        assert!(continues(&[(PARENT, &right)]));
        assert!(
            !continues(&[(PARENT, &right), (PARENT, &right)]),
            "two lines"
        );
    }

    #[test]
    fn a_later_version_of_traceparent_is_read_as_far_as_it_is_known() {
        assert!(continues(&[(PARENT, &format!("01-{TRACE}-{SPAN}-01"))]));
        assert!(continues(&[(
            PARENT,
            &format!("cc-{TRACE}-{SPAN}-01-more")
        )]));
        assert!(!continues(&[(
            PARENT,
            &format!("cc-{TRACE}-{SPAN}-01more")
        )]));
    }

    #[test]
    fn lines_of_tracestate_are_one_list_of_at_most_32_members() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let state = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (STATE, *line));
            let lines: Vec<_> = [(PARENT, &*parent)].into_iter().chain(lines).collect();
            let context = extract(&headers(&lines));
            assert!(context.span().span_context().is_valid());
            context.span().span_context().trace_state().header()
        };
        assert_eq!(state(&["a=1, b=2", "", "c=3,"]), "a=1,b=2,c=3");
        assert_eq!(state(&["not a member"]), "");
        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("k{n}=v")).collect();
            members.join(",")
        };
        assert_eq!(state(&[&members(32)]), members(32));
        assert_eq!(state(&[&members(20), &members(13)]), "", "33 members");
    }
}
