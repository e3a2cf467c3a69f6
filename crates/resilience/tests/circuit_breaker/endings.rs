//! Calls that are dropped, panic or are lost: each returns its permit once, and is counted
//! once at most.

use crate::{BROKEN, Failed, MS, in_a_row, policy};
use http::Response;
use resilience::circuit_breaker::{BreakerFuture, BreakerLayer, BreakerSettings, ByStatus, State};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tokio::time::advance;
use tower::{Layer, Service};

type Answer = Result<Response<()>, Failed>;

/// What a call does each time it is polled; the last one for ever.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait,
    Succeed,
    Fail,
    Panic,
}

/// Does so.
struct Script {
    steps: &'static [Step],
    at: usize,
}

impl Future for Script {
    type Output = Answer;
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        let step = self.steps[self.at.min(self.steps.len() - 1)];
        self.at += 1;
        match step {
            Step::Wait => Poll::Pending,
            Step::Succeed => Poll::Ready(Ok(Response::new(()))),
            Step::Fail => Poll::Ready(Err(BROKEN)),
            Step::Panic => panic!("a callee's bug"),
        }
    }
}

/// Follows the script in the request. An empty one panics in `call`.
#[derive(Debug, Clone)]
struct Actor;

impl Service<&'static [Step]> for Actor {
    type Response = Response<()>;
    type Error = Failed;
    type Future = Script;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, steps: &'static [Step]) -> Script {
        assert!(!steps.is_empty(), "a bug of the client");
        Script { steps, at: 0 }
    }
}

type Call = Pin<Box<BreakerFuture<Script, ByStatus, ()>>>;

fn call(layer: &BreakerLayer, steps: &'static [Step]) -> Call {
    let mut service = layer.layer(Actor);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    Box::pin(service.call(steps))
}

fn poll(call: &mut Call) -> Poll<Answer> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Opens at the first failure, with one probe: whether a permit came back shows at once.
fn breaker() -> BreakerLayer {
    BreakerLayer::new(policy(in_a_row(1, 1)), 1)
}

async fn half_open() -> BreakerLayer {
    let layer = breaker();
    assert!(poll(&mut call(&layer, &[Step::Fail])).is_ready());
    advance(1000 * MS).await;
    layer
}

/// Whether a probe would be admitted, which tells whether the permit has come back.
fn succeeds(layer: &BreakerLayer) -> bool {
    matches!(poll(&mut call(layer, &[Step::Succeed])), Poll::Ready(Ok(_)))
}

const WAITING: &[Step] = &[Step::Wait];

#[tokio::test(start_paused = true)]
async fn invariant_05_a_probe_dropped_young_gives_its_permit_back_and_says_nothing() {
    for polls in 0..4 {
        let layer = half_open().await;
        let mut probe = call(&layer, WAITING);
        (0..polls).for_each(|_| assert!(poll(&mut probe).is_pending()));
        assert!(!layer.would_admit(), "it holds the only permit");
        advance(99 * MS).await;
        drop(probe);
        assert_eq!(layer.state(), State::HalfOpen, "after {polls} polls");
        assert!(succeeds(&layer));
        assert_eq!(layer.state(), State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_05_a_call_dropped_late_has_failed() {
    for polls in 0..4 {
        for layer in [breaker(), half_open().await] {
            let mut late = call(&layer, WAITING);
            (0..polls).for_each(|_| assert!(poll(&mut late).is_pending()));
            advance(100 * MS).await;
            drop(late);
            assert_eq!(layer.state(), State::Open, "after {polls} polls");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_05_a_call_dropped_after_its_end_is_not_counted_again() {
    let layer = BreakerLayer::new(policy(in_a_row(2, 1)), 1);
    let mut failed = call(&layer, &[Step::Wait, Step::Fail]);
    assert!(poll(&mut failed).is_pending());
    assert!(poll(&mut failed).is_ready());
    assert_eq!(layer.state(), State::Closed);
    advance(500 * MS).await;
    drop(failed);
    assert_eq!(layer.state(), State::Closed, "one failure, counted once");
    assert!(poll(&mut call(&layer, &[Step::Fail])).is_ready());
    assert_eq!(layer.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn invariant_05_a_panic_in_the_future_is_a_failure_counted_once() {
    for steps in [&[Step::Panic][..], &[Step::Wait, Step::Panic]] {
        let layer = BreakerLayer::new(policy(in_a_row(2, 1)), 1);
        let mut panics = call(&layer, steps);
        for _ in 1..steps.len() {
            assert!(poll(&mut panics).is_pending());
        }
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut panics))).is_err());
        drop(panics);
        assert_eq!(layer.state(), State::Closed, "one failure");
        assert!(poll(&mut call(&layer, &[Step::Fail])).is_ready());
        assert_eq!(layer.state(), State::Open, "and another");
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_05_a_panic_of_a_probe_opens_it_again() {
    let layer = half_open().await;
    let probe = AssertUnwindSafe(|| poll(&mut call(&layer, &[Step::Panic])));
    assert!(catch_unwind(probe).is_err());
    assert_eq!(layer.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn invariant_05_a_panic_in_call_is_a_failure() {
    for layer in [breaker(), half_open().await] {
        assert!(catch_unwind(AssertUnwindSafe(|| call(&layer, &[]))).is_err());
        assert_eq!(layer.state(), State::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_because_its_caller_panics_is_not_the_callees_fault() {
    let layer = breaker();
    let bug = AssertUnwindSafe(|| {
        let _dropped = call(&layer, WAITING);
        panic!("the caller's own bug");
    });
    assert!(catch_unwind(bug).is_err());
    assert_eq!(layer.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn invariant_06_a_probe_that_is_never_heard_of_does_not_wedge_it() {
    let layer = half_open().await;
    let mut lost = call(&layer, WAITING);
    assert!(poll(&mut lost).is_pending());
    std::mem::forget(lost);
    advance(499 * MS).await;
    assert!(!succeeds(&layer), "its lease lasts");
    advance(MS).await;
    assert!(!succeeds(&layer), "open again, for two seconds");
    assert_eq!(layer.state(), State::Open);
    advance(2000 * MS).await;
    assert!(succeeds(&layer));
    assert_eq!(layer.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn invariant_04_a_late_success_from_before_the_trip_closes_nothing() {
    let layer = breaker();
    let mut late = call(&layer, &[Step::Wait, Step::Succeed]);
    assert!(poll(&mut late).is_pending());
    assert!(poll(&mut call(&layer, &[Step::Fail])).is_ready());
    advance(1000 * MS).await;
    let mut probe = call(&layer, &[Step::Wait, Step::Fail]);
    assert!(poll(&mut probe).is_pending());
    assert!(poll(&mut late).is_ready());
    assert_eq!(layer.state(), State::HalfOpen);
    assert!(poll(&mut probe).is_ready());
    assert_eq!(layer.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_was_fetched_late_is_slow_if_slow_calls_matter() {
    let settings = BreakerSettings {
        slow_rate: Some(1.0),
        slow_call: Some(100 * MS),
        min_calls: 1,
        ..BreakerSettings::default()
    };
    let layer = BreakerLayer::new(policy(settings), 1);
    let mut late = call(&layer, &[Step::Succeed]);
    advance(100 * MS).await;
    assert!(poll(&mut late).is_ready());
    assert_eq!(layer.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn fifty_probes_that_time_out_above_it_keep_it_open() {
    let layer = half_open().await;
    for _ in 0..50 {
        let above = tokio::time::timeout(200 * MS, call(&layer, WAITING));
        assert!(above.await.is_err());
        assert_eq!(layer.state(), State::Open);
        advance(8000 * MS).await;
    }
}
