//! A service that has run out of file descriptors: its own failure, and not one of its callee.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use testkit::{Sandbox, Service, wait_until};

/// Far more than anything here takes, on a machine however busy.
const SOON: Duration = Duration::from_mins(1);
/// How many file descriptors the front may have: enough to start, and few enough to use up.
const DESCRIPTORS: u32 = 64;
/// A breaker that opens at the first failure and stays open for longer than the test takes.
const POLICY: [&str; 2] = [
    r#"--breaker={"consecutive":1,"open":"1h","max_open":"1h"}"#,
    r#"--retry={"retries":3}"#,
];

/// A relay that calls another one, and can open few files.
struct Front {
    service: Service,
    _back: Service,
    sandbox: Sandbox,
}

impl Front {
    fn start() -> Self {
        let (nines, sandbox) = (env!("CARGO_BIN_EXE_nines"), Sandbox::new().unwrap());
        let relay = ["serve", "relay"].map(str::to_owned);
        let mut back = Service::new(nines, &relay).unwrap();
        assert!(back.start(&sandbox, "back", &[]).unwrap());
        let limited = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"");
        let mut front = Service::new("sh", &["-c".to_owned(), limited, nines.to_owned()]).unwrap();
        let calls = format!("--calls=back=http://{}", back.public());
        for arg in relay.iter().map(String::as_str).chain(POLICY) {
            front = front.arg(arg);
        }
        assert!(front.start(&sandbox, "front", &[calls]).unwrap());
        Self {
            service: front,
            _back: back,
            sandbox,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.sandbox.path().join("front")).unwrap_or_default()
    }

    /// Whether every file descriptor that it may have is open.
    fn has_none_left(&self) -> bool {
        let open = fs::read_dir(format!("/proc/{}/fd", self.service.pid().unwrap()));
        open.unwrap().count() >= DESCRIPTORS as usize
    }
}

/// A connection that is kept, and what it answers to one request more.
struct Client(TcpStream);

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).unwrap())
    }

    fn get(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n");
        self.0.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !is_complete(&answer) {
            let mut some = [0; 4096];
            let read = self.0.read(&mut some).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&some[..read]);
        }
        String::from_utf8(answer).unwrap()
    }
}

/// Whether an answer with a `Content-Length` is there to its end.
fn is_complete(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

#[test]
fn file_descriptors_used_up_here_are_no_failure_of_the_callee_and_open_no_breaker() {
    let front = Front::start();
    let mut client = Client::new(front.service.public());
    let mut admin = Client::new(front.service.admin());
    assert!(client.get("/nowhere").starts_with("HTTP/1.1 404"));
    assert!(admin.get("/livez").starts_with("HTTP/1.1 200"));
    let others: Vec<_> = (0..DESCRIPTORS)
        .map(|_| TcpStream::connect(front.service.public()).unwrap())
        .collect();
    assert!(wait_until(SOON, || front.has_none_left()));

    let answer = client.get("/v1/relay");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains(r#""code":"out-of-resources""#), "{answer}");
    assert!(answer.contains(r#""cause":"exhausted""#), "{answer}");
    assert!(answer.contains(r#""hop":"relay""#), "{answer}");
    assert!(answer.contains(r#""retryable":true"#), "{answer}");
    let log = front.log();
    for what in [
        "a connection could not be accepted",
        "a call could not be made",
    ] {
        let line = log.lines().find(|line| line.contains(what));
        assert!(
            line.is_some_and(|line| line.contains("os error 24")),
            "{log}"
        );
    }
    let metrics = admin.get("/metrics");
    let attempts = metrics
        .lines()
        .filter(|line| line.starts_with("nines_attempts_total") && !line.ends_with(" 0"));
    let attempts: Vec<_> = attempts.collect();
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert!(attempts[0].contains(r#"cause="exhausted""#), "{attempts:?}");
    assert!(attempts[0].ends_with("} 1"), "not retried: {attempts:?}");

    drop(others);
    let answers = || client.get("/v1/relay").starts_with("HTTP/1.1 200");
    assert!(wait_until(SOON, answers), "{}", front.log());
    let metrics = admin.get("/metrics");
    let mut transitions = metrics
        .lines()
        .filter(|line| line.starts_with("nines_breaker_transitions_total{"));
    assert!(
        transitions.all(|line| line.ends_with(" 0")),
        "the breaker opened: {metrics}"
    );
}
