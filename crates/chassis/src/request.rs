//! What a service knows about the request it is handling.

use crate::calls_made::CallsMade;
use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderValue, request::Parts};
use rand::RngExt;
use resilience::deadline::Deadline;
use std::{convert::Infallible, sync::Arc, time::Duration};
use types::{Outcome, header};

/// Identity and limits of a request, handed on to every call made for it.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The request's identity, the same in every service it reaches.
    pub request_id: Arc<str>,
    /// Which attempt of which call this is, from the edge down; empty at the edge.
    pub attempt_path: Arc<str>,
    /// When the answer must be there, if anybody set a time.
    pub deadline: Option<Deadline>,
    calls: Arc<CallsMade>,
}

impl RequestContext {
    /// A request that begins here.
    pub fn new(request_id: impl Into<Arc<str>>) -> Self {
        Self {
            request_id: request_id.into(),
            attempt_path: "".into(),
            deadline: None,
            calls: Arc::default(),
        }
    }

    /// The request as its sender describes it; one without an acceptable id gets a new one.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text(header::REQUEST_ID).filter(|id| header::is_request_id(id));
        let path = text(header::ATTEMPT_PATH).filter(|path| path.len() <= header::ATTEMPT_PATH_MAX);
        let path = path.unwrap_or_default();
        Self {
            request_id: id.map_or_else(random_id, Arc::from),
            attempt_path: path.into(),
            deadline: None,
            calls: Arc::default(),
        }
    }

    /// Counts a call to `callee`, made for this request; the number of those before it.
    pub(crate) fn count_call(&self, callee: &Arc<str>) -> u32 {
        self.calls.began(callee)
    }

    /// Notes how long a call to `callee`, made for this request, took, and how it ended.
    pub(crate) fn call_ended(&self, callee: &Arc<str>, took: Duration, outcome: Outcome) {
        self.calls.ended(callee, took, outcome);
    }

    /// Where the time went: the value of `Server-Timing`, if calls were made for this request.
    pub(crate) fn server_timing(&self) -> Option<HeaderValue> {
        self.calls.server_timing()
    }

    /// The path of attempt number `attempt` of call number `call` to `callee`, made for this
    /// request: `auth:1`, and from the second call on `auth.1:1`.
    pub(crate) fn child_path(&self, callee: &str, call: u32, attempt: u32) -> String {
        let parent = &self.attempt_path;
        let separator = if parent.is_empty() { "" } else { "/" };
        match call {
            0 => format!("{parent}{separator}{callee}:{attempt}"),
            _ => format!("{parent}{separator}{callee}.{call}:{attempt}"),
        }
    }
}

/// The time that the sender of `headers` is willing to wait.
pub(crate) fn budget(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::DEADLINE_MS)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_millis)
}

fn random_id() -> Arc<str> {
    format!("{:032x}", rand::rng().random::<u128>()).into()
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<Self>().cloned();
        Ok(context.unwrap_or_else(|| Self::from_headers(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_every_call_and_attempt_from_the_edge_down() {
        let edge = RequestContext::new("r-1");
        assert_eq!(edge.child_path("gateway", 0, 0), "gateway:0");
        let inner = RequestContext {
            attempt_path: "gateway:0".into(),
            ..edge
        };
        assert_eq!(inner.child_path("auth", 0, 2), "gateway:0/auth:2");
        assert_eq!(inner.child_path("auth", 1, 2), "gateway:0/auth.1:2");
    }

    #[test]
    fn a_request_id_that_could_do_harm_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(header::REQUEST_ID, "good-1".parse().unwrap());
        assert_eq!(
            &*RequestContext::from_headers(&headers).request_id,
            "good-1"
        );
        headers.insert(header::REQUEST_ID, "bad id".parse().unwrap());
        assert_eq!(RequestContext::from_headers(&headers).request_id.len(), 32);
    }
}
