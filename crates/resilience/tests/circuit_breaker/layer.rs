//! The layer, in paused time.

use crate::{BROKEN, Failed, MS, REFUSED, in_a_row, policy};
use http::{Response, StatusCode};
use resilience::circuit_breaker::{
    BreakerLayer, BreakerSettings, ByStatus, Classify, Observe, ObserveCall, Outcome, State,
    Transition, Why,
};
use std::{
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tokio::time::{advance, sleep, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use types::{Cause, StoppedBy};

type Answer = Result<Response<()>, Failed>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "answers and failures are one type"
)]
fn status(status: u16) -> Answer {
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(answer)
}

/// Sends one call through `layer` to a callee that says `answer` at once.
async fn send(layer: &BreakerLayer, answer: Answer) -> Result<StatusCode, Failed> {
    let answer = Mutex::new(Some(answer));
    let service = service_fn(|()| ready(answer.lock().unwrap().take().unwrap()));
    let said = layer.layer(service).oneshot(()).await;
    said.map(|answer| answer.status())
}

fn breaker(settings: BreakerSettings) -> BreakerLayer {
    BreakerLayer::new(policy(settings), 1)
}

#[tokio::test(start_paused = true)]
async fn after_too_many_failures_calls_are_refused_with_the_cause_until_probes_succeed() {
    let layer = breaker(in_a_row(2, 2));
    assert_eq!(send(&layer, Err(BROKEN)).await, Err(BROKEN));
    assert_eq!(send(&layer, Err(BROKEN)).await, Err(BROKEN));
    assert_eq!(layer.state(), State::Open);
    // The callee would answer, but is not asked.
    assert_eq!(send(&layer, status(200)).await, Err(REFUSED));
    advance(1000 * MS - MS).await;
    assert_eq!(send(&layer, status(200)).await, Err(REFUSED));
    advance(MS).await;
    assert_eq!(send(&layer, status(200)).await, Ok(StatusCode::OK));
    assert_eq!(layer.state(), State::HalfOpen);
    assert_eq!(send(&layer, status(200)).await, Ok(StatusCode::OK));
    assert_eq!(layer.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn invariant_10_answers_below_500_and_calls_refused_on_the_way_never_count() {
    let refused = |stopped_by| Err(Failed(Cause::Timeout, stopped_by));
    let harmless = [
        status(400),
        status(404),
        status(429),
        status(499),
        refused(StoppedBy::BreakerOpen),
        refused(StoppedBy::BulkheadFull),
        Err(Failed(Cause::Cancelled, StoppedBy::Attempts)),
        Err(Failed(Cause::Exhausted, StoppedBy::NotRetryable)),
    ];
    let layer = breaker(in_a_row(1, 1));
    for answer in harmless {
        let said = format!("{answer:?}");
        let _ = send(&layer, answer).await;
        assert_eq!(layer.state(), State::Closed, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_from_500_up_and_failures_count() {
    let harmful = [
        status(500),
        status(503),
        status(599),
        Err(Failed(Cause::Timeout, StoppedBy::Attempts)),
        Err(Failed(Cause::Timeout, StoppedBy::Deadline)),
        Err(Failed(Cause::Reset, StoppedBy::NotRetryable)),
    ];
    for answer in harmful {
        let layer = breaker(in_a_row(1, 1));
        let said = format!("{answer:?}");
        let _ = send(&layer, answer).await;
        assert_eq!(layer.state(), State::Open, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_refused_on_the_way_gives_its_permit_back() {
    let layer = breaker(in_a_row(1, 1));
    let _ = send(&layer, Err(BROKEN)).await;
    advance(1000 * MS).await;
    let full = Failed(Cause::Shed, StoppedBy::BulkheadFull);
    assert_eq!(send(&layer, Err(full)).await, Err(full));
    assert_eq!(layer.state(), State::HalfOpen);
    assert_eq!(send(&layer, status(200)).await, Ok(StatusCode::OK));
    assert_eq!(layer.state(), State::Closed);
}

#[test]
fn a_failure_is_classified_with_its_cause_and_a_bad_answer_as_an_error() {
    let failed: Answer = Err(BROKEN);
    assert_eq!(ByStatus.classify(&failed), Outcome::Failure(Cause::Reset));
    assert_eq!(
        ByStatus.classify(&status(502)),
        Outcome::Failure(Cause::Error)
    );
    assert_eq!(ByStatus.classify(&status(302)), Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn invariant_11_of_a_thousand_calls_at_expiry_exactly_n_reach_the_callee() {
    let layer = breaker(in_a_row(1, 3));
    let _ = send(&layer, Err(BROKEN)).await;
    advance(1000 * MS).await;
    let reached = Arc::new(AtomicU32::new(0));
    let service = layer.layer(service_fn(|reached: Arc<AtomicU32>| async move {
        reached.fetch_add(1, Relaxed);
        sleep(10 * MS).await;
        status(200)
    }));
    let calls: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(service.clone().oneshot(reached.clone())))
        .collect();
    let mut refused = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => {}
            Err(failed) => {
                assert_eq!(failed, REFUSED);
                refused += 1;
            }
        }
    }
    assert_eq!((reached.load(Relaxed), refused), (3, 997));
    assert_eq!(layer.state(), State::Closed);
}

/// Has room for one call, taken by `poll_ready` and kept until the call.
#[derive(Default)]
struct Roomy {
    readied: bool,
    asked: Arc<AtomicU32>,
    failing: bool,
}

impl Clone for Roomy {
    fn clone(&self) -> Self {
        Self {
            readied: false,
            asked: self.asked.clone(),
            failing: self.failing,
        }
    }
}

impl Service<()> for Roomy {
    type Response = Response<()>;
    type Error = Failed;
    type Future = Ready<Answer>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.asked.fetch_add(1, Relaxed);
        self.readied = true;
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, (): ()) -> Self::Future {
        assert!(std::mem::take(&mut self.readied), "not the readied one");
        ready(if self.failing {
            Err(BROKEN)
        } else {
            status(200)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_the_instance_that_was_readied() {
    let layer = breaker(in_a_row(1, 1));
    let mut service = layer.layer(Roomy::default());
    for _ in 0..3 {
        assert!(service.ready().await.unwrap().call(()).await.is_ok());
    }
    let mut clone = service.clone();
    assert!(clone.ready().await.unwrap().call(()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn clones_of_service_and_layer_share_one_breaker() {
    let layer = breaker(in_a_row(2, 1));
    let failing = Roomy {
        failing: true,
        ..Roomy::default()
    };
    let first = layer.layer(failing.clone());
    let second = first.clone();
    let third = layer.clone().layer(failing);
    assert_eq!(first.oneshot(()).await.unwrap_err(), BROKEN);
    assert_eq!(second.oneshot(()).await.unwrap_err(), BROKEN);
    assert_eq!(third.oneshot(()).await.unwrap_err(), REFUSED);
}

#[tokio::test(start_paused = true)]
async fn while_open_it_is_ready_at_once_and_takes_no_room_of_the_inner_service() {
    let layer = breaker(in_a_row(1, 1));
    let inner = Roomy::default();
    let asked = inner.asked.clone();
    let mut service = layer.layer(inner);
    layer.force_open();
    let refused = service.ready().await.unwrap().call(()).await;
    assert_eq!(refused.unwrap_err().1, StoppedBy::BreakerOpen);
    assert_eq!(asked.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn while_open_it_does_not_wait_for_an_inner_service_without_room() {
    /// Never has room.
    struct Full;
    impl Service<()> for Full {
        type Response = Response<()>;
        type Error = Failed;
        type Future = Ready<Answer>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
            Poll::Pending
        }
        fn call(&mut self, (): ()) -> Self::Future {
            panic!("called without room")
        }
    }
    let layer = breaker(in_a_row(1, 1));
    layer.force_open();
    let mut service = layer.layer(Full);
    let ready = timeout(MS, service.ready())
        .await
        .expect("it does not wait");
    let ready = ready.unwrap();
    // Closed by now, but the inner service was not asked.
    layer.force_close();
    let refused = ready.call(()).await;
    assert_eq!(refused.unwrap_err().1, StoppedBy::BreakerOpen);
}

#[tokio::test(start_paused = true)]
async fn a_readied_call_is_refused_if_the_breaker_has_opened_since() {
    let layer = breaker(in_a_row(1, 1));
    let mut service = layer.layer(Roomy::default());
    let ready = service.ready().await.unwrap();
    layer.force_open();
    assert!(ready.call(()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_success_counts_when_it_comes_and_not_when_its_call_was_sent() {
    let settings = BreakerSettings {
        failure_rate: Some(0.5),
        window: 1000 * MS,
        min_calls: 2,
        ..BreakerSettings::default()
    };
    let layer = breaker(settings);
    let slow = service_fn(|()| async {
        sleep(5000 * MS).await;
        status(200)
    });
    let calls: Vec<_> = (0..3)
        .map(|_| tokio::spawn(layer.layer(slow).oneshot(())))
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    advance(500 * MS).await;
    for failures in 1..=3 {
        assert_eq!(
            layer.state(),
            State::Closed,
            "{failures} of {}",
            failures + 3
        );
        let _ = send(&layer, Err(BROKEN)).await;
    }
    assert_eq!(layer.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn slow_successes_open_it_and_a_slow_probe_opens_it_again() {
    let settings = BreakerSettings {
        slow_rate: Some(0.5),
        slow_call: Some(100 * MS),
        min_calls: 2,
        jitter: 0.0,
        probes: 1,
        ..BreakerSettings::default()
    };
    let layer = breaker(settings);
    let takes = |time| {
        let service = layer.layer(service_fn(move |()| async move {
            sleep(time).await;
            status(200)
        }));
        service.oneshot(())
    };
    assert!(takes(100 * MS).await.is_ok());
    assert!(takes(99 * MS).await.is_ok());
    assert_eq!(layer.state(), State::Closed, "the quick one says nothing");
    assert!(takes(100 * MS).await.is_ok());
    assert_eq!(layer.state(), State::Open);
    let slow = Failed(Cause::Timeout, StoppedBy::BreakerOpen);
    assert_eq!(send(&layer, status(200)).await, Err(slow));
    advance(1000 * MS).await;
    assert!(takes(100 * MS).await.is_ok());
    assert_eq!(layer.state(), State::Open);
    advance(2000 * MS).await;
    assert!(takes(99 * MS).await.is_ok());
    assert_eq!(layer.state(), State::Closed);
}

#[derive(Debug, Clone, Default)]
struct Diary(Arc<Mutex<Vec<Transition>>>);

impl Observe for Diary {
    fn transition(&self, transition: &Transition) {
        self.0.lock().unwrap().push(*transition);
    }
}

impl ObserveCall<Vec<State>> for Diary {
    fn admitted(&self, request: &mut Vec<State>, state: State) {
        request.push(state);
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_each_admitted_request_and_each_transition_once() {
    let diary = Diary::default();
    let layer = BreakerLayer::with(policy(in_a_row(1, 1)), 1, ByStatus, diary.clone());
    let call = async |fails: bool| {
        let echo = service_fn(move |seen: Vec<State>| async move {
            if fails {
                return Err(BROKEN);
            }
            Ok(Response::new(seen))
        });
        let service = ServiceBuilder::new().layer(layer.clone()).service(echo);
        let said = service.oneshot(Vec::new()).await;
        said.map(Response::into_body)
    };
    assert_eq!(call(false).await, Ok(vec![State::Closed]));
    assert_eq!(call(true).await, Err(BROKEN));
    assert_eq!(call(false).await, Err(REFUSED));
    advance(1000 * MS).await;
    assert_eq!(call(false).await, Ok(vec![State::HalfOpen]));
    layer.force_open();
    layer.force_close();
    let told = diary.0.lock().unwrap().clone();
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.generation, it.from.as_str(), it.to.as_str(), it.why))
        .collect();
    let expected = [
        (1, "closed", "open", Why::Consecutive),
        (2, "open", "half_open", Why::OpenTimeOver),
        (3, "half_open", "closed", Why::ProbesSucceeded),
        (4, "closed", "open", Why::Forced),
        (5, "open", "closed", Why::Forced),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_without_calls_is_half_open_once_its_open_time_is_over_and_nothing_changes() {
    let diary = Diary::default();
    let layer = BreakerLayer::with(policy(in_a_row(1, 1)), 1, ByStatus, diary.clone());
    assert!(layer.would_admit());
    let failing = service_fn(|_: Vec<State>| ready(Err::<Response<()>, _>(BROKEN)));
    let _ = layer.layer(failing).oneshot(Vec::new()).await;
    advance(999 * MS).await;
    assert!(!layer.would_admit());
    assert_eq!(layer.state(), State::Open);
    advance(MS).await;
    assert!(layer.would_admit());
    assert_eq!(layer.state(), State::HalfOpen);
    let transitions = diary.0.lock().unwrap().len();
    assert_eq!(transitions, 1, "only a call can make it half-open");
}
