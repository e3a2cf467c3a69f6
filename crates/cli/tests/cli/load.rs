//! `nines load`: what is counted, and what is honest about it.

use super::{nines, reserved};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use testkit::{Ended, Sandbox, finish, wait_until};
use tokio::{net::TcpListener, sync::Mutex, time::sleep};

/// A server that counts what it is asked.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<AtomicU64>,
    broken: Arc<AtomicU64>,
    /// Who holds it is served; everybody else waits.
    busy: Arc<Mutex<()>>,
}

impl Server {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/tenth", get(every_tenth_fails))
            .route("/stall", get(one_stalls))
            .route("/fifth", get(every_fifth_fails_late))
            .route("/denied", get(|| async { StatusCode::UNAUTHORIZED }))
            .route("/limited", get(|| async { StatusCode::TOO_MANY_REQUESTS }))
            .route("/shed", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .with_state(self.clone());
        // Ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }
}

async fn every_tenth_fails(State(server): State<Server>) -> StatusCode {
    if server.asked.fetch_add(1, Relaxed) % 10 == 9 {
        server.broken.fetch_add(1, Relaxed);
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    StatusCode::OK
}

async fn every_fifth_fails_late(State(server): State<Server>) -> StatusCode {
    if server.asked.fetch_add(1, Relaxed) % 5 == 4 {
        sleep(STALL).await;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    StatusCode::OK
}

/// The hundredth request takes most of a second, and those that come meanwhile wait for it.
async fn one_stalls(State(server): State<Server>) {
    let _turn = server.busy.lock().await;
    if server.asked.fetch_add(1, Relaxed) == 99 {
        sleep(STALL).await;
    }
}

const STALL: Duration = Duration::from_millis(800);

async fn load(address: SocketAddr, path: &str, flags: &[&str]) -> Ended {
    let url = format!("http://{address}{path}");
    let flags: Vec<_> = flags.iter().map(ToString::to_string).collect();
    let work = move || {
        let sandbox = Sandbox::new().unwrap();
        testkit::run(nines(&sandbox).arg("load").arg(url).args(flags)).unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn measured(address: SocketAddr, path: &str, flags: &[&str]) -> Value {
    let flags = [flags, &["--json"]].concat();
    let ended = load(address, path, &flags).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_what_the_server_counted() {
    for flags in [
        &["--rate", "500", "--requests", "600"][..],
        &["--workers", "3", "--requests", "600"],
        &["--workers", "2", "--think", "1ms", "--for", "300ms"],
        &["--for", "300ms"],
    ] {
        let server = Server::default();
        let said = measured(server.start().await, "/tenth", flags).await;
        let counts = &said["generator"]["counts"];
        let (asked, broken) = (server.asked.load(Relaxed), server.broken.load(Relaxed));
        assert_eq!(counts["offered"], asked, "{flags:?}");
        assert_eq!(counts["failed_by_cause"]["error"], broken, "{flags:?}");
        assert_eq!(counts["ok"], asked - broken, "{flags:?}");
        assert_eq!(said["statuses"]["500"], broken, "{flags:?}");
        if flags.contains(&"600") {
            assert_eq!(asked, 600);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stalls_shows_in_the_open_model_and_hides_from_the_closed_one() {
    let p90 = |said: &Value| said["latency"]["p90"]["ms"].as_f64().unwrap();
    let stall = STALL.as_secs_f64() * 1e3;
    let flags = ["--rate", "200", "--requests", "400"];
    let open = measured(Server::default().start().await, "/stall", &flags).await;
    // 160 of 400 requests arrive while it stalls: each tenth waits for at least half of it.
    assert!(p90(&open) > stall / 4.0, "{open}");
    let flags = ["--workers", "1", "--requests", "400"];
    let closed = measured(Server::default().start().await, "/stall", &flags).await;
    // One request of 400 shows the stall, and no more than that.
    assert!(p90(&closed) < stall, "{closed}");
    assert!(closed["slowest_ms"].as_f64().unwrap() >= stall, "{closed}");
    let caveats = closed["caveats"].to_string();
    assert!(caveats.contains("closed model"), "{caveats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_refuses_every_request_and_that_is_a_result() {
    let (_socket, address) = reserved();
    let flags = ["--rate", "1000", "--requests", "50"];
    let said = measured(address, "/", &flags).await;
    assert_eq!(
        said["generator"]["counts"]["failed_by_cause"]["refused"],
        50
    );
    assert_eq!(said["availability"], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_for_people_say_what_was_offered_and_what_the_sample_can_not_bound() {
    let server = Server::default();
    let flags = ["--rate", "1000", "--requests", "100"];
    let ended = load(server.start().await, "/tenth", &flags).await;
    for part in [
        "offered       100 in",
        "failed        10 error 10",
        "of the 90 that were answered:",
        "of all, with those that failed:",
        "90.00 %",
        "to ?)",
        "too few to bound p99 from above",
    ] {
        assert!(ended.stdout.contains(part), "{part:?}: {}", ended.stdout);
    }
    assert!(
        ended.stdout.contains("when a request was due"),
        "{}",
        ended.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn percentiles_of_answers_are_told_apart_from_those_of_failures() {
    let address = Server::default().start().await;
    let flags = ["--rate", "100", "--requests", "200"];
    let said = measured(address, "/fifth", &flags).await;
    let p90 = |which: &str| said[which]["p90"]["ms"].as_f64().unwrap();
    let stall = STALL.as_secs_f64() * 1e3;
    assert!(p90("latency") >= stall, "{said}");
    assert!(p90("latency_answered") < stall, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_interrupted_shows_what_it_measured_so_far() {
    let server = Server::default();
    let url = format!("http://{}/tenth", server.start().await);
    let sandbox = Sandbox::new().unwrap();
    let mut load = nines(&sandbox);
    load.args(["load", &url, "--rate", "200", "--for", "5m", "--json"]);
    let child = load.spawn().unwrap();
    let work = move || {
        let begun = || server.asked.load(Relaxed) >= 50;
        assert!(wait_until(Duration::from_mins(1), begun));
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        finish(child).unwrap()
    };
    let ended = tokio::task::spawn_blocking(work).await.unwrap();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(
        said["generator"]["counts"]["offered"].as_u64() >= Some(40),
        "{said}"
    );
    assert_eq!(said["interrupted"], true);
    assert!(
        said["caveats"].to_string().contains("interrupted"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_say_the_request_is_wrong_give_no_verdict() {
    let address = Server::default().start().await;
    let flags = ["--rate", "500", "--requests", "50"];
    let ended = load(address, "/denied", &flags).await;
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let said = "verdict       ? inconclusive: 50 of 50 answers had an unexpected status";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(ended.stdout.contains("401"), "{}", ended.stdout);
    let ended = load(address, "/denied", &[&flags[..], &["--json"]].concat()).await;
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(said["generator"]["unexpected"]["401"], 50, "{said}");
    assert_eq!(said["inconclusive"].as_array().unwrap().len(), 1, "{said}");
    // One client asks for too much: that says nothing of what others get.
    let ended = load(address, "/limited", &flags).await;
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    assert!(ended.stdout.contains("429"), "{}", ended.stdout);
    // A service that sheds load refuses: that is a failure, and a result.
    let said = measured(address, "/shed", &flags).await;
    assert_eq!(said["generator"]["counts"]["failed_by_cause"]["shed"], 50);
    assert_eq!(said["availability"], 0.0);
    assert_eq!(said["inconclusive"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_sends_nothing_gives_no_verdict() {
    let server = Server::default();
    let address = server.start().await;
    // One request on average; this seed draws none.
    let flags = ["--rate", "1", "--for", "1s", "--seed", "1"];
    let ended = load(address, "/tenth", &flags).await;
    assert_eq!(server.asked.load(Relaxed), 0);
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let said = "verdict       ? inconclusive: no request was sent";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(!ended.stdout.contains(" %"), "{}", ended.stdout);
    let fewer = load(address, "/tenth", &["--rate", "0.4", "--for", "2s"]).await;
    assert_eq!(fewer.code, Some(2), "{}", fewer.stdout);
    let before = "makes 0.8 requests at this rate";
    assert!(fewer.stderr.contains(before), "{}", fewer.stderr);
    let ended = load(address, "/tenth", &[&flags[..], &["--json"]].concat()).await;
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.code, Some(4), "{said}");
    assert_eq!(
        (&said["availability"], &said["interval"]),
        (&Value::Null, &Value::Null)
    );
}
