use super::*;
use crate::{
    balance::{AlwaysAdmits, Balance, BalancePolicy, Candidate, ReplicaState},
    hedge::HedgeSettings,
    retry::{BudgetSettings, RetryLayer, RetryPolicy, RetrySettings},
    testing::Failed,
};
use http::Response;
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use tokio::time::{Instant, sleep, timeout};
use tower::{ServiceExt, service_fn};
use types::{Cause, StoppedBy};

const MS: Duration = Duration::from_millis(1);
const FIRST: Failed = Failed(Cause::Reset, StoppedBy::Attempts);
const SECOND: Failed = Failed(Cause::Refused, StoppedBy::Attempts);

type Answer = Result<&'static str, Failed>;

/// A budget that is never the reason.
const PLENTY: BudgetSettings = BudgetSettings {
    ratio: 1.0,
    floor: 0.0,
    capacity: 1000,
};

/// Hedges after 50 ms.
fn layer(budget: BudgetSettings) -> HedgeLayer {
    HedgeLayer::new(policy(budget), None)
}

fn policy(budget: BudgetSettings) -> HedgePolicy {
    let settings = HedgeSettings {
        delay: 50 * MS,
        budget,
        ..HedgeSettings::default()
    };
    HedgePolicy::new(settings).unwrap()
}

/// Sends `request`, where the n-th request takes so long and has this end; the answer, when
/// it came, and how many requests were sent.
async fn send(
    layer: &HedgeLayer,
    request: Request<()>,
    script: &'static [(u32, Answer)],
) -> (Answer, Duration, u32) {
    let sent = Arc::new(AtomicU32::new(0));
    let counted = sent.clone();
    let service = service_fn(move |_: Request<()>| {
        let number = counted.fetch_add(1, Relaxed);
        async move {
            let (millis, answer) = script[number as usize];
            sleep(MS * millis).await;
            answer
        }
    });
    let begin = Instant::now();
    let answer = layer.layer(service).oneshot(request).await;
    (answer, begin.elapsed(), sent.load(Relaxed))
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_not_asked_for_twice() {
    let script = &[(49, Ok("first"))];
    let sent = send(&layer(PLENTY), Request::new(()), script).await;
    assert_eq!(sent, (Ok("first"), 49 * MS, 1));
}

#[tokio::test(start_paused = true)]
async fn of_two_answers_the_faster_one_wins() {
    let late_first = &[(500, Ok("first")), (10, Ok("second"))];
    let sent = send(&layer(PLENTY), Request::new(()), late_first).await;
    assert_eq!(sent, (Ok("second"), 60 * MS, 2));
    let later_second = &[(70, Ok("first")), (30, Ok("second"))];
    let sent = send(&layer(PLENTY), Request::new(()), later_second).await;
    assert_eq!(sent, (Ok("first"), 70 * MS, 2));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_fails_fast_does_not_end_a_healthy_call() {
    let script = &[(200, Ok("first")), (1, Err(SECOND))];
    let sent = send(&layer(PLENTY), Request::new(()), script).await;
    assert_eq!(sent, (Ok("first"), 200 * MS, 2));
}

#[tokio::test(start_paused = true)]
async fn a_first_request_that_fails_does_not_end_a_hedge_under_way() {
    let script = &[(100, Err(FIRST)), (200, Ok("second"))];
    let sent = send(&layer(PLENTY), Request::new(()), script).await;
    assert_eq!(sent, (Ok("second"), 250 * MS, 2));
}

#[tokio::test(start_paused = true)]
async fn if_both_fail_the_failure_of_the_first_is_told_when_the_last_has_failed() {
    let first_last = &[(200, Err(FIRST)), (10, Err(SECOND))];
    let sent = send(&layer(PLENTY), Request::new(()), first_last).await;
    assert_eq!(sent, (Err(FIRST), 200 * MS, 2));
    let second_last = &[(60, Err(FIRST)), (100, Err(SECOND))];
    let sent = send(&layer(PLENTY), Request::new(()), second_last).await;
    assert_eq!(sent, (Err(FIRST), 150 * MS, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_delay_is_for_retries_to_mend() {
    let script = &[(10, Err(FIRST))];
    let sent = send(&layer(PLENTY), Request::new(()), script).await;
    assert_eq!(sent, (Err(FIRST), 10 * MS, 1));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_done_twice_is_not() {
    let post = Request::post("/").body(()).unwrap();
    let script = &[(500, Ok("first"))];
    let sent = send(&layer(PLENTY), post, script).await;
    assert_eq!(sent, (Ok("first"), 500 * MS, 1));
}

#[tokio::test(start_paused = true)]
async fn without_budget_there_is_no_hedge_and_the_call_goes_on() {
    let nothing = BudgetSettings {
        ratio: 0.0,
        floor: 0.0,
        capacity: 1,
    };
    let layer = layer(nothing);
    assert!(layer.budget().spend(1));
    let script = &[(500, Ok("first"))];
    let sent = send(&layer, Request::new(()), script).await;
    assert_eq!(sent, (Ok("first"), 500 * MS, 1));
}

#[tokio::test(start_paused = true)]
async fn retries_and_hedges_share_one_budget_and_each_request_earns_once() {
    let settings = RetrySettings {
        budget: Some(BudgetSettings {
            ratio: 0.5,
            floor: 0.0,
            capacity: 2,
        }),
        ..RetrySettings::default()
    };
    let retry = RetryLayer::new(RetryPolicy::new(settings).unwrap());
    let budget = retry.budget().unwrap().clone();
    let hedge = HedgeLayer::new(policy(PLENTY), Some(budget.clone()));
    assert!(Arc::ptr_eq(hedge.budget(), &budget));
    let script = &[(500, Ok("first")), (10, Ok("second"))];
    assert_eq!(send(&hedge, Request::new(()), script).await.2, 2);
    assert_eq!(budget.level(), 1, "spent by the hedge");
    let in_time = &[(1, Ok("first"))];
    for _ in 0..4 {
        assert_eq!(send(&hedge, Request::new(()), in_time).await.2, 1);
    }
    assert_eq!(
        budget.level(),
        1,
        "earned by nobody: that is the retries' part"
    );
}

#[tokio::test(start_paused = true)]
async fn after_all_answers_have_become_ten_times_slower_the_load_added_stays_within_budget() {
    let tenth = BudgetSettings {
        ratio: 0.1,
        floor: 0.0,
        capacity: 10,
    };
    let layer = layer(tenth);
    let sent = Arc::new(AtomicU32::new(0));
    let counted = sent.clone();
    let service = layer.layer(service_fn(move |slow: Request<bool>| {
        counted.fetch_add(1, Relaxed);
        async move {
            sleep(if *slow.body() { 400 * MS } else { 40 * MS }).await;
            Ok::<_, Failed>("done")
        }
    }));
    for call in 0..2000 {
        let answer = service.clone().oneshot(Request::new(call >= 1000)).await;
        assert!(answer.is_ok());
    }
    // All of the second thousand are late; what they may add is a tenth, and what was saved.
    let added = sent.load(Relaxed) - 2000;
    assert!((100..=10 + 100).contains(&added), "{added}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_drops_both_requests() {
    let alive = Arc::new(());
    let held = alive.clone();
    let service = service_fn(move |_: Request<()>| {
        let held = held.clone();
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok::<_, Failed>(())
        }
    });
    let call = layer(PLENTY).layer(service).oneshot(Request::new(()));
    assert!(timeout(100 * MS, call).await.is_err());
    assert_eq!(
        Arc::strong_count(&alive),
        1,
        "the service is gone, and both requests"
    );
}

#[tokio::test(start_paused = true)]
async fn the_loser_is_dropped_as_soon_as_the_winner_is_there() {
    let running = Arc::new(AtomicU32::new(0));
    let counted = running.clone();
    let service = service_fn(move |_: Request<()>| {
        let running = counted.clone();
        let number = running.fetch_add(1, Relaxed);
        let ends = Ends(running);
        async move {
            sleep(if number == 0 { 500 * MS } else { MS }).await;
            drop(ends);
            Ok::<_, Failed>(())
        }
    });
    let answer = layer(PLENTY).layer(service).oneshot(Request::new(())).await;
    assert!(answer.is_ok());
    assert_eq!(running.load(Relaxed), 0);
}

/// Counts down when it is dropped.
struct Ends(Arc<AtomicU32>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Writes down what it hears.
#[derive(Debug, Default, Clone)]
struct Heard(Arc<Mutex<Vec<(u32, Duration)>>>);

impl ObserveHedge for Heard {
    fn scheduled(&self, number: u32, delay: Duration) {
        self.0.lock().unwrap().push((number, delay));
    }
}

#[tokio::test(start_paused = true)]
async fn who_listens_hears_of_hedges_that_are_sent_and_of_no_others() {
    let heard = Heard::default();
    let one = BudgetSettings {
        ratio: 0.0,
        floor: 0.0,
        capacity: 1,
    };
    let layer = HedgeLayer::with(policy(one), None, heard.clone());
    let service = layer.layer(service_fn(|_: Request<()>| async {
        sleep(60 * MS).await;
        Ok::<_, Failed>(())
    }));
    for _ in 0..3 {
        assert!(service.clone().oneshot(Request::new(())).await.is_ok());
    }
    assert_eq!(*heard.0.lock().unwrap(), [(1, 50 * MS)]);
}

#[tokio::test(start_paused = true)]
async fn the_second_request_goes_to_another_replica() {
    type Answering = Pin<Box<dyn Future<Output = Result<Response<()>, Failed>> + Send>>;
    let answers = |healthy: bool| {
        service_fn(move |_: Request<()>| -> Answering {
            if healthy {
                Box::pin(async { Ok(Response::new(())) })
            } else {
                Box::pin(std::future::pending())
            }
        })
    };
    let candidate = |healthy| Candidate {
        state: ReplicaState::new(),
        service: AlwaysAdmits(answers(healthy)),
    };
    // Blind to load: half of the calls go to the one that hangs.
    let candidates = vec![candidate(true), candidate(false)];
    let another = crate::balance::BalanceSettings {
        pick: crate::balance::Pick::Random,
        ..crate::balance::BalanceSettings::default()
    };
    let balance = Balance::new(BalancePolicy::new(another).unwrap(), candidates);
    let service = layer(PLENTY).layer(balance);
    for _ in 0..50 {
        let answer = timeout(51 * MS, service.clone().oneshot(Request::new(()))).await;
        assert!(answer.is_ok(), "the one that hangs was asked twice");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_quantile_the_delay_follows_what_answers_take() {
    let settings = HedgeSettings {
        delay: 5 * MS,
        quantile: Some(0.9),
        budget: PLENTY,
    };
    let layer = HedgeLayer::new(HedgePolicy::new(settings).unwrap(), None);
    let number = Arc::new(AtomicU32::new(0));
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let slow = number.fetch_add(1, Relaxed).is_multiple_of(20);
        async move {
            sleep(if slow { 900 * MS } else { 30 * MS }).await;
            Ok::<_, Failed>(())
        }
    }));
    for _ in 0..1000 {
        assert!(service.clone().oneshot(Request::new(())).await.is_ok());
    }
    let delay = layer.delay();
    assert!((28 * MS..60 * MS).contains(&delay), "{delay:?}");
}
