use super::*;
use crate::{
    attempt_timeout::{AttemptTimeoutLayer, AttemptTimeoutService},
    balance::{AlwaysAdmits, BalanceSettings, EjectSettings, Pick, RetryTo},
    bulkhead::{BulkheadLayer, BulkheadService, LimitPolicy, LimitSettings},
    circuit_breaker::{BreakerLayer, BreakerPolicy, BreakerService, BreakerSettings},
    retry::{RetryLayer, RetryPolicy, RetrySettings},
    testing::Failed,
};
use http::Response;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Waker,
};
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt};
use types::{Cause, StoppedBy};

const MS: Duration = Duration::from_millis(1);
const BROKEN: Failed = Failed(Cause::Reset, StoppedBy::Attempts);

type Answer = Result<Response<()>, Failed>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Answers as it is told, and must be made ready before each call.
#[derive(Debug)]
struct Replica {
    ready: bool,
    does: Does,
    calls: Arc<AtomicU32>,
}

#[derive(Debug, Clone, Copy)]
enum Does {
    Answer,
    Fail,
    Hang,
    Panic,
    PanicLater,
}

impl Replica {
    fn that(does: Does) -> Self {
        let (ready, calls) = (false, Arc::default());
        Self { ready, does, calls }
    }
}

impl Clone for Replica {
    /// Readiness is not cloned, as tower's contract has it.
    fn clone(&self) -> Self {
        Self {
            ready: false,
            does: self.does,
            calls: self.calls.clone(),
        }
    }
}

impl Service<Request<()>> for Replica {
    type Response = Response<()>;
    type Error = Failed;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Answering {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        self.calls.fetch_add(1, Relaxed);
        match self.does {
            Does::Answer => Box::pin(async { Ok(Response::new(())) }),
            Does::Fail => Box::pin(async { Err(BROKEN) }),
            Does::Hang => Box::pin(std::future::pending()),
            Does::Panic => panic!("a bug of the client"),
            Does::PanicLater => Box::pin(async { panic!("a bug of the callee") }),
        }
    }
}

fn candidates<S>(services: impl IntoIterator<Item = S>) -> Vec<Candidate<AlwaysAdmits<S>>> {
    let candidate = |service| Candidate {
        state: ReplicaState::new(),
        service: AlwaysAdmits(service),
    };
    services.into_iter().map(candidate).collect()
}

fn policy(change: impl FnOnce(&mut BalanceSettings)) -> BalancePolicy {
    let mut settings = BalanceSettings::default();
    change(&mut settings);
    BalancePolicy::new(settings).unwrap()
}

fn balance(replicas: &[Replica]) -> Balance<AlwaysAdmits<Replica>> {
    Balance::new(policy(|_| ()), candidates(replicas.iter().cloned()))
}

fn in_flight<S, C, O>(balance: &Balance<S, C, O>) -> Vec<u32> {
    let replicas = balance.board().replicas().iter();
    replicas.map(|replica| replica.in_flight()).collect()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn calls_are_spread_and_each_is_made_by_an_instance_that_was_made_ready() {
    let replicas = [Replica::that(Does::Answer), Replica::that(Does::Answer)];
    let balance = balance(&replicas);
    for _ in 0..100 {
        assert!(balance.clone().oneshot(Request::new(())).await.is_ok());
    }
    // Of 100 calls, none to one of the two has a chance of 10⁻³⁰.
    assert!(replicas.iter().all(|it| it.calls.load(Relaxed) > 0));
    assert_eq!(in_flight(&balance), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn without_replicas_nobody_listens() {
    let failed = balance(&[]).oneshot(Request::new(())).await.unwrap_err();
    assert_eq!(failed, Failed(Cause::Refused, StoppedBy::Attempts));
}

#[tokio::test(start_paused = true)]
async fn clones_share_what_is_known() {
    let balance = balance(&[Replica::that(Does::Hang), Replica::that(Does::Hang)]);
    let mut calls = Vec::new();
    for _ in 0..4 {
        let mut call = Box::pin(balance.clone().oneshot(Request::new(())));
        assert!(poll(call.as_mut()).is_pending());
        calls.push(call);
    }
    // Each went to the one with fewer in flight.
    assert_eq!(in_flight(&balance), [2, 2]);
    drop(calls);
    assert_eq!(in_flight(&balance), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_on_the_board_however_it_is_dropped() {
    let mut balance = balance(&[Replica::that(Does::Hang)]);
    for polls in 0..3 {
        let mut call = Box::pin(balance.call(Request::new(())));
        assert_eq!(in_flight(&balance), [1], "it counts from the call on");
        (0..polls).for_each(|_| assert!(poll(call.as_mut()).is_pending()));
        drop(call);
        assert_eq!(in_flight(&balance), [0], "after {polls} polls");
    }
    assert!(balance.board().is_usable(0, balance.now()));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_replica_counts_as_its_failure() {
    let eject_at_once = policy(|it| {
        it.eject = Some(EjectSettings {
            consecutive: 1,
            ..EjectSettings::default()
        });
        it.pick = Pick::Random;
    });
    for does in [Does::Panic, Does::PanicLater] {
        let replicas = [Replica::that(does), Replica::that(does)];
        let balance = Balance::new(eject_at_once, candidates(replicas));
        let mut call = Box::pin(balance.clone().oneshot(Request::new(())));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(call.as_mut()))).is_err());
        drop(call);
        assert_eq!(in_flight(&balance), [0, 0], "{does:?}");
        let ejected = [0, 1].map(|it| balance.board().is_ejected(it, balance.now()));
        assert!(ejected[0] ^ ejected[1], "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_goes_to_another_replica_because_copies_share_where_they_have_been() {
    for _ in 0..20 {
        let replicas = [Replica::that(Does::Fail), Replica::that(Does::Fail)];
        let balance = balance(&replicas);
        let mut request = Request::new(());
        request.extensions_mut().insert(Tried::default());
        for _ in 0..2 {
            let attempt = balance.clone().oneshot(request.clone());
            assert_eq!(attempt.await.unwrap_err(), BROKEN);
        }
        let calls = replicas.map(|it| it.calls.load(Relaxed));
        assert_eq!(calls, [1, 1]);
    }
}

/// Writes down all that it hears.
#[derive(Debug, Default, Clone)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl ObserveBalance<Request<()>> for Heard {
    fn chosen(&self, request: &mut Request<()>, replica: usize) {
        request.extensions_mut().insert(replica);
        self.0.lock().unwrap().push(format!("chosen {replica}"));
    }
    fn ejected(&self, ejection: &Ejection) {
        let Ejection { replica, time, .. } = ejection;
        self.0
            .lock()
            .unwrap()
            .push(format!("ejected {replica} for {time:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_listens_hears_of_choices_and_ejections() {
    let heard = Heard::default();
    let twice = policy(|it| {
        it.eject = Some(EjectSettings {
            consecutive: 2,
            ..EjectSettings::default()
        });
        it.panic_below = 0.0;
    });
    let states = candidates([Replica::that(Does::Fail), Replica::that(Does::Answer)]);
    let balance = Balance::with(twice, states, ByStatus, heard.clone());
    balance.board().set_up(1, false);
    for _ in 0..2 {
        assert!(balance.clone().oneshot(Request::new(())).await.is_err());
    }
    balance.board().set_up(1, true);
    assert!(balance.clone().oneshot(Request::new(())).await.is_ok());
    let heard = heard.0.lock().unwrap().join(", ");
    assert_eq!(heard, "chosen 0, chosen 0, ejected 0 for 10s, chosen 1");
}

#[tokio::test(start_paused = true)]
async fn a_slow_replica_is_known_to_be_slow_even_if_its_calls_are_given_up() {
    let balance = balance(&[Replica::that(Does::Hang)]);
    let call = tokio::time::timeout(300 * MS, balance.clone().oneshot(Request::new(())));
    assert!(call.await.is_err());
    let latency = balance.board().replicas()[0].latency(balance.now());
    assert!(latency > Some(250 * MS), "{latency:?}");
}

/// The stack of one replica, as a caller builds it.
fn whole_stack(does: Does, breaker: &BreakerLayer, bulkhead: &BulkheadLayer) -> Whole {
    let inner = AlwaysAdmits(Replica::that(does));
    let timed = AttemptTimeoutLayer::new(Some(100 * MS)).layer(inner);
    breaker.layer(bulkhead.layer(timed))
}

type Timed = AttemptTimeoutService<AlwaysAdmits<Replica>>;
type Whole = BreakerService<BulkheadService<Timed, ByStatus>, ByStatus, ()>;

fn opens_at_once() -> BreakerLayer {
    let settings = BreakerSettings {
        consecutive: Some(1),
        ..BreakerSettings::default()
    };
    BreakerLayer::new(BreakerPolicy::new(settings).unwrap(), 1)
}

fn room_for_one() -> BulkheadLayer {
    let settings = LimitSettings {
        max: 1,
        ..LimitSettings::default()
    };
    BulkheadLayer::new(LimitPolicy::new(settings).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_breaker_is_open_or_whose_bulkhead_is_full_is_passed_by() {
    let breakers = [opens_at_once(), opens_at_once()];
    let bulkheads = [room_for_one(), room_for_one()];
    let candidate = |it: usize| Candidate {
        state: ReplicaState::new(),
        service: whole_stack(Does::Answer, &breakers[it], &bulkheads[it]),
    };
    let balance = Balance::new(policy(|_| ()), vec![candidate(0), candidate(1)]);
    let send = || balance.clone().oneshot(Request::new(()));
    breakers[0].force_open();
    for _ in 0..20 {
        assert!(send().await.is_ok(), "the other one answers");
    }
    breakers[0].force_close();
    let inside = bulkheads[1].bulkhead().try_enter();
    for _ in 0..20 {
        assert!(send().await.is_ok(), "{inside:?} is where nobody else goes");
    }
}

#[tokio::test(start_paused = true)]
async fn when_nobody_admits_a_call_whoever_is_asked_refuses_it() {
    let breakers = [opens_at_once(), opens_at_once()];
    let candidate = |breaker: &BreakerLayer| Candidate {
        state: ReplicaState::new(),
        service: whole_stack(Does::Answer, breaker, &room_for_one()),
    };
    let balance = Balance::new(policy(|_| ()), breakers.iter().map(candidate).collect());
    for breaker in &breakers {
        breaker.force_open();
    }
    let failed = balance.clone().oneshot(Request::new(())).await.unwrap_err();
    assert_eq!(failed.1, StoppedBy::BreakerOpen);
    assert_eq!(in_flight(&balance), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_hangs_is_ejected_after_so_many_time_outs_and_comes_back() {
    let (breaker, bulkhead) = (
        BreakerLayer::new(BreakerPolicy::new(BreakerSettings::default()).unwrap(), 1),
        BulkheadLayer::new(LimitPolicy::default()),
    );
    let candidate = |does| Candidate {
        state: ReplicaState::new(),
        service: whole_stack(does, &breaker, &bulkhead),
    };
    let candidates = vec![candidate(Does::Hang), candidate(Does::Answer)];
    let random = policy(|it| it.pick = Pick::Random);
    let balance = Balance::new(random, candidates);
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(balance.clone().oneshot(Request::new(())).await.is_err());
    }
    assert_eq!(failed, 5, "after five in a row it is out");
    assert!(!balance.board().is_usable(0, balance.now()));
    advance(Duration::from_secs(10)).await;
    sleep(MS).await;
    assert!(balance.board().is_usable(0, balance.now()));
}

#[tokio::test(start_paused = true)]
async fn with_a_retry_above_a_replica_that_is_down_fails_no_call() {
    let replicas = [Replica::that(Does::Fail), Replica::that(Does::Answer)];
    let plain = BalanceSettings {
        retry: RetryTo::Another,
        ..BalanceSettings::PLAIN
    };
    let policy = BalancePolicy::new(plain).unwrap();
    let balance = Balance::new(policy, candidates(replicas.iter().cloned()));
    let retry = RetryLayer::new(RetryPolicy::new(RetrySettings::default()).unwrap());
    let service = retry.layer(balance);
    for _ in 0..100 {
        let mut request = Request::new(());
        request.extensions_mut().insert(Tried::default());
        assert!(service.clone().oneshot(request).await.is_ok());
    }
    let [failed, answered] = replicas.map(|it| it.calls.load(Relaxed));
    assert_eq!(answered, 100);
    // Half of the first attempts, to within six standard deviations.
    assert!((20..=80).contains(&failed), "{failed}");
}
