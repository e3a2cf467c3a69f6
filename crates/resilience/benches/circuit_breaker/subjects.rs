//! What is measured.

use crate::rounds::{Calls, Subject};
use resilience::{
    Failure,
    circuit_breaker::{BreakerLayer, BreakerPolicy, BreakerSettings, Classify, Outcome},
};
use std::{
    future::{Future, Ready, poll_fn, ready},
    hint::black_box,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::unconstrained,
    time::sleep,
};
use tower::{Layer, Service};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};
use types::{Cause, StoppedBy};

/// The names that the targets are about.
pub const FLOOR: &str = "no-op layer";
pub const OURS: &str = "ours";
pub const BY_COUNT: &str = "tower-resilience, by count";

pub const CLOSED: &str = "closed";

/// Everything, group by group.
pub fn all() -> Vec<Subject> {
    let subject = |group, name, start: fn(usize) -> Vec<Calls>| Subject {
        group,
        name,
        start: Box::new(start),
    };
    vec![
        subject(CLOSED, FLOOR, |n| each(n, &NoOp(Answers(0)))),
        subject(CLOSED, OURS, |n| each(n, &ours(0.5).layer(Answers(0)))),
        subject(CLOSED, "ours, a tenth fails", |n| {
            each(n, &ours(1.0).layer(Answers(10)))
        }),
        subject(CLOSED, "ours, three rules", |n| each(n, &all_rules())),
        subject(CLOSED, "recloser", |n| recloser(n, false)),
        subject(CLOSED, "failsafe, in a row", |n| failsafe(n, false)),
        subject(CLOSED, "failsafe, default", failsafe_default),
        subject(CLOSED, BY_COUNT, |n| each(n, &by_count().layer(Answers(0)))),
        subject(CLOSED, "tower-resilience, 1 ms", |n| {
            each(n, &by_time().layer(Answers(0)))
        }),
        subject("open", OURS, |n| each(n, &open())),
        subject("open", "recloser", |n| recloser(n, true)),
        subject("open", "failsafe, in a row", |n| failsafe(n, true)),
        subject("open", BY_COUNT, |n| each(n, &tripped(&by_count()))),
        subject("half-open", OURS, |n| each(n, &half_open())),
    ]
}

/// Answers at once; if its number is not 0, every so many calls with a failure.
#[derive(Clone)]
struct Answers(u32);

impl Answers {
    fn answer(&mut self, call: u32) -> Result<u32, Broken> {
        if self.0 != 0 && call.is_multiple_of(self.0) {
            return Err(Broken);
        }
        Ok(call)
    }
}

impl Service<u32> for Answers {
    type Response = u32;
    type Error = Broken;
    type Future = Ready<Result<u32, Broken>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, call: u32) -> Self::Future {
        ready(self.answer(call))
    }
}

/// What every layer must do at least.
#[derive(Clone)]
struct NoOp<S>(S);

impl<S: Service<u32>> Service<u32> for NoOp<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, call: u32) -> S::Future {
        self.0.call(call)
    }
}

#[derive(Debug, Clone, Copy)]
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

/// Nothing says anything: probes give their permits back, and it stays half-open.
#[derive(Debug, Clone, Copy)]
struct Nothing;

impl<T, E> Classify<T, E> for Nothing {
    fn classify(&self, _: &Result<T, E>) -> Outcome {
        Outcome::Ignored
    }
}

fn layer<C>(settings: BreakerSettings, classify: C) -> BreakerLayer<C> {
    let policy = BreakerPolicy::new(settings).expect("the settings can be");
    BreakerLayer::with(policy, 1, classify, ())
}

fn ours(failure_rate: f64) -> BreakerLayer<Errors> {
    let settings = BreakerSettings {
        failure_rate: Some(failure_rate),
        ..BreakerSettings::default()
    };
    layer(settings, Errors)
}

fn all_rules() -> impl Service<u32, Response = u32> + Clone + Send + 'static {
    let settings = BreakerSettings {
        failure_rate: Some(0.5),
        slow_rate: Some(0.5),
        slow_call: Some(Duration::from_secs(1)),
        consecutive: Some(5),
        ..BreakerSettings::default()
    };
    layer(settings, Errors).layer(Answers(0))
}

fn open() -> impl Service<u32, Response = u32> + Clone + Send + 'static {
    let layer = ours(0.5);
    layer.force_open();
    layer.layer(Answers(0))
}

fn half_open() -> impl Service<u32, Response = u32> + Clone + Send + 'static {
    let settings = BreakerSettings {
        consecutive: Some(1),
        open: Duration::from_millis(1),
        max_open: Duration::from_millis(1),
        cancelled_after: Duration::from_millis(1),
        ..BreakerSettings::default()
    };
    let layer = layer(settings, Nothing);
    let mut service = layer.layer(Never);
    // A call given up late counts as failed, and opens it; the next probe comes late enough.
    let runtime = runtime();
    let pause = || runtime.block_on(async { sleep(Duration::from_millis(2)).await });
    let mut cx = Context::from_waker(Waker::noop());
    let _ = service.poll_ready(&mut cx);
    let given_up = service.call(0);
    pause();
    drop(given_up);
    pause();
    layer.layer(Answers(0))
}

#[derive(Clone)]
struct Never;

impl Service<u32> for Never {
    type Response = u32;
    type Error = Broken;
    type Future = std::future::Pending<Result<u32, Broken>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _: u32) -> Self::Future {
        std::future::pending()
    }
}

fn by_count() -> CircuitBreakerLayer {
    CircuitBreakerLayer::builder()
        .sliding_window_size(100)
        .wait_duration_in_open(Duration::from_hours(1))
        .build()
        .expect("the settings can be")
}

/// It scans all calls of the window at every call: with 10 s, a call would cost milliseconds.
fn by_time() -> CircuitBreakerLayer {
    CircuitBreakerLayer::builder()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(Duration::from_millis(1))
        .minimum_number_of_calls(20)
        .build()
        .expect("the settings can be")
}

fn tripped(
    layer: &CircuitBreakerLayer,
) -> impl Service<u32, Response = u32> + Clone + Send + 'static {
    let mut service = layer.layer(Answers(1));
    runtime().block_on(async {
        for call in 0..200 {
            once(&mut service, call).await;
        }
    });
    service
}

fn recloser(threads: usize, open: bool) -> Vec<Calls> {
    let breaker = recloser::Recloser::custom()
        .error_rate(0.5)
        .closed_len(100)
        .open_wait(Duration::from_hours(1))
        .build();
    let breaker = recloser::AsyncRecloser::from(breaker);
    if open {
        failing(200, || breaker.call(ready(Err::<u32, _>(Broken))));
    }
    each(threads, &Guarded(move |call| breaker.call(answer(call))))
}

fn failsafe(threads: usize, open: bool) -> Vec<Calls> {
    use failsafe::{Config, backoff, failure_policy, futures::CircuitBreaker};
    let backoff = backoff::constant(Duration::from_hours(1));
    let policy = failure_policy::consecutive_failures(5, backoff);
    let breaker = Config::new().failure_policy(policy).build();
    if open {
        failing(10, || breaker.call(ready(Err::<u32, _>(Broken))));
    }
    each(threads, &Guarded(move |call| breaker.call(answer(call))))
}

fn failsafe_default(threads: usize) -> Vec<Calls> {
    use failsafe::{Config, futures::CircuitBreaker};
    let breaker = Config::new().build();
    each(threads, &Guarded(move |call| breaker.call(answer(call))))
}

fn answer(call: u32) -> Ready<Result<u32, Broken>> {
    ready(Ok(call))
}

fn failing<F: Future>(calls: u32, call: impl Fn() -> F) {
    runtime().block_on(async {
        for _ in 0..calls {
            call().await;
        }
    });
}

/// A breaker that is no layer, as a service.
#[derive(Clone)]
struct Guarded<F>(F);

impl<F, G, E> Service<u32> for Guarded<F>
where
    F: Fn(u32) -> G,
    G: Future<Output = Result<u32, E>>,
{
    type Response = u32;
    type Error = E;
    type Future = G;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, call: u32) -> G {
        (self.0)(call)
    }
}

/// Clones of `service`, one for each thread. All calls of a round are one task: what is
/// measured is the call and not the runtime, which is there for those who sleep when another
/// thread is in their way.
fn each<S>(threads: usize, service: &S) -> Vec<Calls>
where
    S: Service<u32, Response = u32> + Clone + Send + 'static,
{
    let calls = |mut service: S| -> Calls {
        let runtime = runtime();
        Box::new(move |calls| {
            runtime.block_on(unconstrained(async {
                for call in 0..calls {
                    once(&mut service, black_box(low(call))).await;
                }
            }));
        })
    };
    (0..threads).map(|_| calls(service.clone())).collect()
}

async fn once<S: Service<u32>>(service: &mut S, call: u32) {
    if poll_fn(|cx| service.poll_ready(cx)).await.is_ok() {
        let _ = black_box(service.call(call).await.is_ok());
    }
}

fn runtime() -> Runtime {
    let built = Builder::new_current_thread().enable_time().build();
    built.expect("a runtime can be built")
}

#[expect(clippy::cast_possible_truncation, reason = "any number will do")]
const fn low(call: u64) -> u32 {
    call as u32
}
