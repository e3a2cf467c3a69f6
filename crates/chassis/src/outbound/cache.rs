//! Answers that may be used again: which ones, and how old ones are marked.

use super::{CallError, Outbound, exchange::outcome};
use crate::{Instruments, instruments::Found};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::AGE};
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, TraceContextExt},
};
use resilience::cache::{CacheLayer, CachePolicy, Freshness, Load, Storable};
use std::{sync::Arc, time::Duration};
use types::{Outcome, attribute, header};

/// The answers of a callee.
pub(super) type Layer = CacheLayer<Response<Bytes>, CallError, Rules>;

/// The cache that `policy` asks for.
pub(super) fn layer(outbound: &Outbound, policy: CachePolicy) -> Layer {
    let rules = Rules {
        callee: outbound.callee.clone(),
        instruments: outbound.instruments.clone(),
    };
    CacheLayer::new(policy, rules)
}

/// Complete answers are kept. One that denies something, or says that it is not there, takes
/// away what was kept: nobody is let in, or shown anything, by an answer of before.
#[derive(Debug)]
pub(super) struct Rules {
    callee: Arc<str>,
    instruments: Instruments,
}

impl Storable<Response<Bytes>, CallError> for Rules {
    fn may_store(&self, result: &Result<Response<Bytes>, CallError>) -> bool {
        let is_complete = |answer: &Response<Bytes>| {
            answer.status() == StatusCode::OK && outcome(answer.headers()) == Outcome::Ok
        };
        result.as_ref().is_ok_and(is_complete)
    }

    fn drops(&self, result: &Result<Response<Bytes>, CallError>) -> bool {
        let denials = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
            StatusCode::GONE,
        ];
        let denies = |answer: &Response<Bytes>| denials.contains(&answer.status());
        result.as_ref().is_ok_and(denies)
    }

    /// Degraded, and how old it is (RFC 9111, section 5.1).
    fn stale(&self, mut answer: Response<Bytes>, age: Duration) -> Response<Bytes> {
        let degraded = HeaderValue::from_static(Outcome::Degraded.as_str());
        let headers = answer.headers_mut();
        headers.insert(HeaderName::from_static(header::OUTCOME), degraded);
        headers.insert(AGE, age.as_secs().into());
        let age = KeyValue::new(attribute::CACHE_AGE_MS, age.as_secs_f64() * 1e3);
        Context::current().span().set_attribute(age);
        answer
    }

    /// The load is a part of the call that began it.
    fn detached(&self, load: Load<Response<Bytes>, CallError>) -> Load<Response<Bytes>, CallError> {
        Box::pin(load.with_context(Context::current()))
    }

    fn looked_up(&self, found: Freshness) {
        let found = match found {
            Freshness::Fresh => Found::Fresh,
            Freshness::Stale(_) => Found::Stale,
            Freshness::Gone => Found::Nothing,
        };
        self.instruments.looked_up(&self.callee, found);
        let found = KeyValue::new(attribute::CACHE_FOUND, found.as_str());
        Context::current().span().set_attribute(found);
    }
}
