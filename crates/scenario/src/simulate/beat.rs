//! Heartbeats: callers ask replicas whether they are up, and tell them their role.

use super::world::{EXCHANGE, Spot, World};
use crate::plan::Phase;
use faults::RequestKey;
use futures_util::future::LocalBoxFuture;
use resilience::balance::CheckSettings;
use std::time::Duration;

/// Who asks: a replica of a service, which of its calls it is about, and whom of its callees.
#[derive(Debug, Clone, Copy)]
struct Pulse {
    caller: Spot,
    nth: usize,
    asked: Spot,
}

impl World<'_> {
    /// All heartbeats of the run, if there are any: each goes on for ever. Callees with one
    /// replica are not asked, for there is no choice.
    pub(super) fn heartbeats(&self) -> Vec<LocalBoxFuture<'_, ()>> {
        let is_checked = |phase: &Phase| check(phase).is_some();
        if !self.plan().phases().iter().any(is_checked) {
            return Vec::new();
        }
        let mut all: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
        for pulse in self.pulses() {
            // Nobody knows at which part of its period the run begins.
            let part = self.draw();
            all.push(Box::pin(self.beat(pulse, part)));
        }
        all
    }

    fn pulses(&self) -> Vec<Pulse> {
        let mut all = Vec::new();
        for (hop, service) in self.hops.iter().enumerate() {
            for (replica, _) in service.replicas.iter().enumerate() {
                for (nth, called) in service.calls.iter().enumerate() {
                    let callees = self.hops[called.callee].replicas.len();
                    let asked = (0..callees).filter(|_| callees > 1);
                    all.extend(asked.map(|asked| Pulse {
                        caller: Spot { hop, replica },
                        nth,
                        asked: Spot {
                            hop: called.callee,
                            replica: asked,
                        },
                    }));
                }
            }
        }
        all
    }

    async fn beat(&self, pulse: Pulse, part: f64) {
        let mut number: u64 = 0;
        let mut next = Duration::ZERO;
        loop {
            let phase = self.phase();
            let Some(check) = check(phase) else {
                // After the last phase there may still be requests under way.
                let is_to_come = |end: &Duration| *end > self.clock.now();
                let Some(end) = phase.end().filter(is_to_come) else {
                    return;
                };
                self.clock.sleep_until(end).await;
                continue;
            };
            if number == 0 {
                next = self.clock.now().saturating_add(check.every.mul_f64(part));
            }
            self.clock.sleep_until(next).await;
            let answered = self.ping(pulse, &check, number).await;
            self.hear(pulse, answered);
            number += 1;
            next = next.saturating_add(check.every).max(self.clock.now());
        }
    }

    /// Whether the replica answers in time; through its faults, as any request.
    async fn ping(&self, pulse: Pulse, check: &CheckSettings, number: u64) -> bool {
        let Pulse { caller, asked, .. } = pulse;
        let from = &self.hops[caller.hop].name;
        let key = RequestKey {
            request_id: format!("beat-{number}").into(),
            attempt_path: format!("{from}-{}", caller.replica).into(),
        };
        let limit = self.clock.now().saturating_add(check.timeout);
        let asking = async {
            self.clock.sleep(EXCHANGE).await;
            let replica = &self.hops[asked.hop].replicas[asked.replica];
            let decision = replica.decide(self.place(), &key, &self.clock);
            self.clock.sleep(decision.delay()).await;
            let silent = matches!(
                decision.end().map(|firing| firing.kind),
                Some(faults::FaultKind::Hang)
            );
            if silent {
                std::future::pending::<()>().await;
            }
            decision.end().is_none()
        };
        self.clock.by(Some(limit), asking).await.unwrap_or(false)
    }

    fn hear(&self, pulse: Pulse, answered: bool) {
        let Pulse { caller, nth, asked } = pulse;
        let line = self.line_of(caller, nth);
        let hop = &self.hops[asked.hop];
        let news = line.heard(asked.replica, answered);
        let Some(active) = line.active() else { return };
        let now = self.clock.now();
        if let Some(next) = news {
            hop.tell(next, true, now.saturating_add(EXCHANGE));
        }
        if answered {
            hop.tell(asked.replica, asked.replica == active, now);
        }
    }
}

fn check(phase: &Phase) -> Option<CheckSettings> {
    phase.policy.balancing().check
}
