//! Deliveries to an audit log on a real socket, which fails as it is told.

use super::*;
use crate::{
    Options,
    store::{self, Change, tests::put},
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use chassis::Chassis;
use clap::Parser;
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use testkit::{Database, HeldClock, on_every_engine};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use types::header;

on_every_engine!(
    two_replicas_deliver_every_change_once_and_in_order_whatever_fails,
    a_change_waits_for_an_audit_log_that_is_down,
    an_event_that_is_refused_does_not_hold_up_the_others,
    an_event_that_a_fault_strikes_once_is_not_struck_for_ever,
);

/// What an audit log has recorded, each key once, in the order in which it came.
type Log = Vec<NewEvent>;

/// How it answers to the attempt with this number: before it records, or after that.
type Mood = fn(u32, &NewEvent) -> Option<StatusCode>;

struct Audit {
    log: watch::Sender<Log>,
    attempts: std::sync::atomic::AtomicU32,
    before: Mood,
    after: Mood,
}

impl Audit {
    fn new(before: Mood, after: Mood) -> Arc<Self> {
        Arc::new(Self {
            log: watch::Sender::default(),
            attempts: 0.into(),
            before,
            after,
        })
    }

    async fn listen(self: &Arc<Self>) -> String {
        let routes = Router::new().route("/v1/events", post(append));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = routes.with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }

    /// Waits until so many events are recorded.
    async fn has(&self, events: usize) -> Log {
        let mut log = self.log.subscribe();
        let complete = log.wait_for(|log| log.len() >= events);
        let log = timeout(Duration::from_mins(1), complete).await;
        log.expect("all events come").unwrap().clone()
    }
}

async fn append(State(audit): State<Arc<Audit>>, Json(event): Json<NewEvent>) -> StatusCode {
    let attempt = audit.attempts.fetch_add(1, Relaxed);
    if let Some(status) = (audit.before)(attempt, &event) {
        return status;
    }
    audit.log.send_if_modified(|log| {
        let is_new = !log.iter().any(|known| known.key == event.key);
        if is_new {
            log.push(event.clone());
        }
        is_new
    });
    (audit.after)(attempt, &event).unwrap_or(StatusCode::OK)
}

async fn replica(database: &Database, audit: &str) -> (Arc<dyn Store>, Outbox) {
    let store = store::open(&database.url.parse().unwrap()).await.unwrap();
    let outbox = Outbox::start(store.clone(), upstream(audit).await);
    (store, outbox)
}

async fn upstream(audit: &str) -> Upstream {
    let flags = [
        "--store=sqlite::memory:",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
    ];
    let options = Options::parse_from(["database"].into_iter().chain(flags));
    let chassis = Chassis::start("database", options.chassis).await.unwrap();
    chassis.upstream("audit", &[audit.parse().unwrap()])
}

/// How long an audit log that is slow takes for each event.
const SLOW: Duration = Duration::from_secs(1);

/// An audit log that is slow, and how many events it has begun with.
async fn slow() -> (String, watch::Receiver<usize>) {
    let (begun, seen) = watch::channel(0);
    let append = async move || {
        begun.send_modify(|begun| *begun += 1);
        sleep(SLOW).await;
        StatusCode::OK
    };
    let routes = Router::new().route("/v1/events", post(append));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (format!("http://{address}"), seen)
}

/// An audit log where a fault strikes some request ids, as one with a probability does that
/// draws by them: of each event the first that comes, and whenever that comes again. And the
/// keys that it has recorded.
async fn striking() -> (String, watch::Receiver<Vec<String>>) {
    let (log, seen) = watch::channel(Vec::new());
    let first = Arc::new(Mutex::new(BTreeMap::new()));
    let append = async move |headers: HeaderMap, Json(event): Json<NewEvent>| {
        let id = headers[header::REQUEST_ID].to_str().unwrap().to_owned();
        let mut first = first.lock().unwrap();
        if *first.entry(event.key.clone()).or_insert_with(|| id.clone()) == id {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        log.send_modify(|log| log.push(event.key));
        StatusCode::OK
    };
    let routes = Router::new().route("/v1/events", post(append));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (format!("http://{address}"), seen)
}

/// So many changes of one record, whose events wait for whoever delivers.
async fn fill(database: &Database, changes: usize) {
    let store = store::open(&database.url.parse().unwrap()).await.unwrap();
    for number in 0..changes {
        store.change(&change("k", number)).await.unwrap();
    }
    store.close().await;
}

fn change(key: &str, number: usize) -> Change {
    Change {
        event: Some(Author {
            actor: format!("user-{number}"),
            request_id: format!("r-{number}"),
        }),
        ..put("c", key, json!(number))
    }
}

async fn two_replicas_deliver_every_change_once_and_in_order_whatever_fails(database: Database) {
    // Every fifth attempt is refused, and of every seventh the answer is lost.
    let busy: Mood = |n, _| {
        n.is_multiple_of(5)
            .then_some(StatusCode::SERVICE_UNAVAILABLE)
    };
    let lost: Mood = |n, _| n.is_multiple_of(7).then_some(StatusCode::BAD_GATEWAY);
    let audit = Audit::new(busy, lost);
    let address = audit.listen().await;
    let replicas = [
        replica(&database, &address).await,
        replica(&database, &address).await,
    ];
    for number in 0..60 {
        let (store, outbox) = &replicas[number % 2];
        store
            .change(&change(&format!("k{}", number % 4), number))
            .await
            .unwrap();
        outbox.wake();
    }
    let log = audit.has(60).await;
    for (key, first) in [("k0", 0), ("k1", 1), ("k2", 2), ("k3", 3)] {
        let mine = log
            .iter()
            .filter(|event| event.key.starts_with(&format!("c/{key}@")));
        let found: Vec<_> = mine
            .map(|event| (event.key.clone(), event.actor.clone()))
            .collect();
        let expected = (1..=15).map(|version| {
            let number = first + 4 * (version - 1);
            (format!("c/{key}@{version}"), format!("user-{number}"))
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
    for (_, outbox) in &replicas {
        outbox.stop().await;
    }
    assert!(log.iter().all(|event| event.action == "record.put"));
}

async fn a_change_waits_for_an_audit_log_that_is_down(database: Database) {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let (store, outbox) = replica(&database, &address).await;
    for number in 0..3 {
        store.change(&change("k", number)).await.unwrap();
        outbox.wake();
    }
    outbox.stop().await;
    assert_eq!(store.depth().await.unwrap(), 3);
    store.close().await;
    // The next start finds them, and the end of a service delivers what it can.
    let audit = Audit::new(|_, _| None, |_, _| None);
    let (store, outbox) = replica(&database, &audit.listen().await).await;
    store.change(&change("k", 3)).await.unwrap();
    audit.has(1).await;
    outbox.stop().await;
    let keys: Vec<_> = audit
        .has(4)
        .await
        .into_iter()
        .map(|event| event.key)
        .collect();
    assert_eq!(keys, ["c/k@1", "c/k@2", "c/k@3", "c/k@4"]);
    assert_eq!(
        (store.depth().await.unwrap(), outbox.depth().load(Relaxed)),
        (0, 0)
    );
}

async fn an_event_that_is_refused_does_not_hold_up_the_others(database: Database) {
    let choosy: Mood =
        |_, event| (event.key == "c/k@1").then_some(StatusCode::UNPROCESSABLE_ENTITY);
    let audit = Audit::new(choosy, |_, _| None);
    let (store, outbox) = replica(&database, &audit.listen().await).await;
    for number in 0..3 {
        store.change(&change("k", number)).await.unwrap();
    }
    outbox.wake();
    let keys: Vec<_> = audit
        .has(2)
        .await
        .into_iter()
        .map(|event| event.key)
        .collect();
    assert_eq!(keys, ["c/k@2", "c/k@3"]);
    outbox.stop().await;
    // It is still there for somebody to look at.
    assert_eq!(store.depth().await.unwrap(), 1);
}

async fn an_event_that_a_fault_strikes_once_is_not_struck_for_ever(database: Database) {
    let (audit, mut log) = striking().await;
    let (store, outbox) = replica(&database, &audit).await;
    for key in ["a", "b", "c"] {
        store.change(&change(key, 0)).await.unwrap();
    }
    outbox.wake();
    let complete = log.wait_for(|log| log.len() == 3);
    let complete = timeout(Duration::from_mins(1), complete).await;
    complete.expect("all events come").unwrap();
    outbox.stop().await;
}

/// One round, which takes 10 s, and a lease of 2 s.
async fn the_lease_is_renewed_during_a_round_that_takes_longer(database: Database) {
    let clock = HeldClock::hold();
    let (audit, mut seen) = slow().await;
    fill(&database, 10).await;
    let (store, _outbox) = replica(&database, &audit).await;
    seen.wait_for(|events| *events == 1).await.unwrap();
    let first = store.lease().await.unwrap();
    // Leases go by the time of day, which does not stand still: each renewal ends later.
    let renewed = async {
        loop {
            clock.advance(LEASE / 2).await;
            let lease = store.lease().await.unwrap();
            if lease.until_ms > first.until_ms {
                return lease;
            }
        }
    };
    let events_left = async {
        let more = seen.wait_for(|events| *events == 10).await;
        more.map(|events| *events).unwrap()
    };
    let lease = tokio::select! {
        lease = renewed => lease,
        events = events_left => panic!("{events} events, and the lease is still {first:?}"),
    };
    assert_eq!(lease.holder, first.holder);
    // Still in the same round: nothing of it is forgotten yet.
    assert_eq!(store.depth().await.unwrap(), 10);
}

#[tokio::test]
async fn the_lease_is_renewed_in_sqlite_during_a_round_that_takes_longer() {
    let database = Database::sqlite().unwrap();
    the_lease_is_renewed_during_a_round_that_takes_longer(database).await;
}

#[tokio::test]
async fn the_lease_is_renewed_in_postgres_during_a_round_that_takes_longer() {
    if let Some(database) = Database::postgres() {
        the_lease_is_renewed_during_a_round_that_takes_longer(database).await;
    }
}

#[tokio::test]
async fn a_service_that_stops_does_not_wait_for_a_round_that_takes_longer() {
    let clock = HeldClock::hold();
    let database = Database::sqlite().unwrap();
    let (audit, mut seen) = slow().await;
    fill(&database, 20).await;
    let (_store, outbox) = replica(&database, &audit).await;
    seen.wait_for(|events| *events == 1).await.unwrap();
    seen.mark_unchanged();
    let begin = Instant::now();
    let mut stop = std::pin::pin!(outbox.stop());
    loop {
        // Time passes only while the audit log has an event.
        tokio::select! {
            () = &mut stop => break,
            () = clock.advance(SLOW) => {}
        }
        tokio::select! {
            () = &mut stop => break,
            changed = seen.changed() => changed.unwrap(),
        }
    }
    // It still delivered what it could.
    assert!(*seen.borrow() > 2);
    let took = begin.elapsed();
    assert!(took <= LAST_CALLS + 2 * SLOW, "{took:?}");
}

#[tokio::test]
async fn a_replica_that_may_not_deliver_waits_for_nobody_who_writes() {
    let database = Database::sqlite().unwrap();
    let store = store::open(&database.url.parse().unwrap()).await.unwrap();
    store.change(&change("k", 0)).await.unwrap();
    let now = now_ms();
    let lease = milliseconds(LEASE);
    store.may_deliver("other", now, now + lease).await.unwrap();
    let options = SqliteConnectOptions::new().filename(&database.url["sqlite:".len()..]);
    let mut writer = SqliteConnection::connect_with(&options).await.unwrap();
    let _held = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut courier = Courier::new(store, upstream("http://127.0.0.1:1").await);
    let round = courier.try_round().await.unwrap();
    assert!(matches!(round, Round::Elsewhere(_)), "{round:?}");
    assert_eq!(courier.depth.load(Relaxed), 1);
}

#[test]
fn each_delivery_has_an_identity_of_its_own_that_begins_with_the_authors() {
    let by = |request_id: &str| Waiting {
        id: 1,
        place: Place {
            collection: "c".to_owned(),
            key: "k".to_owned(),
        },
        version: 1,
        author: Author {
            actor: "user-1".to_owned(),
            request_id: request_id.to_owned(),
        },
        action: "record.put".to_owned(),
    };
    assert_eq!(by("r-1").delivery_id(10), "r-1-000000000000000a");
    assert_ne!(by("r-1").delivery_id(10), by("r-1").delivery_id(11));
    let longest = by(&"x".repeat(REQUEST_ID_MAX)).delivery_id(u64::MAX);
    assert!(header::is_request_id(&longest), "{longest}");
    assert!(longest.starts_with("xxx") && longest.ends_with("-ffffffffffffffff"));
}

#[test]
fn a_lease_keeps_out_the_others_for_as_long_as_any_lease_can() {
    let lease = Lease {
        holder: "one".to_owned(),
        until_ms: 10_000,
    };
    let left = Some(Duration::from_millis(1500));
    assert_eq!(lease.keeps_out("two", 8500), left);
    assert_eq!(lease.keeps_out("two", 8000), Some(LEASE));
    for (replica, now_ms) in [
        ("one", 8500),
        ("two", 10_000),
        ("two", 10_001),
        ("two", 7999),
    ] {
        assert_eq!(lease.keeps_out(replica, now_ms), None, "{replica} {now_ms}");
    }
}
