use super::*;
use crate::{
    deadline::DeadlineLayer,
    retry::{BudgetSettings, RetrySettings},
    testing::Failed,
};
use std::{
    collections::BTreeSet,
    future::Future,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use tower::{ServiceExt, service_fn};
use types::Cause;

const MS: Duration = Duration::from_millis(1);
const BROKEN: Failed = Failed(Cause::Reset, StoppedBy::Attempts);

fn layer(change: impl FnOnce(&mut RetrySettings)) -> RetryLayer {
    let mut settings = RetrySettings {
        backoff: 10 * MS,
        ..RetrySettings::default()
    };
    change(&mut settings);
    RetryLayer::new(RetryPolicy::new(settings).unwrap())
}

/// Sends `request` through `layer` to a service that fails `failures` times; the answer, and
/// how many attempts it took.
async fn send(
    layer: &RetryLayer,
    request: Request<()>,
    failures: u32,
) -> (Result<&'static str, Failed>, u32) {
    let attempts = AtomicU32::new(0);
    let service = service_fn(|_: Request<()>| {
        let failed = attempts.fetch_add(1, Relaxed) < failures;
        async move { if failed { Err(BROKEN) } else { Ok("done") } }
    });
    let answer = layer.layer(service).oneshot(request).await;
    (answer, attempts.load(Relaxed))
}

fn post() -> Request<()> {
    Request::post("/").body(()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_twice_succeeds_at_the_third_attempt() {
    let (answer, attempts) = send(&layer(|_| ()), Request::new(()), 2).await;
    assert_eq!((answer, attempts), (Ok("done"), 3));
}

#[tokio::test(start_paused = true)]
async fn after_the_last_attempt_the_failure_is_told_as_it_is() {
    let (answer, attempts) = send(&layer(|_| ()), Request::new(()), u32::MAX).await;
    assert_eq!((answer, attempts), (Err(BROKEN), 3));
}

#[tokio::test(start_paused = true)]
async fn a_success_is_not_tried_again() {
    assert_eq!(
        send(&layer(|_| ()), Request::new(()), 0).await,
        (Ok("done"), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_post_is_sent_once_unless_it_may_be_repeated() {
    let once = Err(Failed(Cause::Reset, StoppedBy::NotRetryable));
    assert_eq!(send(&layer(|_| ()), post(), 1).await, (once, 1));

    let mut keyed = post();
    keyed
        .headers_mut()
        .insert(IDEMPOTENCY_KEY, "k1".parse().unwrap());
    assert_eq!(send(&layer(|_| ()), keyed, 1).await, (Ok("done"), 2));

    let mut marked = post();
    marked.extensions_mut().insert(Repeatable);
    assert_eq!(send(&layer(|_| ()), marked, 1).await, (Ok("done"), 2));

    for method in [Method::PUT, Method::DELETE, Method::HEAD] {
        let request = Request::builder().method(method.clone()).body(()).unwrap();
        assert_eq!(send(&layer(|_| ()), request, 1).await.1, 2, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_earned_by_calls_and_spent_by_retries() {
    let layer = layer(|settings| {
        settings.budget = Some(BudgetSettings {
            ratio: 0.5,
            floor: 0.0,
            capacity: 1,
        });
    });
    let empty = Err(Failed(Cause::Reset, StoppedBy::Budget));
    // Full at first, and one call earns half a retry.
    assert_eq!(send(&layer, Request::new(()), 9).await, (empty, 2));
    assert_eq!(send(&layer, Request::new(()), 9).await, (empty, 1));
    // A clone draws from the same budget: two calls have earned one retry since.
    assert_eq!(
        send(&layer.clone(), Request::new(()), 1).await,
        (Ok("done"), 2)
    );
    assert_eq!(layer.budget().unwrap().level(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_credited_when_a_request_is_sent_and_not_when_it_ends() {
    let layer = layer(|settings| {
        settings.budget = Some(BudgetSettings {
            ratio: 1.0,
            floor: 0.0,
            capacity: 1,
        });
    });
    let budget = layer.budget().unwrap();
    assert!(budget.spend(1));
    let hangs = layer.layer(service_fn(|_: Request<()>| {
        std::future::pending::<Result<(), Failed>>()
    }));
    let mut call = Box::pin(hangs.oneshot(Request::new(())));
    assert!(poll_once(&mut call).await.is_pending());
    assert_eq!(budget.level(), 1);
}

/// Polls once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx)))
        .await
}

#[tokio::test(start_paused = true)]
async fn no_retry_begins_that_can_not_fit_the_deadline_and_the_deadline_bounds_them_all() {
    let begin = Instant::now();
    let retries = layer(|settings| {
        settings.retries = 10;
        settings.backoff = 50 * MS;
    });
    let service = service_fn(|_: Request<()>| async {
        sleep(30 * MS).await;
        Err::<(), _>(BROKEN)
    });
    let mut request = Request::new(());
    let deadline = Deadline::after(begin, 200 * MS).unwrap();
    request.extensions_mut().insert(deadline);
    let answer = DeadlineLayer
        .layer(retries.layer(service))
        .oneshot(request)
        .await;
    assert_eq!(answer.unwrap_err().1, StoppedBy::Deadline);
    assert!(begin.elapsed() <= 200 * MS, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn every_call_draws_its_own_pauses() {
    let mut pauses = BTreeSet::new();
    for _ in 0..20 {
        let begin = Instant::now();
        let layer = layer(|settings| settings.backoff = Duration::from_secs(1));
        assert_eq!(send(&layer, Request::new(()), 1).await.1, 2);
        assert!(begin.elapsed() <= Duration::from_secs(1) + MS);
        pauses.insert(begin.elapsed());
    }
    // Of 20 draws in steps of 1 ms, all alike has a chance of 10⁻⁵⁷.
    assert!(pauses.len() > 1, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_pauses_makes_no_further_attempt() {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = attempts.clone();
    let service = service_fn(move |_: Request<()>| {
        counted.fetch_add(1, Relaxed);
        async { Err::<(), _>(BROKEN) }
    });
    let layer = layer(|settings| {
        settings.backoff = Duration::from_hours(1);
        settings.max_backoff = Duration::from_hours(1);
    });
    let mut call = Box::pin(layer.layer(service).oneshot(Request::new(())));
    assert!(poll_once(&mut call).await.is_pending());
    drop(call);
    sleep(Duration::from_hours(2)).await;
    assert_eq!(attempts.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_uses_the_instance_that_was_readied() {
    /// Panics if called without having been readied, as tower's contract allows.
    #[derive(Debug, Default)]
    struct Strict {
        ready: bool,
    }
    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self { ready: false }
        }
    }
    impl tower::Service<Request<()>> for Strict {
        type Response = ();
        type Error = Failed;
        type Future = std::future::Ready<Result<(), Failed>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Failed>> {
            self.ready = true;
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(
                std::mem::take(&mut self.ready),
                "called without being ready"
            );
            std::future::ready(Err(BROKEN))
        }
    }
    let answer = layer(|_| ())
        .layer(Strict::default())
        .oneshot(Request::new(()))
        .await;
    assert_eq!(answer, Err(BROKEN));
}
