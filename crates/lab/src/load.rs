//! The open-model load generator.
//!
//! Requests arrive at random (Poisson) and wait for nobody: a slow answer delays no other
//! request, as with real users, who do not know of each other. A generator that waits for
//! answers before it sends more measures fewer requests the worse the service is
//! (Schroeder, Wierman, Harchol-Balter 2006, *Open Versus Closed: A Cautionary Tale*), so
//! latency counts from the moment at which a request should have left.

use crate::{Progress, Step};
use chassis::{Answer, Call, CallError, RequestContext, Upstream};
use http::header::AUTHORIZATION;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use report::results::{Generator, LATE};
use scenario::{Length, Load};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use types::{Cause, Outcome};

/// What the requests ask for, and of whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// The edge of the chain, as its clients see it.
    pub edge: Upstream,
    /// The call's name in traces.
    pub call: &'static str,
    /// The path.
    pub path: &'static str,
    /// Bearer tokens of the users who ask in turn; none for a chain without users.
    pub tokens: Vec<String>,
    /// What every request's id begins with.
    pub prefix: String,
    /// How long a request is waited for.
    pub patience: Duration,
}

/// When the load begins, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Begin {
    /// For waiting.
    pub at: Instant,
    /// For spans.
    pub time: SystemTime,
}

impl Begin {
    /// Now.
    pub fn now() -> Self {
        Self {
            at: Instant::now(),
            time: SystemTime::now(),
        }
    }
}

impl Target {
    /// Sends request number `n`, which should have left at `scheduled`.
    async fn send(&self, n: u64, scheduled: SystemTime) -> Result<Answer, CallError> {
        let context = RequestContext::new(format!("{}{n}", self.prefix));
        let mut call = Call::get(self.call, self.path)
            .scheduled(scheduled)
            .patience(self.patience);
        if !self.tokens.is_empty() {
            let user = usize::try_from(n).unwrap_or_default() % self.tokens.len();
            call = call.header(
                AUTHORIZATION.as_str(),
                &format!("Bearer {}", self.tokens[user]),
            );
        }
        self.edge.call(&context, call).await
    }
}

/// How one request ended.
struct Ended {
    outcome: Outcome,
    cause: Option<Cause>,
    gave_up: bool,
    lateness: Duration,
}

impl Ended {
    fn new(result: &Result<Answer, CallError>, lateness: Duration) -> Self {
        match result {
            Ok(answer) => Self {
                outcome: answer.outcome(),
                cause: None,
                gave_up: false,
                lateness,
            },
            Err(error) => {
                // Without an answer, a time-out is the client's own: its patience was up.
                let gave_up = error.cause == Cause::Timeout && error.status.is_none();
                let cause = Some(error.cause);
                Self {
                    outcome: Outcome::Failed,
                    cause,
                    gave_up,
                    lateness,
                }
            }
        }
    }
}

/// Sends the load and waits for every answer, or for the client's patience.
pub async fn generate(
    target: Target,
    load: &Load,
    (seed, begin): (u64, Begin),
    progress: &dyn Progress,
) -> Generator {
    let target = Arc::new(target);
    let (ended, mut ends) = mpsc::unbounded_channel();
    let mut tally = Tally::new(load);
    let mut arrivals = Arrivals::new(load, seed);
    let mut next = arrivals.next();
    while let Some(offset) = next {
        tokio::select! {
            biased;
            () = sleep_until(begin.at + offset) => {
                spawn(&target, tally.sent, (begin.at + offset, begin.time + offset), &ended);
                tally.sent += 1;
                next = arrivals.next();
            }
            Some(end) = ends.recv() => tally.add(&end, progress),
        }
    }
    drop(ended);
    while let Some(end) = ends.recv().await {
        tally.add(&end, progress);
    }
    tally.generator
}

fn spawn(
    target: &Arc<Target>,
    n: u64,
    (due, scheduled): (Instant, SystemTime),
    ended: &mpsc::UnboundedSender<Ended>,
) {
    let (target, ended) = (target.clone(), ended.clone());
    tokio::spawn(async move {
        // Here and not before: waiting for a worker makes a request late as well.
        let lateness = due.elapsed();
        let result = target.send(n, scheduled).await;
        // The receiver is gone only when the whole run was given up.
        let _ = ended.send(Ended::new(&result, lateness));
    });
}

/// Moments at which requests leave, as offsets from the beginning.
struct Arrivals {
    rng: StdRng,
    rate: f64,
    length: Length,
    sent: u64,
    offset: Duration,
}

impl Arrivals {
    fn new(load: &Load, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self {
            rng,
            rate: load.rate,
            length: load.length,
            sent: 0,
            offset: Duration::ZERO,
        }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // The time between Poisson arrivals is exponential; 1 − u is in (0, 1].
        let uniform: f64 = self.rng.random();
        let gap = -(1.0 - uniform).ln() / self.rate;
        self.offset += Duration::try_from_secs_f64(gap).unwrap_or(Duration::MAX);
        let over = match self.length {
            Length::Requests(requests) => self.sent >= requests,
            Length::For(duration) => self.offset >= duration,
        };
        self.sent += 1;
        (!over).then_some(self.offset)
    }
}

struct Tally {
    generator: Generator,
    sent: u64,
    expected: u64,
}

impl Tally {
    fn new(load: &Load) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bounded count"
        )]
        let expected = load.expected_requests() as u64;
        Self {
            generator: Generator::default(),
            sent: 0,
            expected,
        }
    }

    fn add(&mut self, end: &Ended, progress: &dyn Progress) {
        let generator = &mut self.generator;
        generator.counts.add(end.outcome, end.cause);
        generator.gave_up += u64::from(end.gave_up);
        generator.late += u64::from(end.lateness > LATE);
        let ms = end.lateness.as_secs_f64() * 1e3;
        generator.worst_lateness_ms = generator.worst_lateness_ms.max(ms);
        let done = generator.counts.offered;
        if done.is_multiple_of(64) {
            let of = self.expected.max(self.sent);
            progress.step(Step::Loading {
                done,
                in_flight: self.sent - done,
                of,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(length: Length) -> Load {
        Load {
            rate: 1000.0,
            length,
            patience: Duration::from_secs(5),
        }
    }

    #[test]
    fn arrivals_are_as_many_as_asked_for_at_the_rate_asked_for() {
        let offsets: Vec<_> = Arrivals::new(&load(Length::Requests(20_000)), 1).collect();
        assert_eq!(offsets.len(), 20_000);
        assert!(offsets.is_sorted());
        // 20 s, give or take 0.14 s (one sigma); the seed is fixed.
        let last = offsets[19_999].as_secs_f64();
        assert!((19.3..20.7).contains(&last), "{last}");
    }

    #[test]
    fn a_run_by_time_ends_in_time() {
        let duration = Duration::from_secs(2);
        let offsets: Vec<_> = Arrivals::new(&load(Length::For(duration)), 1).collect();
        assert!(offsets.iter().all(|offset| *offset < duration));
        assert!((1_800..2_200).contains(&offsets.len()), "{}", offsets.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        let arrivals = |seed| Arrivals::new(&load(Length::Requests(100)), seed).collect::<Vec<_>>();
        assert_eq!(arrivals(7), arrivals(7));
        assert_ne!(arrivals(7), arrivals(8));
    }
}
