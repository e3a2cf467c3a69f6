//! The load generator.
//!
//! In the open model, which is the default, requests arrive at random (Poisson) and wait for
//! nobody: a slow answer delays no other request, as with real users, who do not know of each
//! other. A generator that waits for answers before it sends more measures fewer requests the
//! worse the service is (Schroeder, Wierman, Harchol-Balter 2006, *Open Versus Closed: A
//! Cautionary Tale*), so latency counts from the moment at which a request should have left.
//!
//! The closed model is such a generator. It is there to show the difference, and for systems
//! that really are asked by so many and no more.

use crate::{Progress, Step, tokens::Tokens};
use bytes::Bytes;
use chassis::{Answer, Call, CallError, PolicyControl, RequestContext, Upstream};
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION};
use report::results::{Generator, LATE};
use resilience::deadline::Deadline;
use scenario::{Arrivals, Length, Load, Model, Plan};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use telemetry::AnchoredClock;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use types::{Cause, Outcome};

/// What the requests ask for, and of whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// The edge of the chain, as its clients see it.
    pub edge: Upstream,
    /// The call's name in traces.
    pub call: &'static str,
    /// What is asked, of a path.
    pub request: Request<Bytes>,
    /// Bearer tokens of the users who ask in turn; none for a chain without users.
    pub tokens: Tokens,
    /// What every request's id begins with.
    pub prefix: String,
    /// How long a request is waited for.
    pub patience: Duration,
    /// What the client does about failures. Its deadline bounds a request with all its attempts.
    pub policy: PolicyControl,
}

/// A request to read `path`.
pub fn get(path: &'static str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from_static(path);
    request
}

impl Target {
    /// Sends request number `n`, which should have left at `due`.
    pub(crate) async fn send(&self, n: u64, due: AnchoredClock) -> Ended {
        // Here and not before: waiting for a worker makes a request late as well.
        let lateness = due.at.elapsed();
        let mut context = RequestContext::new(format!("{}{n}", self.prefix));
        let begin = Instant::now();
        let deadline = self.policy.get().deadline;
        context.deadline = deadline.and_then(|limit| Deadline::after(begin, limit));
        let call = Call::of(self.call, self.request_of(n))
            .scheduled(due)
            .patience(self.patience);
        let result = self.edge.call(&context, call).await;
        let times = Times {
            lateness,
            latency: due.at.elapsed(),
            is_patience_up: begin.elapsed() >= self.patience,
        };
        Ended::new(&result, &times)
    }

    fn request_of(&self, n: u64) -> Request<Bytes> {
        let mut request = self.request.clone();
        let token = self.tokens.get(n).map(|token| format!("Bearer {token}"));
        if let Some(Ok(token)) = token.map(HeaderValue::try_from) {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        request
    }
}

/// How one request ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// How, as the client sees it.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    pub cause: Option<Cause>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Whether the client's patience was up before there was an answer.
    pub gave_up: bool,
    /// How long after it should have it left.
    pub lateness: Duration,
    /// How long it took, from the moment at which it should have left.
    pub latency: Duration,
}

/// The times of one request.
struct Times {
    lateness: Duration,
    latency: Duration,
    is_patience_up: bool,
}

impl Ended {
    fn new(result: &Result<Answer, CallError>, times: &Times) -> Self {
        let (outcome, cause, status) = match result {
            Ok(answer) => (answer.outcome(), None, Some(answer.status())),
            Err(error) if error.is_over_limit() => (Outcome::Ok, None, error.status),
            Err(error) => (Outcome::Failed, Some(error.cause), error.status),
        };
        Self {
            outcome,
            cause,
            status: status.map(|status| status.as_u16()),
            // Without an answer, a time-out is the client's own: of its patience, or of the
            // deadline, at which users get an error and wait no longer.
            gave_up: cause == Some(Cause::Timeout) && status.is_none() && times.is_patience_up,
            lateness: times.lateness,
            latency: times.latency,
        }
    }

    /// Counts it.
    pub fn count_into(&self, generator: &mut Generator) {
        generator.counts.add(self.outcome, self.cause);
        if let Some(status) = self.status.filter(|_| self.outcome != Outcome::Failed) {
            generator.answered_with(status);
        }
        generator.gave_up += u64::from(self.gave_up);
        generator.late += u64::from(self.lateness > LATE);
        let ms = self.lateness.as_secs_f64() * 1e3;
        generator.worst_lateness_ms = generator.worst_lateness_ms.max(ms);
    }
}

/// Sends the load of `plan` and waits for every answer, or for the client's patience.
pub async fn generate(
    target: Target,
    plan: &Plan,
    begin: AnchoredClock,
    progress: &dyn Progress,
) -> Generator {
    generate_and(target, plan, begin, progress, |_| ()).await
}

/// The same, and tells `each` how every request ended.
pub async fn generate_and(
    target: Target,
    plan: &Plan,
    begin: AnchoredClock,
    progress: &dyn Progress,
    each: impl FnMut(&Ended),
) -> Generator {
    let Some(phase) = plan.phases().first() else {
        return Generator::default();
    };
    let (sender, ends) = mpsc::unbounded_channel();
    let tally = Tally::new(&phase.load, ends, progress, each);
    let lane = Lane {
        target: Arc::new(target),
        sent: tally.sent.clone(),
        ended: sender,
    };
    match phase.load.model {
        Model::Open => open(lane, Arrivals::new(plan, plan.seed()), begin, tally).await,
        Model::Closed { workers, think } => {
            let until = Until::new(phase.load.length, begin);
            for _ in 0..workers {
                tokio::spawn(work(lane.clone(), until, think));
            }
            drop(lane);
            tally.finish().await
        }
    }
}

/// The way of requests out, and of what became of them back.
#[derive(Clone)]
struct Lane {
    target: Arc<Target>,
    /// How many requests have left.
    sent: Arc<AtomicU64>,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Lane {
    async fn send(&self, n: u64, due: AnchoredClock) {
        let ended = self.target.send(n, due).await;
        // The receiver is gone only when the whole run was given up.
        let _ = self.ended.send(ended);
    }
}

/// The open model: requests leave when it is time.
async fn open(
    lane: Lane,
    arrivals: Arrivals<'_>,
    begin: AnchoredClock,
    mut tally: Tally<'_, impl FnMut(&Ended)>,
) -> Generator {
    for offset in arrivals {
        let due = begin.after(offset);
        tally.add_until(due.at).await;
        let (n, lane) = (lane.sent.fetch_add(1, Relaxed), lane.clone());
        tokio::spawn(async move { lane.send(n, due).await });
    }
    drop(lane);
    tally.finish().await
}

/// A worker of the closed model: each of its requests waits for the one before.
async fn work(lane: Lane, until: Until, think: Duration) {
    while let Some(n) = until.next(&lane.sent) {
        lane.send(n, AnchoredClock::read()).await;
        if !think.is_zero() {
            sleep(think).await;
        }
    }
}

/// When the workers of a closed model stop.
#[derive(Clone, Copy)]
enum Until {
    Requests(u64),
    Moment(Instant),
}

impl Until {
    fn new(length: Length, begin: AnchoredClock) -> Self {
        match length {
            Length::Requests(requests) => Self::Requests(requests),
            Length::For(duration) => Self::Moment(begin.at + duration),
        }
    }

    /// The number of the next request, if there is to be one.
    fn next(self, sent: &AtomicU64) -> Option<u64> {
        match self {
            Self::Requests(most) => {
                let next = |sent| (sent < most).then_some(sent + 1);
                sent.fetch_update(Relaxed, Relaxed, next).ok()
            }
            Self::Moment(end) if Instant::now() >= end => None,
            Self::Moment(_) => Some(sent.fetch_add(1, Relaxed)),
        }
    }
}

/// Counts how requests ended.
struct Tally<'a, F> {
    generator: Generator,
    sent: Arc<AtomicU64>,
    expected: u64,
    ends: mpsc::UnboundedReceiver<Ended>,
    progress: &'a dyn Progress,
    each: F,
}

impl<'a, F: FnMut(&Ended)> Tally<'a, F> {
    fn new(
        load: &Load,
        ends: mpsc::UnboundedReceiver<Ended>,
        progress: &'a dyn Progress,
        each: F,
    ) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bounded count"
        )]
        let expected = load.expected_requests() as u64;
        Self {
            generator: Generator::default(),
            sent: Arc::default(),
            expected,
            ends,
            progress,
            each,
        }
    }

    /// Counts until `moment`.
    async fn add_until(&mut self, moment: Instant) {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(moment) => return,
                Some(end) = self.ends.recv() => self.add(&end),
            }
        }
    }

    /// Counts until every request has ended.
    async fn finish(mut self) -> Generator {
        while let Some(end) = self.ends.recv().await {
            self.add(&end);
        }
        self.generator
    }

    fn add(&mut self, end: &Ended) {
        (self.each)(end);
        end.count_into(&mut self.generator);
        let done = self.generator.counts.offered;
        if done.is_multiple_of(64) {
            let sent = self.sent.load(Relaxed);
            self.progress.step(Step::Loading {
                done,
                in_flight: sent.saturating_sub(done),
                of: self.expected.max(sent),
            });
        }
    }
}
