//! What is measured.

use crate::rounds::{Calls, Subject};
use http::Request;
use resilience::{
    CallFailure, Failure,
    retry::{BudgetSettings, RetryLayer, RetryPolicy, RetrySettings},
};
use std::{
    future::{Ready, poll_fn, ready},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Builder, task::unconstrained};
use tower::{
    Layer, Service,
    layer::layer_fn,
    retry::{
        Policy, Retry,
        backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff},
        budget::{Budget, TpsBudget},
    },
    util::rng::HasherRng,
};
use types::{Cause, StoppedBy};

/// The name that ratios are against.
pub const OURS: &str = "ours";

const AT_ONCE: &str = "the first attempt succeeds";
const AT_SECOND: &str = "the second attempt succeeds";
const PAUSE: Duration = Duration::from_millis(1);

/// Everything, group by group.
pub fn all() -> Vec<Subject> {
    let mut all = vec![Subject {
        group: AT_ONCE,
        name: "no layer",
        start: Box::new(|threads| each(threads, |inner| inner, 1)),
    }];
    for (group, attempts) in [(AT_ONCE, 1), (AT_SECOND, 2)] {
        all.push(subject(group, attempts, OURS, || ours(None)));
        let budget = BudgetSettings {
            ratio: 1.0,
            ..BudgetSettings::default()
        };
        let with_budget = move || ours(Some(budget));
        all.push(subject(group, attempts, "ours, with a budget", with_budget));
        let towers = |policy: Towers| layer_fn(move |inner| Retry::new(policy.clone(), inner));
        let plain = move || towers(Towers::new(None));
        all.push(subject(group, attempts, "tower, backoff", plain));
        let budget = || TpsBudget::new(Duration::from_secs(10), 10, 1.0);
        let both = move || towers(Towers::new(Some(budget())));
        all.push(subject(group, attempts, "tower, backoff and budget", both));
    }
    all
}

fn subject<L, S>(
    group: &'static str,
    attempts: u32,
    name: &'static str,
    layer: impl Fn() -> L + 'static,
) -> Subject
where
    L: Layer<Flaky, Service = S>,
    S: Service<Request<()>> + Clone + Send + 'static,
{
    let start = move |threads| {
        let layer = layer();
        each(threads, |inner| layer.layer(inner), attempts)
    };
    Subject {
        group,
        name,
        start: Box::new(start),
    }
}

fn ours(budget: Option<BudgetSettings>) -> RetryLayer {
    let settings = RetrySettings {
        backoff: PAUSE,
        budget,
        ..RetrySettings::default()
    };
    RetryLayer::new(RetryPolicy::new(settings).expect("a valid policy"))
}

/// Calls by so many threads, each of which has a callee of its own behind `layer`.
fn each<S>(threads: usize, layer: impl Fn(Flaky) -> S, attempts: u32) -> Vec<Calls>
where
    S: Service<Request<()>> + Clone + Send + 'static,
{
    let callee = |_| layer(Flaky::new(attempts));
    (0..threads).map(callee).map(calls).collect()
}

/// As a caller uses a stack: a clone of it for each call.
fn calls<S>(service: S) -> Calls
where
    S: Service<Request<()>> + Clone + Send + 'static,
{
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    Box::new(move |calls| {
        runtime.block_on(unconstrained(async {
            for _ in 0..calls {
                let mut service = service.clone();
                let ready = poll_fn(|cx| service.poll_ready(cx)).await;
                black_box(ready.is_ok());
                black_box(service.call(Request::new(())).await.is_ok());
            }
        }));
    })
}

/// Fails all but every so many attempts.
#[derive(Debug, Clone)]
struct Flaky {
    attempts: u32,
    made: Arc<AtomicU32>,
}

impl Flaky {
    fn new(attempts: u32) -> Self {
        let made = Arc::default();
        Self { attempts, made }
    }
}

impl Service<Request<()>> for Flaky {
    type Response = ();
    type Error = Broken;
    type Future = Ready<Result<(), Broken>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _: Request<()>) -> Self::Future {
        let made = self.made.fetch_add(1, Relaxed) + 1;
        let succeeds = made.is_multiple_of(self.attempts);
        ready(if succeeds { Ok(()) } else { Err(Broken) })
    }
}

#[derive(Debug, Clone, Copy)]
struct Broken;

impl Failure for Broken {
    fn new(_: Cause, _: StoppedBy) -> Self {
        Self
    }
}

impl CallFailure for Broken {
    fn cause(&self) -> Cause {
        Cause::Error
    }
    fn stopped_by(&self) -> StoppedBy {
        StoppedBy::Attempts
    }
    fn stop(&mut self, _: StoppedBy) {}
}

/// The policy that tower's documentation leads to: a number of attempts, its backoff, and
/// its budget.
#[derive(Debug, Clone)]
struct Towers {
    retries: u32,
    backoff: ExponentialBackoff,
    budget: Option<Arc<TpsBudget>>,
}

impl Towers {
    fn new(budget: Option<TpsBudget>) -> Self {
        let longest = Duration::from_secs(1);
        let backoff = ExponentialBackoffMaker::new(PAUSE, longest, 0.5, HasherRng::default());
        Self {
            retries: 2,
            backoff: backoff.expect("a valid backoff").make_backoff(),
            budget: budget.map(Arc::new),
        }
    }
}

impl Policy<Request<()>, (), Broken> for Towers {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        _: &mut Request<()>,
        result: &mut Result<(), Broken>,
    ) -> Option<Self::Future> {
        let budget = self.budget.as_deref();
        if result.is_ok() {
            budget.inspect(|budget| budget.deposit());
            return None;
        }
        self.retries = self.retries.checked_sub(1)?;
        budget
            .is_none_or(Budget::withdraw)
            .then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}
