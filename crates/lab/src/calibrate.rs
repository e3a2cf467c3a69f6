//! What this host carries of a chain right now, found out just before the load.
//!
//! A short burst of requests without faults or policies, each worker sending the next one when
//! it has its answer, shows how much processor time a request takes, and how much of it the host
//! has left beside its other work. Its requests have ids of their own and end before anything
//! is counted, and policies are set anew after it: it changes no result.

use crate::{
    LabError, Step,
    cpu::{self, Host},
    drive::Drive,
    load::Target,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::Duration,
};
use telemetry::AnchoredClock;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// Workers of the burst: enough to keep a few cores busy through four hops.
const WORKERS: u64 = 16;
/// The burst ends after this time, or earlier when it is clear that the host carries the load.
const LONGEST: Duration = Duration::from_millis(900);
const LOOK: Duration = Duration::from_millis(150);
/// It is clear when it carries this multiple of the rate.
const CLEARLY: f64 = 2.0;
/// How long an answer is waited for: a chain that is slower by design says nothing of the host.
const PATIENCE: Duration = Duration::from_secs(1);
/// Fewer answers, or a larger share of requests that failed, say nothing.
const LEAST: u64 = 20;
const MOST_FAILED: f64 = 0.1;

/// What the host carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Carries {
    /// Requests of the load per second.
    pub per_s: f64,
    /// The share of processor time that others took meanwhile, from 0 to 1.
    pub others: f64,
}

/// What the burst's workers have done.
#[derive(Debug, Default)]
struct Burst {
    sent: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    is_over: AtomicBool,
}

/// Processor time used so far, by the chain and its client, and by nothing at all.
struct Used {
    at: Instant,
    own_s: f64,
    host: Option<Host>,
}

impl Drive<'_> {
    /// What the host carries, of requests that are `cost` times as much work as those of a chain
    /// without faults; none if that can't be said.
    pub(crate) async fn calibrate(
        &self,
        target: &Target,
        cost: f64,
    ) -> Result<Option<Carries>, LabError> {
        self.progress.step(Step::Calibrating);
        let policy = self.phase.policy;
        let is_plain = policy == scenario::Policy::default();
        if !is_plain {
            self.apply(&scenario::Policy::default()).await?;
        }
        let target = Arc::new(Target {
            // So that its traces are recognised where spans are forwarded.
            call: "calibration",
            prefix: "calibration-".to_owned(),
            patience: PATIENCE,
            ..target.clone()
        });
        let burst = Arc::new(Burst::default());
        let before = self.used().await;
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            workers.spawn(work(target.clone(), burst.clone()));
        }
        let enough = self.plan.highest_rate() * CLEARLY;
        let carries = loop {
            sleep(LOOK).await;
            let carries = burst.carries(&before, &self.used().await, cost);
            let is_clear = carries.is_some_and(|it| it.per_s >= enough);
            if is_clear || before.at.elapsed() >= LONGEST {
                break carries;
            }
        };
        burst.is_over.store(true, Relaxed);
        workers.join_all().await;
        if !is_plain {
            self.apply(&policy).await?;
            // Heartbeats start anew with the policy: replicas are known to be up after a few.
            sleep(self.noticed()).await;
        }
        Ok(carries)
    }

    async fn used(&self) -> Used {
        let chain: f64 = self.site.read().await.cpu_seconds().values().sum();
        let client = cpu::seconds(std::process::id()).unwrap_or_default();
        Used {
            at: Instant::now(),
            own_s: chain + client,
            host: Host::now(),
        }
    }
}

impl Burst {
    fn carries(&self, before: &Used, now: &Used, cost: f64) -> Option<Carries> {
        let (answered, failed) = (self.answered.load(Relaxed), self.failed.load(Relaxed));
        if answered < LEAST || failed as f64 > answered as f64 * MOST_FAILED {
            return None;
        }
        let idle_s = now.host?.idle_since(before.host?);
        let cores = available_parallelism().map_or(1, usize::from) as f64;
        let spent = Spent {
            requests: answered + failed,
            own_s: now.own_s - before.own_s,
            idle_s,
            passed_s: (now.at - before.at).as_secs_f64(),
            cores,
        };
        spent.carries(cost)
    }
}

/// Where processor time went during the burst.
#[derive(Debug, Clone, Copy)]
struct Spent {
    requests: u64,
    /// Of the chain and its client.
    own_s: f64,
    /// Of nothing.
    idle_s: f64,
    passed_s: f64,
    cores: f64,
}

impl Spent {
    /// What the chain had and what nothing used is there for the load.
    fn carries(self, cost: f64) -> Option<Carries> {
        if self.own_s <= 0.0 || self.passed_s <= 0.0 {
            return None;
        }
        let all_s = self.cores * self.passed_s;
        // More is idle than may be used where a container has fewer cores than its host.
        let free_s = (self.own_s + self.idle_s).min(all_s);
        let per_request_s = self.own_s / self.requests as f64 * cost;
        Some(Carries {
            per_s: free_s / self.passed_s / per_request_s,
            others: 1.0 - free_s / all_s,
        })
    }
}

async fn work(target: Arc<Target>, burst: Arc<Burst>) {
    while !burst.is_over.load(Relaxed) {
        let number = burst.sent.fetch_add(1, Relaxed);
        let ended = target.send(number, AnchoredClock::read()).await;
        let counter = match ended.cause {
            None => &burst.answered,
            Some(_) => &burst.failed,
        };
        counter.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cores for a second, of which others took `others`, and requests of a millisecond.
    fn spent(requests: u64, others: f64) -> Spent {
        let own_s = requests as f64 / 1e3;
        Spent {
            requests,
            own_s,
            idle_s: 2.0 - own_s - others,
            passed_s: 1.0,
            cores: 2.0,
        }
    }

    #[test]
    fn a_host_carries_what_its_free_processor_time_is_good_for() {
        for (requests, others, expected) in [
            (2000, 0.0, 2000.0),
            // A burst that does not keep the host busy leaves time that a load could have.
            (200, 0.0, 2000.0),
            (1000, 1.0, 1000.0),
            (500, 1.0, 1000.0),
        ] {
            let carries = spent(requests, others).carries(1.0).unwrap();
            assert!((carries.per_s - expected).abs() < 1e-6, "{carries:?}");
            assert!((carries.others - others / 2.0).abs() < 1e-9, "{carries:?}");
        }
    }

    #[test]
    fn requests_that_are_more_work_are_carried_less_often() {
        let carries = spent(2000, 0.0).carries(10.0).unwrap();
        assert!((carries.per_s - 200.0).abs() < 1e-6);
    }

    #[test]
    fn a_burst_that_used_no_time_says_nothing() {
        let spent = Spent {
            own_s: 0.0,
            ..spent(100, 0.0)
        };
        assert_eq!(spent.carries(1.0), None);
    }
}
