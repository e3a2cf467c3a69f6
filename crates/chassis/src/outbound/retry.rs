//! Retries of calls to a callee, and how they are seen.

use opentelemetry::{Context, KeyValue};
use resilience::retry::{ObserveRetry, RetryLayer, RetryPolicy};
use std::time::Duration;
use types::attribute;

/// The retries that `policy` asks for.
pub(super) fn layer(policy: RetryPolicy) -> RetryLayer<Watch> {
    RetryLayer::with(policy, Watch)
}

/// Notes each retry on the span of its call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch;

impl ObserveRetry for Watch {
    fn scheduled(&self, number: u32, pause: Duration) {
        let context = Context::current();
        telemetry::request::add_event(
            &context,
            attribute::RETRY_EVENT,
            vec![
                KeyValue::new(attribute::RETRY_NUMBER, i64::from(number)),
                KeyValue::new(attribute::RETRY_PAUSE_MS, pause.as_secs_f64() * 1e3),
            ],
        );
    }
}
