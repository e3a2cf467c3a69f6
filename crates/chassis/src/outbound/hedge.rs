//! Second requests for calls that are slow, and how they are seen.

use opentelemetry::{Context, KeyValue};
use resilience::{
    hedge::{HedgeLayer, HedgePolicy, ObserveHedge},
    retry::RetryBudget,
};
use std::{sync::Arc, time::Duration};
use types::attribute;

/// The hedges that `policy` asks for; with retries they share their budget.
pub(super) fn layer(policy: HedgePolicy, shared: Option<Arc<RetryBudget>>) -> HedgeLayer<Watch> {
    HedgeLayer::with(policy, shared, Watch)
}

/// Notes each hedge on the span of its call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch;

impl ObserveHedge for Watch {
    fn scheduled(&self, number: u32, delay: Duration) {
        telemetry::request::add_event(
            &Context::current(),
            attribute::HEDGE_EVENT,
            vec![
                KeyValue::new(attribute::HEDGE_NUMBER, i64::from(number)),
                KeyValue::new(attribute::HEDGE_DELAY_MS, delay.as_secs_f64() * 1e3),
            ],
        );
    }
}
