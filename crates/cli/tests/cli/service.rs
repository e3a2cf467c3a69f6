//! One service as a process: probes, drain, and spans over every protocol.

use super::nines;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};
use testkit::{Sandbox, finish, wait_until};
use traces::{Kind, ReceiverOptions};
use types::Cause;

/// How long a condition may take to hold on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

struct Running {
    child: Child,
    public: SocketAddr,
    admin: SocketAddr,
}

fn start(command: &mut Command) -> Running {
    let command = command.args(["serve", "relay", "--listen", "127.0.0.1:0"]);
    let command = command.args(["--admin", "127.0.0.1:0", "--supervised"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let address = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
    Running {
        public: address("public"),
        admin: address("admin"),
        child,
    }
}

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    fn stop(self) -> testkit::Ended {
        kill_process(self.pid(), Signal::TERM).unwrap();
        finish(self.child).unwrap()
    }
}

/// The whole answer to a request on a connection of its own; empty if there is none.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A reset is an answer, too: none.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"),
    )
}

fn put_faults(address: SocketAddr, token: &str, body: &str) -> String {
    let length = body.len();
    ask(
        address,
        &format!(
            "PUT /faults HTTP/1.1\r\nhost: t\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
    )
}

#[test]
fn probes_stay_well_whatever_fault_is_injected() {
    let sandbox = Sandbox::new().unwrap();
    let relay = start(nines(&sandbox).env("NINES_ADMIN_TOKEN", "t0ken"));
    for kind in ["error", "reset", "hang"] {
        let body =
            format!(r#"{{"seed":1,"faults":[{{"id":"f","kind":"{kind}","probability":1}}]}}"#);
        let answer = put_faults(relay.admin, "t0ken", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for path in ["/livez", "/readyz", "/metrics", "/faults"] {
            assert!(
                get(relay.admin, path).starts_with("HTTP/1.1 200"),
                "{kind} {path}"
            );
        }
        if kind == "error" {
            let answer = get(relay.public, "/v1/relay");
            assert!(
                answer.contains("injected-fault") && answer.contains("\"hop\":\"relay\""),
                "{answer}"
            );
        }
        if kind == "reset" {
            assert_eq!(get(relay.public, "/v1/relay"), "");
        }
    }
    for wrong in ["wrong", "", "t0ke"] {
        assert!(
            put_faults(relay.admin, wrong, "{}").starts_with("HTTP/1.1 401"),
            "{wrong:?}"
        );
    }
    put_faults(relay.admin, "t0ken", "{}");
    assert_eq!(relay.stop().code, Some(0));
}

/// A relay that answers once it is let: its address, what says that it was asked, and what lets
/// it answer.
fn held_callee() -> (SocketAddr, Receiver<()>, Sender<()>) {
    const BODY: &str = r#"{"service":"below","hops":1}"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ((asked, is_asked), (answer, may_answer)) = (channel(), channel());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
        while head.next().unwrap().unwrap() != "" {}
        asked.send(()).unwrap();
        may_answer.recv().unwrap();
        let length = BODY.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
        write!(stream, "{head}: {length}\r\n\r\n{BODY}").unwrap();
    });
    (address, is_asked, answer)
}

#[test]
fn a_service_that_drains_answers_what_is_under_way_is_alive_not_ready_and_closes_connections() {
    let sandbox = Sandbox::new().unwrap();
    let (below, is_asked, answer) = held_callee();
    let calls = format!("below=http://{below}");
    let relay = start(nines(&sandbox).env("NINES_CALLS", calls));
    let (public, admin) = (relay.public, relay.admin);
    // A client that would keep its connection.
    let request = "GET /v1/relay HTTP/1.1\r\nhost: t\r\n\r\n";
    let under_way = thread::spawn(move || ask(public, request));
    is_asked.recv_timeout(PATIENCE).unwrap();
    kill_process(relay.pid(), Signal::TERM).unwrap();
    let not_ready = || get(admin, "/readyz").starts_with("HTTP/1.1 503");
    assert!(wait_until(PATIENCE, not_ready));
    assert!(get(admin, "/livez").starts_with("HTTP/1.1 200"));
    answer.send(()).unwrap();

    let ended = finish(relay.child).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let answer = under_way.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_stopping_service_cuts_off_is_its_failure_and_not_a_client_that_left() {
    let receiver = traces::Receiver::start(([127, 0, 0, 1], 0).into(), ReceiverOptions::default());
    let receiver = receiver.await.unwrap();
    let endpoint = receiver.endpoint();
    let work = move || {
        let (sandbox, (below, is_asked, _never)) = (Sandbox::new().unwrap(), held_callee());
        let mut command = nines(&sandbox);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        command.env("NINES_DRAIN", "50ms");
        let relay = start(command.env("NINES_CALLS", format!("below=http://{below}")));
        let public = relay.public;
        let client = thread::spawn(move || get(public, "/v1/relay"));
        is_asked.recv_timeout(PATIENCE).unwrap();
        assert_eq!(relay.stop().code, Some(0));
        assert_eq!(client.join().unwrap(), "", "it was not answered");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    let archive = receiver.finish().await;
    let spans = archive.spans();
    let request = spans.iter().find(|span| span.kind == Kind::Server);
    assert_eq!(request.unwrap().cause, Some(Cause::Reset));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_arrive_over_every_protocol_when_a_service_is_told_to_stop() {
    for protocol in ["http/protobuf", "grpc"] {
        let receiver =
            traces::Receiver::start(([127, 0, 0, 1], 0).into(), ReceiverOptions::default());
        let receiver = receiver.await.unwrap();
        let endpoint = receiver.endpoint();
        let work = move || {
            let sandbox = Sandbox::new().unwrap();
            let mut command = nines(&sandbox);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
            let relay = start(command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol));
            for _ in 0..50 {
                assert!(get(relay.public, "/v1/relay").starts_with("HTTP/1.1 200"));
            }
            assert_eq!(relay.stop().code, Some(0));
        };
        tokio::task::spawn_blocking(work).await.unwrap();
        let archive = receiver.finish().await;
        assert_eq!(archive.spans().len(), 50, "{protocol}");
    }
}

#[test]
fn an_unreachable_collector_stops_nobody_and_the_lost_spans_are_counted() {
    let sandbox = Sandbox::new().unwrap();
    let mut command = nines(&sandbox);
    let relay = start(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"));
    for _ in 0..20 {
        assert!(get(relay.public, "/v1/relay").starts_with("HTTP/1.1 200"));
    }
    let metrics = get(relay.admin, "/metrics");
    assert!(
        metrics.contains("nines_spans_total{state=\"ended\",otel_scope_name=\"nines\"} 20"),
        "{metrics}"
    );
    let ended = relay.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("lost=20"), "{}", ended.stderr);
}
