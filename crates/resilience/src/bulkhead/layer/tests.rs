use super::*;
use crate::{balance::AlwaysAdmits, bulkhead::LimitSettings, testing::Failed};
use http::{Request, Response};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::Waker,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tower::{ServiceExt, service_fn};
use types::{Cause, StoppedBy};

const MS: Duration = Duration::from_millis(1);
const FULL: Failed = Failed(Cause::Shed, StoppedBy::BulkheadFull);

fn layer(max: u32, wait: Option<Duration>) -> BulkheadLayer {
    let settings = LimitSettings {
        max,
        wait,
        ..LimitSettings::default()
    };
    BulkheadLayer::new(LimitPolicy::new(settings).unwrap())
}

type Answer = Result<Response<()>, Failed>;

/// Answers after so many milliseconds.
fn takes(
    layer: &BulkheadLayer,
) -> impl Service<u64, Response = Response<()>, Error = Failed, Future: Send>
+ Clone
+ Send
+ 'static
+ use<> {
    layer.layer(service_fn(|millis: u64| async move {
        sleep(MS * u32::try_from(millis).unwrap()).await;
        Ok(Response::new(()))
    }))
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_pass_and_the_next_is_refused_at_once_with_the_cause() {
    let layer = layer(2, None);
    let service = takes(&layer);
    let calls: Vec<_> = (0..2)
        .map(|_| tokio::spawn(service.clone().oneshot(10)))
        .collect();
    sleep(MS).await;
    let begin = Instant::now();
    assert_eq!(service.clone().oneshot(10).await.unwrap_err(), FULL);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(service.oneshot(10).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_idle_clone_that_was_asked_whether_it_is_ready_takes_no_room() {
    let layer = layer(1, None);
    let mut idle = takes(&layer);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(idle.poll_ready(&mut cx).is_ready());
    let _kept = idle.clone();
    assert_eq!(layer.bulkhead().limiter().in_flight(), 0);
    assert!(takes(&layer).oneshot(1).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_room_for_so_long_and_no_longer() {
    let layer = layer(1, Some(50 * MS));
    let first = tokio::spawn(takes(&layer).oneshot(30));
    sleep(MS).await;
    let begin = Instant::now();
    assert!(takes(&layer).oneshot(0).await.is_ok());
    assert_eq!(
        begin.elapsed(),
        29 * MS,
        "it began when the first had ended"
    );
    assert!(first.await.unwrap().is_ok());

    let long = tokio::spawn(takes(&layer).oneshot(500));
    sleep(MS).await;
    let begin = Instant::now();
    assert_eq!(takes(&layer).oneshot(0).await.unwrap_err(), FULL);
    assert_eq!(begin.elapsed(), 50 * MS);
    assert!(long.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_in_the_order_in_which_they_came_and_newcomers_behind_them() {
    let layer = layer(1, Some(Duration::from_secs(9)));
    let order = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let order = order.clone();
        layer.layer(service_fn(move |number: u64| {
            order.lock().unwrap().push(number);
            async {
                sleep(10 * MS).await;
                Ok::<_, Failed>(Response::new(()))
            }
        }))
    };
    let mut calls = Vec::new();
    for number in 0..8 {
        calls.push(tokio::spawn(service.clone().oneshot(number)));
        // The last ones come when there has been room for others.
        sleep(4 * MS).await;
    }
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn one_who_has_waited_in_vain_lets_the_next_one_in() {
    let layer = layer(1, Some(100 * MS));
    let inside = layer.bulkhead().try_enter();
    let impatient = tokio::spawn(tokio::time::timeout(20 * MS, takes(&layer).oneshot(0)));
    sleep(MS).await;
    let patient = tokio::spawn(takes(&layer).oneshot(0));
    sleep(50 * MS).await;
    drop(inside);
    assert!(impatient.await.unwrap().is_err());
    assert!(patient.await.unwrap().is_ok());
    assert!(layer.bulkhead().has_room());
}

#[tokio::test(start_paused = true)]
async fn a_call_makes_room_however_it_is_dropped() {
    let layer = layer(1, None);
    let mut service = layer.layer(service_fn(|_: Request<()>| {
        std::future::pending::<Answer>()
    }));
    for polls in 0..3 {
        let mut call = Box::pin(service.call(Request::new(())));
        assert!(!layer.bulkhead().has_room(), "room is taken by the call");
        (0..polls).for_each(|_| assert!(poll(call.as_mut()).is_pending()));
        drop(call);
        assert!(layer.bulkhead().has_room(), "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_makes_room() {
    let bulkhead = layer(1, Some(10 * MS));
    let at_once = bulkhead.layer(service_fn(|()| -> std::future::Ready<Answer> {
        panic!("a bug")
    }));
    let later = bulkhead.layer(service_fn(|()| async { panic!("a bug") as Answer }));
    let mut at_once = Box::pin(at_once.oneshot(()));
    let mut later = Box::pin(later.oneshot(()));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(at_once.as_mut()))).is_err());
    drop(at_once);
    assert!(bulkhead.bulkhead().has_room());
    assert!(catch_unwind(AssertUnwindSafe(|| poll(later.as_mut()))).is_err());
    drop(later);
    assert!(bulkhead.bulkhead().has_room());
}

/// Panics if called without having been made ready.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<()> for Strict {
    type Response = Response<()>;
    type Error = Failed;
    type Future = std::future::Ready<Answer>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, (): ()) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        std::future::ready(Ok(Response::new(())))
    }
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_was_made_ready_is_called_even_after_a_wait() {
    let layer = layer(1, Some(100 * MS));
    assert!(layer.layer(Strict::default()).oneshot(()).await.is_ok());
    let inside = layer.bulkhead().try_enter();
    let waiting = tokio::spawn(layer.layer(Strict::default()).oneshot(()));
    sleep(MS).await;
    drop(inside);
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_says_beforehand_that_it_is_full() {
    let layer = layer(1, Some(MS));
    let service = layer.layer(AlwaysAdmits(Strict::default()));
    assert!(service.admits());
    let inside = layer.bulkhead().try_enter();
    assert!(!service.admits());
    drop(inside);
    assert!(service.admits());
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_learns_from_the_answers_that_pass() {
    let settings = LimitSettings {
        max: 1000,
        adaptive: true,
        ..LimitSettings::default()
    };
    let layer = BulkheadLayer::new(LimitPolicy::new(settings).unwrap());
    let before = layer.bulkhead().limiter().limit();
    for _ in 0..20 {
        let calls: Vec<_> = (0..before)
            .map(|_| tokio::spawn(takes(&layer).oneshot(5)))
            .collect();
        for call in calls {
            let _ = call.await.unwrap();
        }
    }
    let after = layer.bulkhead().limiter().limit();
    assert!(
        after > before,
        "it answers twenty at once as fast as one: {after}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_made_on_one_thread_is_found_by_who_waits_on_another() {
    // On real threads: if a wake-up were lost, a task would wait for an hour.
    let layer = layer(2, Some(Duration::from_hours(1)));
    let enter = |bulkhead: Bulkhead| async move {
        for _ in 0..500 {
            let inside = bulkhead.enter().await;
            tokio::task::yield_now().await;
            assert!(inside.is_some());
        }
    };
    let tasks: Vec<_> = (0..8)
        .map(|_| tokio::spawn(enter(layer.bulkhead().clone())))
        .collect();
    let all = async {
        for task in tasks {
            task.await.unwrap();
        }
    };
    let minute = Duration::from_mins(1);
    assert!(tokio::time::timeout(minute, all).await.is_ok());
    assert_eq!(layer.bulkhead().limiter().in_flight(), 0);
}
