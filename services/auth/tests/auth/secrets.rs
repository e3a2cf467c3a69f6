//! Passwords, hashes, keys and tokens are in no log, no span and no problem.

use crate::{Replica, log};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};
use testkit::Sandbox;

/// Accepts everything that is sent to it by HTTP, and keeps it.
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&received);
        // It ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                thread::spawn(move || keep(stream, &kept));
            }
        });
        Self { url, received }
    }
}

/// Each piece is answered: an answer too many does not disturb an exporter.
fn keep(mut stream: TcpStream, kept: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        kept.lock().unwrap().extend_from_slice(&piece[..length]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_a_span_or_a_problem() {
    let sandbox = Sandbox::new().unwrap();
    let collector = Collector::start();
    let env = [
        ("NINES_LOG", "trace"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ];
    let args = ["--store=sqlite::memory:", "--revocation-lease=1ms"];
    let mut replica = Replica::start(&sandbox, &args, &env);
    let mut answers = String::new();
    let secret = "a secret password";
    for (path, body) in [
        (
            "/v1/accounts",
            json!({ "username": "ann", "password": secret }),
        ),
        (
            "/v1/accounts",
            json!({ "username": "ann", "password": "another secret" }),
        ),
        (
            "/v1/accounts",
            json!({ "username": "Ann", "password": secret }),
        ),
        (
            "/v1/accounts",
            json!({ "username": "bob", "password": secret.repeat(99) }),
        ),
        (
            "/v1/login",
            json!({ "username": "ann", "password": "another secret" }),
        ),
        (
            "/v1/login",
            json!({ "username": "ann", "password": secret, "x": secret }),
        ),
        ("/v1/login", json!({ "username": 7, "password": secret })),
    ] {
        answers += &replica.post(path, &body).await.text().await.unwrap();
    }
    let token = replica.log_in().await;
    for path in ["/v1/introspect", "/v1/revoke"] {
        let answer = replica.post(path, &json!({ "token": token })).await;
        answers += &answer.text().await.unwrap();
    }
    replica.rotate().await;
    assert_eq!(replica.service.stop().unwrap(), Some(0));
    let spans = collector.received.lock().unwrap();
    let (log, spans) = (log(&sandbox), String::from_utf8_lossy(&spans).into_owned());
    assert!(
        log.contains("POST") || log.contains("TRACE"),
        "the log is a full one"
    );
    assert!(spans.contains("password.verify"), "the spans are there");
    for (place, text) in [("log", &log), ("spans", &spans), ("answers", &answers)] {
        for secret in [
            "secret",
            "password-1",
            "$argon2",
            &token,
            token.rsplit('.').next().unwrap(),
        ] {
            let at = text.find(secret);
            let shown = at.map(|at| text[at.saturating_sub(200)..at + secret.len()].to_owned());
            assert_eq!(shown, None, "{secret} in the {place}");
        }
    }
}
