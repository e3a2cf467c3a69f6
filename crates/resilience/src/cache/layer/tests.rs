use super::*;
use crate::{cache::CacheSettings, testing::Failed};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use tokio::time::{advance, sleep, timeout};
use types::Cause;

const MS: Duration = Duration::from_millis(1);
const BROKEN: Failed = Failed(Cause::Reset, StoppedBy::Attempts);

/// A failure that says that whatever was answered before is no longer true.
const REVOKED: Failed = Failed(Cause::Stale, StoppedBy::NotRetryable);

type Answer = Result<String, Failed>;

/// Keeps what is no "gone", and marks what is stale.
#[derive(Debug, Default, Clone)]
struct Rules(Arc<Mutex<Vec<Freshness>>>);

impl Storable<String, Failed> for Rules {
    fn may_store(&self, result: &Answer) -> bool {
        result.as_ref().is_ok_and(|answer| answer != "private")
    }
    fn drops(&self, result: &Answer) -> bool {
        match result {
            Ok(answer) => answer == "gone",
            Err(failed) => *failed == REVOKED,
        }
    }
    fn stale(&self, answer: String, age: Duration) -> String {
        format!("{answer}, {} ms old", age.as_millis())
    }
    fn looked_up(&self, found: Freshness) {
        self.0.lock().unwrap().push(found);
    }
}

type Layered = CacheLayer<String, Failed, Rules>;

/// Fresh for 100 ms, stale for 900 ms more.
fn layer(change: impl FnOnce(&mut CacheSettings)) -> Layered {
    let mut settings = CacheSettings {
        fresh: 100 * MS,
        stale: Some(900 * MS),
        ..CacheSettings::default()
    };
    change(&mut settings);
    CacheLayer::new(CachePolicy::new(settings).unwrap(), Rules::default())
}

/// What the callee says to each key, how long it takes, and how often it was asked.
#[derive(Debug, Default, Clone)]
struct Callee(Arc<Mutex<Script>>, Arc<AtomicU32>);

#[derive(Debug, Default)]
struct Script {
    says: HashMap<String, Answer>,
    takes: Duration,
    panics: bool,
}

impl Callee {
    fn that_says(answer: &str) -> Self {
        let callee = Self::default();
        callee.says(Ok(answer.to_owned()));
        callee
    }

    fn says(&self, answer: Answer) {
        self.0.lock().unwrap().says.insert("key".to_owned(), answer);
    }

    fn takes(&self, time: Duration) {
        self.0.lock().unwrap().takes = time;
    }

    fn asked(&self) -> u32 {
        self.1.load(Relaxed)
    }
}

impl Service<Request<()>> for Callee {
    type Response = String;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.1.fetch_add(1, Relaxed);
        let key = request.extensions().get::<CacheKey>();
        let key = key.map_or("key", |key| &key.0);
        let script = self.0.lock().unwrap();
        let other = || Ok(format!("answer to {key}"));
        let answer = script.says.get(key).cloned().unwrap_or_else(other);
        let (takes, panics) = (script.takes, script.panics);
        Box::pin(async move {
            sleep(takes).await;
            assert!(!panics, "a bug");
            answer
        })
    }
}

fn ask_for(key: &str) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(CacheKey(key.into()));
    request
}

async fn ask(layer: &Layered, callee: &Callee) -> Answer {
    layer.layer(callee.clone()).oneshot(ask_for("key")).await
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "answers and failures are one type"
)]
fn told(answer: &str) -> Answer {
    Ok(answer.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_fresh_answer_is_used_again_and_an_older_one_is_asked_for_anew() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    assert_eq!(ask(&layer, &callee).await, told("one"));
    callee.says(told("two"));
    advance(99 * MS).await;
    assert_eq!(ask(&layer.clone(), &callee).await, told("one"));
    advance(MS).await;
    assert_eq!(ask(&layer, &callee).await, told("two"));
    assert_eq!(callee.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_name_passes_by() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    for _ in 0..3 {
        let answer = layer.layer(callee.clone()).oneshot(Request::new(())).await;
        assert_eq!(answer, told("one"));
    }
    assert_eq!(callee.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn different_names_have_different_answers() {
    let (layer, callee) = (layer(|_| ()), Callee::default());
    for key in ["a", "b", "a"] {
        let answer = layer.layer(callee.clone()).oneshot(ask_for(key)).await;
        assert_eq!(answer, Ok(format!("answer to {key}")));
    }
    assert_eq!(callee.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn when_the_callee_fails_an_old_answer_stands_in_and_is_marked_for_as_long_as_allowed() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    assert_eq!(ask(&layer, &callee).await, told("one"));
    callee.says(Err(BROKEN));
    advance(100 * MS).await;
    assert_eq!(ask(&layer, &callee).await, told("one, 100 ms old"));
    advance(899 * MS).await;
    assert_eq!(ask(&layer, &callee).await, told("one, 999 ms old"));
    advance(MS).await;
    assert_eq!(ask(&layer, &callee).await, Err(BROKEN));
    assert_eq!(callee.asked(), 4, "the callee was asked each time");
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_is_as_old_as_it_is_when_the_failure_comes() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    assert_eq!(ask(&layer, &callee).await, told("one"));
    callee.says(Err(BROKEN));
    callee.takes(500 * MS);
    advance(300 * MS).await;
    assert_eq!(ask(&layer, &callee).await, told("one, 800 ms old"));
    assert_eq!(
        ask(&layer, &callee).await,
        Err(BROKEN),
        "1300 ms is too old"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_never_kept_and_without_a_stale_time_it_is_told() {
    let (layer, callee) = (layer(|it| it.stale = None), Callee::that_says("one"));
    assert_eq!(ask(&layer, &callee).await, told("one"));
    callee.says(Err(BROKEN));
    advance(100 * MS).await;
    assert_eq!(ask(&layer, &callee).await, Err(BROKEN));
    callee.says(told("two"));
    assert_eq!(ask(&layer, &callee).await, told("two"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_so_is_not_kept() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("private"));
    for _ in 0..2 {
        assert_eq!(ask(&layer, &callee).await, told("private"));
    }
    assert_eq!(callee.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_makes_the_old_one_untrue_drops_it_and_is_passed_on() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    assert_eq!(ask(&layer, &callee).await, told("one"));
    advance(100 * MS).await;
    callee.says(told("gone"));
    assert_eq!(ask(&layer, &callee).await, told("gone"));
    callee.says(Err(BROKEN));
    assert_eq!(ask(&layer, &callee).await, Err(BROKEN), "nothing stands in");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_makes_the_old_answer_untrue_is_told() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    assert_eq!(ask(&layer, &callee).await, told("one"));
    advance(100 * MS).await;
    callee.says(Err(REVOKED));
    assert_eq!(ask(&layer, &callee).await, Err(REVOKED));
}

#[tokio::test(start_paused = true)]
async fn of_many_who_ask_at_once_one_asks_the_callee() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    callee.takes(50 * MS);
    let service = layer.layer(callee.clone());
    let asks = (0..100).map(|_| tokio::spawn(service.clone().oneshot(ask_for("key"))));
    let asks: Vec<_> = asks.collect();
    for asked in asks {
        assert_eq!(asked.await.unwrap(), told("one"));
    }
    assert_eq!(callee.asked(), 1);
    assert_eq!(layer.0.flights.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_many_who_ask_at_once_all_are_told_of_the_failure() {
    let (layer, callee) = (layer(|_| ()), Callee::default());
    callee.says(Err(BROKEN));
    callee.takes(50 * MS);
    let service = layer.layer(callee.clone());
    let asks: Vec<_> = (0..10)
        .map(|_| tokio::spawn(service.clone().oneshot(ask_for("key"))))
        .collect();
    for asked in asks {
        assert_eq!(asked.await.unwrap(), Err(BROKEN));
    }
    assert_eq!(callee.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_asked_first_may_leave_and_the_others_get_their_answer() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    callee.takes(50 * MS);
    let service = layer.layer(callee.clone());
    let first = tokio::spawn(service.clone().oneshot(ask_for("key")));
    sleep(10 * MS).await;
    let second = tokio::spawn(service.clone().oneshot(ask_for("key")));
    sleep(10 * MS).await;
    first.abort();
    assert_eq!(second.await.unwrap(), told("one"));
    assert_eq!(callee.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_the_load_ends_and_the_next_one_begins_anew() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    callee.takes(Duration::from_hours(1));
    for _ in 0..2 {
        assert!(timeout(10 * MS, ask(&layer, &callee)).await.is_err());
        sleep(MS).await;
        assert_eq!(layer.0.flights.count(), 0);
    }
    assert_eq!(callee.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_has_failed_for_all_and_the_next_one_begins_anew() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    callee.0.lock().unwrap().panics = true;
    let failed = ask(&layer, &callee).await.unwrap_err();
    assert_eq!(failed, Failed(Cause::Error, StoppedBy::Attempts));
    callee.0.lock().unwrap().panics = false;
    assert_eq!(ask(&layer, &callee).await, told("one"));
}

/// A request that has so much time.
fn ask_within(time: Duration) -> Request<()> {
    let mut hurried = ask_for("key");
    let deadline = Deadline::after(Instant::now(), time).unwrap();
    hurried.extensions_mut().insert(deadline);
    hurried
}

const LATE: Failed = Failed(Cause::Timeout, StoppedBy::Deadline);

#[tokio::test(start_paused = true)]
async fn a_load_lasts_no_longer_than_the_deadline_of_the_one_who_began_it() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    callee.takes(Duration::from_hours(1));
    let service = layer.layer(callee.clone());
    let first = tokio::spawn(service.clone().oneshot(ask_within(100 * MS)));
    sleep(10 * MS).await;
    let as_long = service.oneshot(ask_within(90 * MS)).await;
    assert_eq!((first.await.unwrap(), as_long), (Err(LATE), Err(LATE)));
    sleep(MS).await;
    assert_eq!((layer.0.flights.count(), callee.asked()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn those_who_have_time_left_when_a_load_is_given_up_load_once_more_together() {
    let (layer, callee) = (layer(|_| ()), Callee::that_says("one"));
    callee.takes(200 * MS);
    let service = layer.layer(callee.clone());
    let begin = Instant::now();
    let ask = |time| tokio::spawn(service.clone().oneshot(ask_within(time)));
    let (hurried, patient) = (ask(50 * MS), [ask(300 * MS), ask(400 * MS)]);
    assert_eq!(hurried.await.unwrap(), Err(LATE));
    for patient in patient {
        assert_eq!(patient.await.unwrap(), told("one"));
    }
    assert_eq!((begin.elapsed(), callee.asked()), (250 * MS, 2));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_failed_by_itself_is_not_repeated_for_those_who_joined() {
    let (layer, callee) = (layer(|_| ()), Callee::default());
    callee.says(Err(BROKEN));
    callee.takes(50 * MS);
    let service = layer.layer(callee.clone());
    let first = tokio::spawn(service.clone().oneshot(ask_within(100 * MS)));
    let other = service.oneshot(ask_for("key")).await;
    assert_eq!((first.await.unwrap(), other), (Err(BROKEN), Err(BROKEN)));
    assert_eq!(callee.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_answers_are_kept_than_allowed() {
    let (layer, callee) = (layer(|it| it.capacity = 10), Callee::default());
    for key in 0..1000 {
        let asked = layer
            .layer(callee.clone())
            .oneshot(ask_for(&key.to_string()));
        assert!(asked.await.is_ok());
    }
    layer.0.entries.run_pending_tasks();
    let kept = layer.0.entries.entry_count();
    assert!((1..=10).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn the_rules_hear_what_was_found() {
    let rules = Rules::default();
    let settings = CacheSettings {
        fresh: 100 * MS,
        stale: Some(900 * MS),
        ..CacheSettings::default()
    };
    let layer = CacheLayer::new(CachePolicy::new(settings).unwrap(), rules.clone());
    let callee = Callee::that_says("one");
    for _ in 0..3 {
        assert!(ask(&layer, &callee).await.is_ok());
        advance(60 * MS).await;
    }
    let found = rules.0.lock().unwrap().clone();
    let expected = [
        Freshness::Gone,
        Freshness::Fresh,
        Freshness::Stale(120 * MS),
    ];
    assert_eq!(found, expected);
}
