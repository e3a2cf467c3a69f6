//! Which replica a call goes to, and how that is seen.

use super::{Outbound, breaker::ByAnswer, replica::Replica};
use crate::Instruments;
use opentelemetry::{Context, KeyValue};
use resilience::balance::{Balance, BalancePolicy, Board, Ejection, ObserveBalance};
use std::sync::Arc;
use tokio::time::Instant;
use types::attribute;

/// What is known of a callee's replicas, and since when it counts the time.
pub(super) type Known = (Arc<Board>, Instant);

/// What is known of `replicas` under a new policy: what each knows of itself, in the time that
/// counted `before`, and who was active.
pub(super) fn board(
    policy: BalancePolicy,
    replicas: &[Replica],
    before: Option<(&Known, &[Replica])>,
) -> Known {
    let states = replicas.iter().map(|replica| replica.state.clone());
    let board = Board::new(policy, states.collect());
    if policy.settings().check.is_none() {
        // Nobody would ever notice that one is back.
        (0..replicas.len()).for_each(|place| board.set_up(place, true));
    }
    let Some(((known, origin), replicas_before)) = before else {
        return (Arc::new(board), Instant::now());
    };
    let active = replicas_before.get(known.active());
    let named = |active: &Replica| replicas.iter().position(|it| it.name == active.name);
    if let Some(place) = active.and_then(named) {
        board.set_active(place);
    }
    (Arc::new(board), *origin)
}

/// Spreads calls over `replicas`, each of which `reach` gets at.
pub(super) fn over<S>(
    outbound: &Outbound,
    known: Known,
    replicas: &[Replica],
    reach: impl Fn(&Replica) -> S,
) -> Balance<S, ByAnswer, Watch> {
    let watch = Watch {
        callee: outbound.callee.clone(),
        names: replicas
            .iter()
            .map(|replica| replica.name.clone())
            .collect(),
        instruments: outbound.instruments.clone(),
    };
    let services = replicas.iter().map(reach).collect();
    Balance::on(known, services, ByAnswer, watch)
}

/// Puts ejections into metrics, the log, and the span of the call that caused them.
#[derive(Debug)]
pub(super) struct Watch {
    callee: Arc<str>,
    names: Vec<Arc<str>>,
    instruments: Instruments,
}

impl<R> ObserveBalance<R> for Watch {
    fn ejected(&self, ejection: &Ejection) {
        let Some(replica) = self.names.get(ejection.replica) else {
            return;
        };
        let callee = &self.callee;
        let milliseconds = ejection.time.as_secs_f64() * 1e3;
        tracing::warn!(%callee, %replica, milliseconds, "replica ejected");
        self.instruments.replica_ejected(callee);
        telemetry::request::add_event(
            &Context::current(),
            attribute::EJECTION_EVENT,
            vec![
                KeyValue::new(attribute::PEER, callee.clone()),
                KeyValue::new(attribute::REPLICA, replica.clone()),
                KeyValue::new(attribute::EJECTION_MS, milliseconds),
            ],
        );
    }
}
