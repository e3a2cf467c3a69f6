//! Problem details for HTTP APIs (RFC 9457), with the members that a chain of
//! services needs: which hop failed, from what, and whether trying again can help.

use crate::{Cause, StoppedBy};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, time::Duration};
use utoipa::ToSchema;

/// The media type of a problem (RFC 9457, section 3).
pub const CONTENT_TYPE: &str = "application/problem+json";

/// When whoever was refused by a full service may come again: the least that `Retry-After`
/// (RFC 9110, section 10.2.3) can say. What makes a service full is mostly over by then.
pub const COME_AGAIN: Duration = Duration::from_secs(1);

/// What went wrong, for the program and for the person who calls.
///
/// `code` is stable and meant for programs; `title` names the kind of problem and
/// `detail` this occurrence of it. Nothing internal (paths, SQL, secrets) belongs here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:nines:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Cow<'static, str>,
    /// The kind of problem in words; the same for every occurrence.
    #[schema(value_type = String)]
    pub title: Cow<'static, str>,
    /// The HTTP status, repeated so that a stored problem is complete.
    pub status: u16,
    /// This occurrence in words: the field, the value, and what is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The stable code, in kebab case.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// The service in which the failure originated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub hop: Option<Cow<'static, str>>,
    /// The last underlying failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What ended the trying, where a call to another service failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// Whether the same request may succeed when sent again.
    pub retryable: bool,
    /// After how many seconds trying again makes sense; also the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The request this belongs to, as in logs and spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem of the kind `code`, answered with `status`.
    ///
    /// It is not retryable and names no hop until told so.
    pub fn new(status: u16, code: &'static str, title: &'static str) -> Self {
        Self {
            kind: Cow::Owned(format!("urn:nines:problem:{code}")),
            title: Cow::Borrowed(title),
            status,
            detail: None,
            code: Cow::Borrowed(code),
            hop: None,
            cause: None,
            stopped_by: None,
            retryable: false,
            retry_after: None,
            request_id: None,
        }
    }

    /// Says what is wrong with this very request.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Names the service in which the failure originated.
    #[must_use]
    pub fn hop(mut self, hop: impl Into<Cow<'static, str>>) -> Self {
        self.hop = Some(hop.into());
        self
    }

    /// Names the underlying failure.
    #[must_use]
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Says what ended the trying.
    #[must_use]
    pub fn stopped_by(mut self, stopped_by: StoppedBy) -> Self {
        self.stopped_by = Some(stopped_by);
        self
    }

    /// Says that the same request may succeed when sent again.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Says when trying again makes sense: after `wait`, in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let more = u64::from(wait.subsec_nanos() > 0);
        self.retry_after = Some(wait.as_secs().saturating_add(more).max(1));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_hop_and_says_whether_retrying_helps() {
        let problem = Problem::new(502, "upstream-failed", "A service below failed")
            .hop("database")
            .cause(Cause::Refused)
            .stopped_by(StoppedBy::Attempts)
            .retryable(true);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:nines:problem:upstream-failed");
        assert_eq!(json["hop"], "database");
        assert_eq!(json["cause"], "refused");
        assert_eq!(json["retryable"], true);
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        for (ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            let wait = Duration::from_millis(ms);
            let problem = Problem::new(429, "c", "t").retry_after(wait);
            assert_eq!(problem.retry_after, Some(seconds), "{ms}");
        }
    }
}
