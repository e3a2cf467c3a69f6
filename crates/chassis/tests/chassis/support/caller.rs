//! A service that calls another one named `auth`.

use super::{Callee, Watch, attribute};
use chassis::{
    Answer, Call, CallError, Policy, RequestContext, Upstream,
    outbound::{self, Outbound},
};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use resilience::deadline::Deadline;
use std::time::Duration;
use tokio::time::Instant;
use types::{Cause, Outcome};
use url::Url;

/// The caller, on behalf of the request `r-1`.
#[derive(Debug)]
pub struct Caller {
    pub watch: Watch,
    pub context: RequestContext,
    pub policy: Policy,
}

impl Caller {
    pub fn new() -> Self {
        Self {
            watch: Watch::new("gateway"),
            context: RequestContext::new("r-1"),
            policy: Policy::default(),
        }
    }

    /// A caller that gives an attempt a time that is short, as nothing will answer in it.
    pub fn impatient() -> Self {
        let mut caller = Self::new();
        caller.policy.attempt_timeout = Some(Duration::from_millis(80));
        caller
    }

    /// A caller whose request must be done `budget` from now.
    pub fn with_deadline(budget: Duration) -> Self {
        let mut caller = Self::new();
        caller.context.deadline = Deadline::after(Instant::now(), budget);
        caller
    }

    /// The callee `name` at `url`.
    pub fn upstream(&self, name: &str, url: &Url) -> Upstream {
        self.upstream_at(name, std::slice::from_ref(url))
    }

    /// The callee `name`, whose replicas are at `urls`.
    pub fn upstream_at(&self, name: &str, urls: &[Url]) -> Upstream {
        Upstream::new(&Outbound {
            callee: name.into(),
            replicas: urls.into(),
            tracer: self.watch.tracer(),
            instruments: self.watch.instruments.clone(),
            client: outbound::client().unwrap(),
            policy: self.policy.into(),
        })
    }

    /// One call of `auth` at `url`.
    pub async fn call(&self, url: &Url) -> Result<Answer, CallError> {
        let call = Call::get("auth.ask", "/v1/ask");
        self.upstream("auth", url).call(&self.context, call).await
    }

    /// One call of `callee`.
    pub async fn ask(&self, callee: &Callee) -> Result<Answer, CallError> {
        self.call(&callee.url).await
    }

    /// Asserts that what was seen is one call without an attempt, which failed like this.
    #[track_caller]
    pub fn saw_a_call_without_attempts(&self, cause: Cause) -> SpanData {
        let call = self.only_call(Outcome::Failed, Some(cause));
        assert_eq!(attribute(&call, "nines.call.attempts").unwrap(), "0");
        assert!(self.watch.spans(&SpanKind::Client).is_empty());
        assert_eq!(self.watch.count("nines_attempts_total", &[]), 0);
        call
    }

    /// Asserts that what was seen is one call of one attempt, both of which ended like this,
    /// in spans and metrics alike; the call's span and the attempt's.
    #[track_caller]
    pub fn saw_one(&self, outcome: Outcome, cause: Option<Cause>) -> (SpanData, SpanData) {
        let call = self.only_call(outcome, cause);
        assert_eq!(attribute(&call, "nines.call.attempts").unwrap(), "1");
        let attempts = self.watch.spans(&SpanKind::Client);
        assert_eq!(attempts.len(), 1, "{attempts:#?}");
        let attempt = attempts.into_iter().next().unwrap();
        assert_eq!(attempt.parent_span_id, call.span_context.span_id());
        let word = cause.map(|cause| cause.to_string());
        assert_eq!(attribute(&attempt, "nines.cause"), word);
        self.counted_one("nines_attempts_total", outcome, cause);
        let durations = "http_client_request_duration_seconds_count";
        assert_eq!(self.watch.count(durations, &[]), 1);
        (call, attempt)
    }

    /// The span of the only call.
    #[track_caller]
    pub fn only_call(&self, outcome: Outcome, cause: Option<Cause>) -> SpanData {
        let calls = self.watch.spans(&SpanKind::Internal);
        assert_eq!(calls.len(), 1, "{calls:#?}");
        let call = calls.into_iter().next().unwrap();
        let said = attribute(&call, "nines.call.outcome");
        assert_eq!(said, Some(outcome.to_string()));
        let word = cause.map(|cause| cause.to_string());
        assert_eq!(attribute(&call, "nines.call.cause"), word);
        self.counted_one("nines_calls_total", outcome, cause);
        call
    }

    #[track_caller]
    fn counted_one(&self, metric: &str, outcome: Outcome, cause: Option<Cause>) {
        let word = cause.map_or("none", Cause::as_str);
        let labels = [
            ("outcome", outcome.as_str()),
            ("cause", word),
            ("peer", "auth"),
        ];
        assert_eq!(self.watch.count(metric, &[]), 1, "{metric}");
        assert_eq!(self.watch.count(metric, &labels), 1, "{metric} {labels:?}");
    }
}
