//! A service that starts before its store: alive and not ready, until the store comes.

use super::{nines, reserved};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Child,
    time::{Duration, SystemTime},
};
use testkit::{Ended, Sandbox, finish, postgres::Cluster, wait_until};
use tokio::net::TcpSocket;

/// Far more than anything here takes, on a machine however busy.
const SOON: Duration = Duration::from_mins(1);
/// What must never be shown.
const PASSWORD: &str = "hush-hush";

/// An auth service, and its admin listener.
struct Auth {
    child: Child,
    admin: SocketAddr,
    _port: TcpSocket,
}

impl Auth {
    fn start(sandbox: &Sandbox, store: &str, wait: &str) -> Self {
        let (port, admin) = reserved();
        let log = fs::File::create(sandbox.path().join("log")).unwrap();
        let mut command = nines(sandbox);
        command.args(["serve", "auth", "--listen=127.0.0.1:0"]);
        command.args([format!("--admin={admin}"), format!("--store-wait={wait}")]);
        let child = command.env("NINES_STORE", store).stderr(log).spawn();
        Self {
            child: child.unwrap(),
            admin,
            _port: port,
        }
    }

    /// The whole answer of the admin listener; empty if there is none.
    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(self.admin) {
            let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
            // No answer is what shows where this fails.
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read_to_string(&mut answer);
        }
        answer
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").starts_with("HTTP/1.1 200")
    }

    /// Waits until it says that it waits; by then it has failed to open its store.
    fn waits(&self, sandbox: &Sandbox) {
        let waits = || self.get("/readyz").contains("waiting-for-store");
        assert!(wait_until(SOON, waits), "{}", log(sandbox));
        assert!(self.get("/readyz").starts_with("HTTP/1.1 503"));
        assert!(self.get("/livez").starts_with("HTTP/1.1 200"));
        // Nothing that comes later is there yet, and says so.
        assert!(self.get("/openapi.json").starts_with("HTTP/1.1 503"));
        assert!(self.get("/metrics").starts_with("HTTP/1.1 200"));
    }

    fn stop(self) -> Ended {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        finish(self.child).unwrap()
    }
}

fn log(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path().join("log")).unwrap_or_default()
}

/// A store where no server is; the socket keeps it so.
fn nowhere() -> (TcpSocket, String) {
    let (socket, address) = reserved();
    let url = format!("postgres://nines:{PASSWORD}@{address}/auth");
    (socket, url)
}

#[test]
fn a_service_whose_store_comes_late_is_alive_and_not_ready_and_then_ready() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let store = format!("{}&password={PASSWORD}", cluster.database());
    cluster.stop_server();
    let sandbox = Sandbox::new().unwrap();
    let auth = Auth::start(&sandbox, &store, "10m");
    auth.waits(&sandbox);
    cluster.start_server();
    assert!(wait_until(SOON, || auth.is_ready()), "{}", log(&sandbox));
    assert!(auth.get("/openapi.json").starts_with("HTTP/1.1 200"));
    assert_eq!(auth.stop().code, Some(0), "{}", log(&sandbox));
    let log = log(&sandbox);
    for part in ["not there yet", "the store is there", "test_0", "tries=1 "] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn a_service_that_waits_for_its_store_ends_at_once_on_sigterm() {
    let sandbox = Sandbox::new().unwrap();
    let (_unused, store) = nowhere();
    let auth = Auth::start(&sandbox, &store, "1h");
    auth.waits(&sandbox);
    let ended = auth.stop();
    assert_eq!(ended.code, Some(0), "{}", log(&sandbox));
    let log = log(&sandbox);
    assert!(log.contains("stopped before it served"), "{log}");
    assert!(!log.contains("error:") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn a_store_that_does_not_come_within_the_limit_is_exit_code_3_and_named_with_the_setting() {
    let sandbox = Sandbox::new().unwrap();
    let (_unused, store) = nowhere();
    let auth = Auth::start(&sandbox, &store, "300ms");
    let ended = finish(auth.child).unwrap();
    let log = log(&sandbox);
    assert_eq!(ended.code, Some(3), "{log}");
    let named = store.replace(PASSWORD, "***");
    let message =
        format!("error: --store {named}: the store was not there within --store-wait 300ms");
    assert!(log.contains(&message), "{log}");
    assert!(log.contains("because: Connection refused"), "{log}");
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn a_database_that_is_not_there_is_not_waited_for() {
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let sandbox = Sandbox::new().unwrap();
    let begin = SystemTime::now();
    let auth = Auth::start(&sandbox, &cluster.url("no_such_database"), "1h");
    let ended = finish(auth.child).unwrap();
    let log = log(&sandbox);
    assert_eq!(ended.code, Some(3), "{log}");
    assert!(begin.elapsed().unwrap() < SOON);
    assert!(log.contains("the store cannot be opened"), "{log}");
    assert!(!log.contains("not there yet"), "{log}");
}
