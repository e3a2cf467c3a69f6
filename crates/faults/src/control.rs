//! Reading and replacing the faults of a running service.

use crate::{Decision, FaultSet, Injector, RequestKey};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// The faults of one replica of one service, shared between the layer that injects them
/// and whoever changes them. A request keeps the decision it began with.
#[derive(Debug, Clone)]
pub struct FaultControl {
    service: Arc<str>,
    replica: Arc<str>,
    current: Arc<RwLock<Arc<InForce>>>,
}

/// Faults, and how much of their time had passed at a moment. From then on only tokio's clock
/// counts, so that setting the wall clock moves no outage.
#[derive(Debug)]
struct InForce {
    injector: Injector,
    since: Instant,
    begun: Duration,
}

impl FaultControl {
    /// No faults yet, for `replica` of `service`.
    pub fn new(service: impl Into<Arc<str>>, replica: impl Into<Arc<str>>) -> Self {
        let (service, replica) = (service.into(), replica.into());
        let none = InForce::new(FaultSet::default(), service.clone(), replica.clone());
        Self {
            service,
            replica,
            current: Arc::new(RwLock::new(Arc::new(none))),
        }
    }

    /// The faults in force.
    pub fn get(&self) -> Arc<FaultSet> {
        self.in_force().injector.faults().clone()
    }

    /// Replaces the faults in force, for requests that arrive from now on. A set that names
    /// no time zero has it now and keeps it, so that one which is read, changed and sent back
    /// begins no outage anew.
    pub fn set(&self, mut faults: FaultSet) {
        faults.begin.get_or_insert_with(this_millisecond);
        let new = InForce::new(faults, self.service.clone(), self.replica.clone());
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// Whether no request can be hit, now or later.
    pub fn is_idle(&self) -> bool {
        self.in_force().injector.faults().faults.is_empty()
    }

    /// Decides what happens to the request `key` that arrives now.
    pub fn decide(&self, key: &RequestKey) -> Decision {
        let current = self.in_force();
        current.injector.decide(key, current.elapsed())
    }

    fn in_force(&self) -> Arc<InForce> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl InForce {
    fn new(faults: FaultSet, service: Arc<str>, replica: Arc<str>) -> Self {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let (since, begun) = match wall.duration_since(faults.begin.unwrap_or(wall)) {
            Ok(ago) => (now, ago),
            Err(ahead) => {
                let begin = now.checked_add(ahead.duration());
                (begin.unwrap_or(now), Duration::ZERO)
            }
        };
        Self {
            injector: Injector::new(faults, service, replica),
            since,
            begun,
        }
    }

    /// Before their time zero, faults act as at that moment.
    fn elapsed(&self) -> Duration {
        let since = Instant::now().saturating_duration_since(self.since);
        self.begun.saturating_add(since)
    }
}

/// Now, no finer than a set is written: one that is sent back means the same moment.
fn this_millisecond() -> SystemTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default();
    UNIX_EPOCH + Duration::new(since.as_secs(), since.subsec_millis() * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, FaultKind, Scope, When, Window};
    use types::Probability;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Down in the second minute.
    fn outage(begin: Option<SystemTime>) -> FaultControl {
        let window = Window {
            at: MINUTE,
            length: MINUTE,
        };
        let fault = Fault {
            id: "f".into(),
            kind: FaultKind::Error,
            probability: Probability::ONE,
            scope: Scope::Attempt,
            when: When::Windows(vec![window]),
            shared: None,
        };
        let control = FaultControl::new("auth", "auth-0");
        control.set(FaultSet {
            seed: 1,
            begin,
            faults: vec![fault],
        });
        control
    }

    fn is_hit(control: &FaultControl) -> bool {
        let key = RequestKey {
            request_id: "r".into(),
            attempt_path: "0".into(),
        };
        control.decide(&key).end().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_counts_from_the_moment_at_which_it_was_put_in_force() {
        let control = outage(None);
        let mut hits = Vec::new();
        for _ in 0..6 {
            hits.push(is_hit(&control));
            tokio::time::advance(MINUTE / 2).await;
        }
        assert_eq!(hits, [false, false, true, true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_put_in_force_ahead_of_its_time_zero_waits_for_it() {
        let control = outage(Some(SystemTime::now() + MINUTE));
        let mut hits = Vec::new();
        for _ in 0..4 {
            // In the middle of the minutes: the wall clock goes on by itself.
            tokio::time::advance(MINUTE / 2).await;
            hits.push(is_hit(&control));
            tokio::time::advance(MINUTE / 2).await;
        }
        assert_eq!(hits, [false, false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_that_is_read_and_sent_back_keeps_its_time_zero() {
        let control = outage(None);
        let begin = control.get().begin;
        assert!(begin.is_some());
        let json = serde_json::to_string(&*control.get()).unwrap();
        control.set(serde_json::from_str(&json).unwrap());
        assert_eq!(control.get().begin, begin);
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_zero_is_too_far_away() {
        let far = Duration::from_hours(24 * 365 * 50);
        assert!(!is_hit(&outage(Some(UNIX_EPOCH))));
        assert!(!is_hit(&outage(SystemTime::now().checked_add(far))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_that_names_its_time_zero_counts_from_there_whenever_it_is_put_in_force() {
        let control = outage(Some(SystemTime::now() - MINUTE * 3 / 2));
        assert!(is_hit(&control));
        tokio::time::advance(MINUTE).await;
        assert!(!is_hit(&control));
    }
}
