//! What is measured.

use crate::rounds::{Calls, Subject};
use http::Request;
use resilience::{
    Failure,
    balance::{
        AlwaysAdmits, Balance, BalancePolicy, BalanceSettings, Candidate, Pick, ReplicaState,
    },
    bulkhead::{BulkheadLayer, LimitPolicy, LimitSettings},
    circuit_breaker::{Classify, Outcome},
};
use std::{
    future::{Ready, poll_fn, ready},
    hint::black_box,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::unconstrained,
};
use tower::{
    Layer, Service,
    balance::p2c,
    buffer::Buffer,
    discover::ServiceList,
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
    load::{CompleteOnResponse, PeakEwma},
};
use types::{Cause, StoppedBy};

/// The names that the targets are about.
pub const OURS: &str = "ours";
pub const TOWERS: &str = "tower: buffer, peak EWMA";
pub const TWO: &str = "two replicas";

const EIGHT: &str = "eight replicas";
const LIMIT: &str = "a limit";
/// Never reached.
const ROOM: u32 = 100;

/// Everything, group by group.
pub fn all() -> Vec<Subject> {
    let subject = |group, name, start: fn(usize) -> Vec<Calls>| Subject {
        group,
        name,
        start: Box::new(start),
    };
    vec![
        subject(TWO, "no layer", |n| each(n, &Answers)),
        subject(TWO, OURS, |n| each(n, &ours(2, Pick::LessLoaded))),
        subject(TWO, "ours, at random", |n| each(n, &ours(2, Pick::Random))),
        subject(TWO, TOWERS, |n| towers(n, 2)),
        subject(EIGHT, OURS, |n| each(n, &ours(8, Pick::LessLoaded))),
        subject(EIGHT, TOWERS, |n| towers(n, 8)),
        subject(LIMIT, "no layer", |n| each(n, &Answers)),
        subject(LIMIT, OURS, |n| each(n, &bulkhead(false).layer(Answers))),
        subject(LIMIT, "ours, adaptive", |n| {
            each(n, &bulkhead(true).layer(Answers))
        }),
        subject(LIMIT, "tower, shared by clones", |n| {
            each(n, &ConcurrencyLimitLayer::new(ROOM as usize).layer(Answers))
        }),
        subject(LIMIT, "tower, shared by all", |n| {
            let layer = GlobalConcurrencyLimitLayer::new(ROOM as usize);
            each(n, &layer.layer(Answers))
        }),
        subject(LIMIT, "tower-resilience", |n| each(n, &others())),
    ]
}

/// Answers at once.
#[derive(Debug, Clone, Copy)]
struct Answers;

impl Service<Request<()>> for Answers {
    type Response = ();
    type Error = Broken;
    type Future = Ready<Result<(), Broken>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(()))
    }
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("broken")]
struct Broken;

impl Failure for Broken {
    fn new(_: Cause, _: StoppedBy) -> Self {
        Self
    }
}

/// Errors are failures.
#[derive(Debug, Clone, Copy)]
struct Errors;

impl<T, E> Classify<T, E> for Errors {
    fn classify(&self, result: &Result<T, E>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure(Cause::Error),
        }
    }
}

fn ours(replicas: usize, pick: Pick) -> Balance<AlwaysAdmits<Answers>, Errors> {
    let settings = BalanceSettings {
        pick,
        ..BalanceSettings::default()
    };
    let candidate = |_| Candidate {
        state: ReplicaState::new(),
        service: AlwaysAdmits(Answers),
    };
    let policy = BalancePolicy::new(settings).expect("the settings can be");
    Balance::with(policy, (0..replicas).map(candidate).collect(), Errors, ())
}

fn bulkhead(adaptive: bool) -> BulkheadLayer<Errors> {
    let settings = LimitSettings {
        max: ROOM,
        adaptive,
        ..LimitSettings::default()
    };
    let policy = LimitPolicy::new(settings).expect("the settings can be");
    BulkheadLayer::with(policy, Errors)
}

fn others() -> impl Service<Request<()>, Response = ()> + Clone + Send + 'static {
    tower_resilience_bulkhead::BulkheadLayer::builder()
        .max_concurrent_calls(ROOM as usize)
        .build()
        .expect("the settings can be")
        .layer(Answers)
}

/// tower's balancer is no `Clone`: a buffer in front makes it one, with a task that does the
/// calling. Here it runs on the thread of the caller, and each thread has one of its own,
/// which is to its advantage.
fn towers(threads: usize, replicas: usize) -> Vec<Calls> {
    let replica = |_| {
        let (first_guess, memory_ns) = (Duration::from_millis(30), 1e9);
        PeakEwma::new(
            Answers,
            first_guess,
            memory_ns,
            CompleteOnResponse::default(),
        )
    };
    let balance = || {
        let services: Vec<_> = (0..replicas).map(replica).collect();
        p2c::Balance::new(ServiceList::new::<Request<()>>(services))
    };
    let buffered = |_| {
        let runtime = runtime();
        let buffer = {
            let _inside = runtime.enter();
            Buffer::new(balance(), 1024)
        };
        calls(runtime, buffer)
    };
    (0..threads).map(buffered).collect()
}

/// Clones of `service`, one for each thread.
fn each<S>(threads: usize, service: &S) -> Vec<Calls>
where
    S: Service<Request<()>, Response = ()> + Clone + Send + 'static,
{
    let callers = (0..threads).map(|_| calls(runtime(), service.clone()));
    callers.collect()
}

/// As a caller uses a stack that is kept. All calls of a round are one task: what is measured
/// is the call and not the runtime.
fn calls<S>(runtime: Runtime, mut service: S) -> Calls
where
    S: Service<Request<()>, Response = ()> + Send + 'static,
{
    Box::new(move |calls| {
        runtime.block_on(unconstrained(async {
            for _ in 0..calls {
                if poll_fn(|cx| service.poll_ready(cx)).await.is_ok() {
                    black_box(service.call(black_box(Request::new(()))).await.is_ok());
                }
            }
        }));
    })
}

fn runtime() -> Runtime {
    let built = Builder::new_current_thread().enable_time().build();
    built.expect("a runtime can be built")
}
